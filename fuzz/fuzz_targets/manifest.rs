//! Manifests and indexes, as a registry or an archive has them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use naru_image_store::invariants;

fuzz_target!(|content: &[u8]| {
    if let Err(what) = invariants::manifest(content) {
        panic!("{what}");
    }
});
