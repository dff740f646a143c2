//! The store against a real registry and a real overlay-capable file system; needs root.

#![expect(clippy::panic_in_result_fn, reason = "tests assert and propagate")]

mod archive_attacks;
mod archive_lies;
mod layers;
mod pull;
mod record;
mod tls;
