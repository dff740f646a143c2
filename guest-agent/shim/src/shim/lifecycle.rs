//! From `start` to the end.

use std::mem::replace;
use std::rc::Rc;

use super::{Phase, Shim};
use crate::client::Role;
use crate::clock;
use crate::error::{Context, ShimError};
use crate::exit::write_record;
use crate::process::Refused;
use crate::wire::{ControlRequest, ExitRecord, ShimEvent, Target};

impl Shim {
    /// The engine has spoken, or died. Until `start` the process lives only by its engine.
    pub(super) fn control(&mut self) {
        match self.control.request() {
            Some(ControlRequest::Start) => self.start(),
            None if matches!(self.phase, Phase::Created(_)) => {
                self.phase = Phase::Failed;
                self.send_away();
            }
            None => {}
        }
    }

    #[tracing::instrument(level = "debug", skip_all)]
    fn start(&mut self) {
        let created = match replace(&mut self.phase, Phase::Failed) {
            Phase::Created(created) => created,
            // Asked a second time.
            phase => return self.phase = phase,
        };
        match created.start() {
            Ok(process) => {
                let at = clock::now();
                self.phase = Phase::Running(process);
                self.started_at = Some(at.clone());
                self.tell(&ShimEvent::Started { at });
            }
            Err(error) => {
                self.tell(&Refused::from(error).event());
                self.send_away();
            }
        }
    }

    /// The order matters: all output is in the log before the exit status is on disk, and the
    /// status is in its file before anyone hears of it.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(super) fn process_ended(&mut self) -> Result<(), ShimError> {
        let Phase::Running(process) = &mut self.phase else { return Ok(()) };
        let status = process.wait().map_err(std::io::Error::other).context("wait")?;
        let at = clock::now();
        if let Target::Container { .. } = self.config.target {
            // A container ends with its first process, whatever else runs in it. If the kernel
            // does not let go of its cgroup, that is no reason to keep the status back.
            drop(process.cgroup().remove());
            self.orphans.reap(self.pid);
        }
        for index in 0..self.outputs.len() {
            while self.pump(index) {}
        }
        // What the children of an exec still write, nobody has asked for.
        self.outputs.clear();
        if let Some(log) = &mut self.log {
            // As with every line: a log that cannot be written must not stop the container.
            drop(log.finish());
        }
        self.tell_followers();
        let record = ExitRecord { code: status.code, oom_killed: status.oom_killed, at };
        // On a full disk an engine that listens is the only one to hear of it.
        self.unsynced = write_record(&self.config.exit_path, &record).ok();
        self.phase = Phase::Exited(record.clone());
        self.tell(&ShimEvent::Exited(record));
        self.send_away();
        Ok(())
    }

    /// Reads an output once and hands on what came. Whether anything came.
    pub(super) fn pump(&mut self, index: usize) -> bool {
        let output = &mut self.outputs[index];
        let name = output.name;
        let Some(length) = output.read(&mut self.buffer) else { return false };
        let data = &self.buffer[..length];
        if let Some(log) = &mut self.log {
            // A full disk loses lines of the log; it does not stop the container.
            drop(log.write(name, data));
        }
        for client in self.clients.iter_mut().filter(|client| client.wants(name)) {
            client.send_output(name, data, !self.config.tty);
        }
        self.tell_followers();
        true
    }

    /// Gives those who follow the log the files that were begun, or says that it has grown.
    fn tell_followers(&mut self) {
        let Some(log) = &mut self.log else { return };
        let begun = log.take_begun();
        log.set_followed(self.clients.iter().any(|client| client.role == Role::Following));
        for client in self.clients.iter_mut().filter(|client| client.role == Role::Following) {
            if begun.is_empty() {
                client.nudge();
            }
            for file in &begun {
                client.hand_over(Rc::clone(file));
            }
        }
    }

    /// Tells the engine and all who watch.
    fn tell(&mut self, event: &ShimEvent) {
        self.control.say(event);
        for client in self.clients.iter_mut().filter(|client| client.role == Role::Watching) {
            client.say(event);
        }
    }

    /// Lets every client go once it has what it is owed.
    fn send_away(&mut self) {
        self.stdin.close();
        for client in self.clients.iter_mut().filter(|client| client.role != Role::Asking) {
            client.role = Role::Leaving;
        }
    }
}
