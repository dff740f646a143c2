//! An OCI runtime: namespaces, cgroup v2, overlayfs, seccomp, capabilities.
//!
//! What goes in is an OCI runtime specification ([`oci_spec::runtime::Spec`], version 1.2)
//! and a bundle directory; what comes out is a process. Nothing here knows who asks for it.
//!
//! ```text
//! create() / exec() ──► Created ──start()──► Process ──wait()──► ExitStatus
//!    │                    │ dropped: the child is killed, its cgroup removed
//!    └ error: nothing is left behind
//! ```
//!
//! [`create`] makes the cgroup and clones a child into it and into the new namespaces. The
//! child builds the root filesystem, takes on the user and the capabilities of the process,
//! and waits on a socket; [`Created::start`] lets it load its seccomp filter and exec. Every
//! error of the child comes back over that socket as a [`RuntimeError`]; a parent that dies
//! closes it, and the child ends.
//!
//! Four things are the caller's part:
//!
//! - The calling process has one thread: the child goes on running Rust after a plain fork.
//! - It closes its descriptors on exec. Those that it does not are closed here, but only once
//!   the child has left the set-up behind.
//! - It runs from a read-only mount of its executable ([`run_from_readonly_clone`] sees to it),
//!   so that a container that gets hold of `/proc/PID/exe` cannot write to the host's
//!   (CVE-2019-5736). As a second barrier the child is not dumpable until it execs.
//! - It runs the hooks of kind `poststart` and `poststop` ([`run_hooks`]).

#![cfg_attr(test, expect(clippy::panic_in_result_fn, reason = "a test asserts"))]

mod capabilities;
pub mod cgroup;
mod channel;
mod child;
mod create;
mod error;
mod exec;
mod gate;
mod handle;
mod hooks;
mod id_mappings;
mod namespaces;
mod process;
mod rootfs;
mod seccomp;
mod shield;
mod supervisor;
mod sys;

pub use cgroup::Cgroup;
pub use create::{CreateRequest, create};
pub use error::{Errno, RuntimeError};
pub use exec::{ExecRequest, exec};
pub use gate::{Gate, GateState};
pub use handle::{Created, ExitStatus, Process, send_signal};
pub use hooks::{HookKind, run_hooks, state};
pub use process::Stdio;
pub use rootfs::{ViewRequest, ViewRoot, view};
pub use shield::run_from_readonly_clone;
