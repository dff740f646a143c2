//! Naru against its peers, measured in one run.

fn main() {}
