//! Real containers in real shims: needs root and busybox (`/bin/busybox`, static).
#![expect(clippy::panic_in_result_fn, reason = "a test asserts")]

mod attach;
mod harness;
mod lifecycle;
