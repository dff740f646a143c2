//! Naru's use cases on the host, without a window.
//!
//! The window and the tests hold an [`App`]; the `naru` command asks the process that
//! owns the machine through a [`Client`]. Its place in the data path:
//!
//! ```text
//! window ─► App ─► Docker API ─┐                   ┌─► engine's HTTP server (Docker API)
//! docker, compose, … ──────────┴─► proxy ─► guest ─┼─► ports channel
//! naru ─► Client ─► control socket ─► machine      └─► tunnels
//! ```
//!
//! One process owns the machine ([`owner`](crate::App::owns_machine)): it starts QEMU,
//! serves the Docker API on a local socket, listens on published ports and answers the
//! other processes. Knows nothing of Tauri, and of the engine only its API.

mod app;
mod ask;
mod at_registry;
pub mod commands;
mod compose;
mod config;
mod console;
mod context;
mod control;
mod copy;
mod credentials;
pub mod demo;
pub mod diagnostics;
mod directories;
mod error;
#[cfg(test)]
mod fake_engine;
mod fanout;
mod guest;
mod http;
mod local;
mod local_file;
mod machine;
mod only_window;
mod output;
mod owner;
mod ports;
mod private_file;
mod proxy;
mod registries;
pub mod settings;
mod streams;
pub mod tray;
mod window_place;

pub use app::{App, AppOptions};
pub use config::Environment;
pub use console::print_log;
pub use context::NAME as DOCKER_CONTEXT;
pub use control::client::{Client, Watch};
pub use directories::Directories;
pub use error::{AppError, kind_named};
pub use local::Address;
pub use only_window::Door;
pub use window_place::{Screen, WindowPlace};

/// Naru's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
