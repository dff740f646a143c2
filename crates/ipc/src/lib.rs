//! The contract between the window and the app.
//!
//! [`commands!`] is the one table of commands. The shell registers a Tauri command
//! for each row, `naru-app` has a method for each, and the TypeScript map
//! `Commands` that types `call(…)` in the window is generated from it by
//! `cargo xtask bindings`, so a row that one side lacks does not compile.
//!
//! A command answers when what it asks for is done, with these exceptions:
//! `machine.start` and `machine.stop` answer when the machine has accepted (its
//! status comes as events), and `container.logs` and `terminal.open` answer when
//! their stream is open; its items follow, the last one with the source `end`.
//!
//! Numbers are JSON numbers: 64-bit fields are exported as `number` and stay below
//! 2^53 (bytes, seconds, milliseconds).

#[cfg(test)]
mod bindings;
mod build;
mod container;
mod details;
mod disk;
mod error;
mod event;
mod files;
mod find;
mod hint;
mod image;
mod inspection;
mod machine;
mod network;
mod project;
mod registries;
mod remake;
mod settings;
pub mod table;
mod tray;
mod volume;

pub use build::*;
pub use container::*;
pub use details::*;
pub use disk::*;
pub use error::*;
pub use event::*;
pub use files::*;
pub use find::*;
pub use hint::*;
pub use image::*;
pub use inspection::*;
pub use machine::*;
pub use network::*;
pub use project::*;
pub use registries::*;
pub use remake::*;
pub use settings::*;
pub use tray::*;
pub use volume::*;
