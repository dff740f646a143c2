//! Dockerfiles, and what `.dockerignore` says.

#![no_main]

use libfuzzer_sys::fuzz_target;
use naru_dockerfile::invariants;

fuzz_target!(|text: &str| {
    let checked = invariants::dockerfile(text).and_then(|_| invariants::ignore(text));
    if let Err(what) = checked {
        panic!("{what}");
    }
});
