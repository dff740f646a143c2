//! Image references, as a client writes them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use naru_image_store::invariants;

fuzz_target!(|text: &str| {
    if let Err(what) = invariants::reference(text) {
        panic!("{what}");
    }
});
