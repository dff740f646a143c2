//! The contract between the window and the app.
//!
//! [`commands!`] is the one table of commands. The shell registers a Tauri command
//! for each row, `naru-app` has a method for each, and the TypeScript map
//! `Commands` that types `call(…)` in the window is generated from it by
//! `cargo xtask bindings`, so a row that one side lacks does not compile.
//!
//! Numbers are JSON numbers: 64-bit fields are exported as `number` and stay below
//! 2^53 (bytes, seconds, milliseconds).

mod container;
mod error;
mod event;
mod image;
mod machine;
mod settings;
pub mod table;

pub use container::*;
pub use error::*;
pub use event::*;
pub use image::*;
pub use machine::*;
pub use settings::*;
