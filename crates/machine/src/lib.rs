//! The virtual machine: QEMU, its disks and its life.
