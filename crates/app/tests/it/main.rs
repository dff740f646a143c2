//! The app as the window sees it, without a machine.

mod ownership;
mod table;
