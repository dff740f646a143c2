//! Signals as something to wait for, beside devices and deadlines.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The signals init acts on; while this exists they interrupt nothing.
#[derive(Debug)]
pub(crate) struct Signals {
    descriptor: SignalFd,
}

impl Signals {
    /// Blocks the given signals and queues them here from now on.
    pub(crate) fn block(signals: &[Signal]) -> io::Result<Self> {
        let set: SigSet = signals.iter().copied().collect();
        set.thread_block()?;
        let descriptor =
            SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Self { descriptor })
    }

    /// Waits until a signal is queued, a device can be read, or the deadline passes.
    pub(crate) fn wait(&self, devices: &[File], deadline: Option<Instant>) -> io::Result<()> {
        let mut descriptors = vec![PollFd::new(self.descriptor.as_fd(), PollFlags::POLLIN)];
        descriptors
            .extend(devices.iter().map(|device| PollFd::new(device.as_fd(), PollFlags::POLLIN)));
        let timeout = deadline.map_or(PollTimeout::NONE, |deadline| {
            // Rounded up: waking a moment early would make the caller spin.
            let left = deadline.saturating_duration_since(Instant::now()).as_millis() + 1;
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut descriptors, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Takes the next queued signal.
    pub(crate) fn take(&self) -> io::Result<Option<Signal>> {
        let Some(info) = self.descriptor.read_signal()? else { return Ok(None) };
        // Only signals that were asked for by name arrive here.
        Ok(i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok()))
    }
}
