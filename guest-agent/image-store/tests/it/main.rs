//! The store against registries that misbehave, all in this process; needs no root.

mod faults;
mod registry;
