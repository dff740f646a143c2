//! The store against a real registry and a real overlay-capable file system; needs root.

#![expect(clippy::panic_in_result_fn, reason = "tests assert and propagate")]

mod layers;
mod pull;
mod record;
