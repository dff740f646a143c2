//! What the tests share: registry, engine and VM under test.

pub mod busybox;
mod engine;
pub mod images;
pub mod oci;
mod registry;
pub mod vm;

pub use engine::{NativeEngine, Output, Running, Terminal};
pub use registry::Registry;
pub use vm::Vm;
