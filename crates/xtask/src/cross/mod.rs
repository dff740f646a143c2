//! `cargo xtask cross`: the platforms that this machine is not.

mod stdlib;
pub(crate) mod toolchain;
