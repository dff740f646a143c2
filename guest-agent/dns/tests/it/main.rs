//! The server on loopback, with an upstream of the tests' own.

mod forwarding;
mod hostile;
mod names;
mod world;
