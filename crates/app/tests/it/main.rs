//! The app as the window sees it, without a machine.
#![expect(clippy::panic_in_result_fn, reason = "a test asserts")]

#[cfg(unix)]
mod death;
mod ownership;
mod table;
