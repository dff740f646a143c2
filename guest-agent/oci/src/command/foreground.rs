//! A process that the command waits for.

use std::io;
use std::os::fd::AsFd;

use naru_runtime::{Process, Stdio};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;

use crate::error::{OciError, Result};

/// Signals that are meant for the process when its command gets them.
const FORWARDED: [Signal; 6] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// This command's own streams, for the process.
pub(super) fn own_streams() -> Result<Stdio> {
    let own = |stream: &dyn AsFd| stream.as_fd().try_clone_to_owned().map(Some);
    let streams = || -> io::Result<Stdio> {
        Ok(Stdio {
            stdin: own(&io::stdin())?,
            stdout: own(&io::stdout())?,
            stderr: own(&io::stderr())?,
        })
    };
    streams().map_err(OciError::io("sharing", "the standard streams"))
}

/// Waits for the process's end, and passes on what it is signalled; gives its status.
pub(super) fn wait(mut process: Process) -> Result<u8> {
    let failed = || OciError::io("waiting for", "the container's process");
    let signals = FORWARDED.into_iter().collect::<SigSet>();
    let signals = signals
        .thread_block()
        .and_then(|()| SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC))
        .map_err(|errno| failed()(errno.into()))?;
    loop {
        let mut polled =
            [PollFd::new(&process, PollFlags::IN), PollFd::new(&signals, PollFlags::IN)];
        retry_on_intr(|| poll(&mut polled, None)).map_err(|errno| failed()(errno.into()))?;
        let [ended, signalled] = polled.map(|polled| !polled.revents().is_empty());
        if ended {
            return Ok(u8::try_from(process.wait()?.code).unwrap_or(u8::MAX));
        }
        if signalled && let Ok(Some(signal)) = signals.read_signal() {
            process.signal(i32::try_from(signal.ssi_signo).unwrap_or_default())?;
        }
    }
}
