//! Naru as a person has it: the `naru` command, the machine it boots, and `docker`.
//!
//! Needs QEMU, the VM image (`cargo xtask image`), Debian's docker-registry and the stock
//! `docker` command. Each case has a home and a machine of its own.
#![cfg(target_os = "linux")]
#![expect(clippy::panic_in_result_fn, reason = "tests assert and propagate")]

mod boot;
mod carriers;
mod containers;
mod disk;
mod files;
mod images;
mod interference;
mod policies;
mod power;
mod raw;
mod starting;
mod streams;
mod survival;
mod trim;
