//! The carriers that need no machine, and the faults of the channel beneath them.

mod faults;
mod suite;
mod support;
