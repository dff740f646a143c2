//! What drives the real window: a display, WebKit's driver, and a person's hands.
//!
//! [`Desktop`] starts the program that people start, on a display and in a home
//! directory of its own, and ends both by their own process ids. [`Desktop::find`]
//! looks for things as a screen reader does, by role and name.

mod desktop;
mod display;
mod hands;

pub use desktop::{Desktop, Home};
pub use hands::Hands;
