//! What drives the real window: a display, WebKit's driver, and a person's hands.
//!
//! [`Desktop`] starts the program that people start, on a display, a session bus and in a
//! home directory of its own, and ends each by its own process id. [`Desktop::find`]
//! looks for things as a screen reader does, by role and name.

mod desktop;
mod display;
mod hands;
mod panel;
mod qemu;

pub use desktop::{Desktop, Home};
pub use display::Bus;
pub use hands::Hands;
pub use panel::{Panel, Tray};
pub use qemu::StallingQemu;
