//! The QEMU program: where it is, what it can do, and how it is told what to run.

pub mod accelerator;
pub(crate) mod argv;
mod devices;
pub mod locate;
pub(crate) mod monitor;
pub(crate) mod process;

pub use self::argv::render;
