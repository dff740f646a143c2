//! What the tests share: registry, engine and VM under test.

pub mod busybox;
pub mod clients;
mod docker_host;
mod dockerd;
mod engine;
pub mod images;
mod native_engine;
pub mod oci;
mod registry;
pub mod vm;

pub use docker_host::{DockerHost, Output, Running, Terminal};
pub use dockerd::Dockerd;
pub use engine::{Engine, TEST_HOST};
pub use native_engine::NativeEngine;
pub use registry::Registry;
pub use vm::Vm;
