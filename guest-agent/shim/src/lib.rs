//! One small process per container process: its stdio, its log, its exit status.

pub mod wire;
