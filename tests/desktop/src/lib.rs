//! What drives the window: WebKit's driver over the real one, Chromium's over its pages, and a
//! person's hands.
//!
//! [`Desktop`] starts the program that people start, on a display, a session bus and in a
//! home directory of its own, and ends each by its own process id. [`Browser`] shows the same
//! pages in Chromium, with the same app behind them and a native engine in the machine's place.
//! Both are a [`Page`], which looks for things as a screen reader does, by role and name.

mod browser;
mod desktop;
mod display;
mod hands;
mod measured;
mod native_desktop;
mod page;
mod panel;
mod qemu;

pub use browser::{Browser, Violation};
pub use desktop::{Desktop, Home};
pub use display::Bus;
pub use hands::Hands;
pub use measured::{Frames, keep};
pub use native_desktop::NativeDesktop;
pub use page::Page;
pub use panel::{Panel, Tray};
pub use qemu::StallingQemu;
