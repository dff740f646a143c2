//! A first process that looks after the container's program (`docker run --init`).
//!
//! ```text
//! the child, set up ──fork──┬─► goes on to exec the program, in a process group of its own
//!                           └─► process 1: forwards signals, buries orphans, ends as it ends
//! ```
//!
//! It is the child itself that stays, rather than one more program: nothing of it has to be put
//! into the container, and an agent that is linked dynamically can do it in any image. It has
//! what the program has (user, capabilities, filter) and holds no descriptor but the standard
//! streams, so that who gets hold of it has gained nothing.

use std::ffi::CStr;
use std::io;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, getpgrp, setpgid, wait};
use rustix::stdio::stdin;
use rustix::termios::tcsetpgrp;
use rustix::thread::set_name;

use crate::error::{Context, Result};
use crate::sys::{self, Forked};

/// What `ps` shows in the place of the program's name.
const NAME: &CStr = c"docker-init";

/// Signals by which the kernel tells a process of its own faults.
const FAULTS: [Signal; 7] = [
    Signal::SIGFPE,
    Signal::SIGILL,
    Signal::SIGSEGV,
    Signal::SIGBUS,
    Signal::SIGABRT,
    Signal::SIGTRAP,
    Signal::SIGSYS,
];

/// Splits the process in two, and returns in the one that becomes the program. `confine` puts
/// the program's restrictions on the other one, too.
pub(crate) fn split(confine: impl FnOnce() -> Result<()>) -> Result<()> {
    // From here on no signal is lost: it waits until there is someone to forward it to.
    let mut before = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&forwarded()), Some(&mut before))
        .map_err(io::Error::from)
        .context("block", "the signals")?;
    match sys::fork(0, None).context("clone", "the container's program")? {
        Forked::Child => {
            stand_alone()?;
            sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None)
                .map_err(io::Error::from)
                .context("restore", "the signals")
        }
        Forked::Parent { pid, .. } => supervise(pid, confine),
    }
}

/// Puts the program into a process group of its own, in the foreground of its terminal: what is
/// typed there signals the program at once, and not its supervisor as well.
fn stand_alone() -> Result<()> {
    setpgid(None, None).context("set", "the process group")?;
    // SIGTTOU, which this earns from the background, is still blocked.
    match tcsetpgrp(stdin(), getpgrp()) {
        // There is no terminal, or it is another session's.
        Ok(()) | Err(Errno::NOTTY | Errno::NXIO) => Ok(()),
        Err(errno) => Err(errno).context("set", "the terminal's process group"),
    }
}

/// Never returns: what the caller holds belongs to its copy in the other process.
fn supervise(program: Pid, confine: impl FnOnce() -> Result<()>) -> ! {
    // The runtime takes the end of the channel for the exec, so that only the program may hold
    // it. Descriptors are closed under their owners, none of which is dropped any more.
    if sys::close_from(3).is_err() || confine().is_err() {
        sys::exit_now(1);
    }
    // The name is for people; a filter may refuse it.
    let _ = set_name(NAME);
    let signals = forwarded();
    loop {
        match sys::await_signal(&signals) {
            Ok(libc::SIGCHLD) => {
                if let Some(status) = bury(program) {
                    sys::exit_now(status);
                }
            }
            // A program that has ended meanwhile is told by the next SIGCHLD.
            Ok(signal) => drop(sys::kill(program, signal)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => sys::exit_now(1),
        }
    }
}

/// Reaps all that are dead; gives the program's status if it is one of them.
fn bury(program: Pid) -> Option<i32> {
    let mut ended = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if pid == program {
            let signal = status.terminating_signal().map(|signal| 128 + signal);
            ended = signal.or_else(|| status.exit_status()).or(ended);
        }
    }
    ended
}

/// All that can be blocked, but for faults, which must not go unnoticed.
fn forwarded() -> SigSet {
    let mut signals = SigSet::all();
    for fault in FAULTS {
        signals.remove(fault);
    }
    signals
}
