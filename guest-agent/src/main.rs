//! The one program that runs in the VM: init, engine and shim.

fn main() {}
