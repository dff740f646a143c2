//! What the tests share: registry, engine and VM under test.

pub mod busybox;
mod certificates;
pub mod clients;
mod docker_host;
mod dockerd;
mod engine;
mod hub;
pub mod images;
mod native_engine;
pub mod oci;
mod parts;
mod registry;
mod store;
mod token_server;
pub mod vm;

pub use certificates::Certificates;
pub use docker_host::{DockerHost, Output, Running, Terminal};
pub use dockerd::Dockerd;
pub use engine::{Engine, TEST_HOST};
pub use hub::FakeHub;
pub use native_engine::NativeEngine;
pub use parts::{PartedImage, noise};
pub use registry::{Guard, PASSWORD, Registry, USER};
pub use store::indexed_layers;
pub use token_server::{IDENTITY_TOKEN, TokenServer};
pub use vm::Vm;
