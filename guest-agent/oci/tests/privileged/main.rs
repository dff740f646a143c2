//! The command line, as its callers use it. Needs root and busybox (`/bin/busybox`, static).
//!
//! Cases of the specification run against `crun` as well, where it is installed, to check the
//! cases themselves; what is Naru's own runs against Naru alone.

#![expect(clippy::panic_in_result_fn, reason = "a test asserts")]

mod harness;
mod lifecycle;
mod podman;
mod processes;
