//! Containers that really run: needs root and busybox (`/bin/busybox`, static).

#![expect(clippy::panic_in_result_fn, reason = "a test asserts")]

mod bundle;
mod exec;
mod filesystem;
mod hooks;
mod namespaces;
mod process;
mod security;
