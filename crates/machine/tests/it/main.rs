//! The machine with a QEMU that is a script.
