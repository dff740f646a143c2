//! What the tests share: registry, engine and VM under test.

pub mod busybox;
pub mod images;
pub mod oci;
mod registry;

pub use registry::Registry;
