//! The store against registries that misbehave, all in this process; needs no root.

#![expect(clippy::panic_in_result_fn, reason = "tests assert and propagate")]

mod faults;
mod lengths;
mod mirrors;
mod parents;
mod partial;
mod patience;
mod platforms;
mod proxy;
mod push;
mod registry;
mod resume;
mod search;
mod web;
