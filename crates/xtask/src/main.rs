//! Naru's developer commands.

fn main() {}
