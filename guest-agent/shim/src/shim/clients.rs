//! What clients ask, and what is done about it.

use naru_runtime::{Process, RuntimeError};
use rustix::event::PollFlags;
use rustix::termios::{Winsize, tcsetwinsize};

use super::{Phase, Shim};
use crate::client::{Client, Received, Role};
use crate::log::{Log, StreamName};
use crate::wire::{ShimAnswer, ShimEvent, ShimRequest, ShimState};

impl Shim {
    pub(super) fn accept(&mut self) {
        // One that is gone already, or that there is no descriptor for, is not served.
        while let Ok((socket, _)) = self.listener.accept() {
            self.clients.extend(Client::new(socket));
        }
    }

    pub(super) fn client(&mut self, index: usize, events: PollFlags) {
        let client = &mut self.clients[index];
        let is_closed = events.intersects(PollFlags::HUP | PollFlags::ERR);
        if events.contains(PollFlags::OUT) {
            client.send();
        }
        if client.is_sending() && (is_closed || events.contains(PollFlags::IN)) {
            match client.receive() {
                Received::Nothing => {}
                Received::Request(line) => self.request(index, &line),
                Received::Input(data) => self.input(index, &data),
                Received::End => self.no_more_input(index),
            }
        } else if is_closed {
            client.hang_up();
        }
    }

    fn input(&mut self, index: usize, data: &[u8]) {
        if self.clients[index].gives_input() {
            self.stdin.push(data);
        }
    }

    /// As with Docker: the end of a client's input ends that of a process whose input is for
    /// one client; a client of any other process has then seen enough.
    fn no_more_input(&mut self, index: usize) {
        let ends_input = self.config.stdin_once && !self.config.tty;
        let client = &mut self.clients[index];
        match client.role {
            Role::Asking => client.hang_up(),
            Role::Attached { stdin: true, .. } if ends_input => self.stdin.end(),
            Role::Attached { stdin: true, .. } => client.role = Role::Leaving,
            Role::Attached { stdin: false, .. }
            | Role::Watching
            | Role::Following
            | Role::Leaving => {}
        }
    }

    fn request(&mut self, index: usize, line: &[u8]) {
        let request = match serde_json::from_slice(line) {
            Ok(request) => request,
            Err(error) => return self.answer(index, Err(format!("bad request: {error}"))),
        };
        match request {
            ShimRequest::Attach { stdin, stdout, stderr } => {
                let stdin = stdin && self.config.open_stdin;
                self.attach(index, Role::Attached { stdin, stdout, stderr }, false);
            }
            ShimRequest::AttachAfterLog { stdin, stdout, stderr } => {
                let stdin = stdin && self.config.open_stdin;
                self.attach(index, Role::Attached { stdin, stdout, stderr }, true);
            }
            ShimRequest::FollowLog => self.follow_log(index),
            ShimRequest::Watch => self.watch(index),
            ShimRequest::State => {
                let state = ShimAnswer::State(self.state());
                self.clients[index].say(&state);
                self.clients[index].role = Role::Leaving;
            }
            ShimRequest::Resize { rows, cols } => {
                let result = self.resize(rows, cols);
                self.answer(index, result);
            }
            ShimRequest::Signal { signal } => {
                let result = self.of_running(|process| process.signal(signal));
                self.answer(index, result);
            }
            ShimRequest::Pause => {
                let result = self.of_running(|process| process.cgroup().freeze());
                self.answer(index, result);
            }
            ShimRequest::Resume => {
                let result = self.of_running(|process| process.cgroup().thaw());
                self.answer(index, result);
            }
            ShimRequest::Update { resources } => {
                let result = self.of_running(|process| process.cgroup().update(&resources));
                self.answer(index, result);
            }
            ShimRequest::CloseStdin => {
                if !self.config.tty {
                    self.stdin.end();
                }
                self.answer(index, Ok(()));
            }
        }
    }

    /// Answers a request that is then done.
    fn answer(&mut self, index: usize, result: Result<(), String>) {
        let answer = match result {
            Ok(()) => ShimAnswer::Ok,
            Err(message) => ShimAnswer::Error { message },
        };
        let client = &mut self.clients[index];
        client.say(&answer);
        client.role = Role::Leaving;
    }

    fn attach(&mut self, index: usize, role: Role, after_log: bool) {
        if matches!(self.phase, Phase::Exited(_) | Phase::Failed) {
            return self.answer(index, Err("the process has ended".to_owned()));
        }
        let answer = match self.log.as_ref().filter(|_| after_log).map(Log::position) {
            Some(Ok(position)) => ShimAnswer::Attached(position),
            Some(Err(error)) => return self.answer(index, Err(format!("the log: {error}"))),
            None if after_log => return self.answer(index, Err("there is no log".to_owned())),
            None => ShimAnswer::Ok,
        };
        let client = &mut self.clients[index];
        client.say(&answer);
        client.role = role;
        if let Some(log) = self.log.as_ref().filter(|_| after_log) {
            for stream in [StreamName::Stdout, StreamName::Stderr] {
                let unfinished = log.unfinished(stream);
                if client.wants(stream) && !unfinished.is_empty() {
                    client.send_output(stream, unfinished, !self.config.tty);
                }
            }
        }
        let early = client.take_early_input();
        self.input(index, &early);
    }

    fn follow_log(&mut self, index: usize) {
        let file = match (&self.phase, self.log.as_ref().map(Log::reader)) {
            (Phase::Exited(_) | Phase::Failed, _) => Err("the process has ended".to_owned()),
            (_, None) => Err("there is no log".to_owned()),
            (_, Some(file)) => file.map_err(|error| format!("open the log: {error}")),
        };
        let file = match file {
            Ok(file) => file,
            Err(message) => return self.answer(index, Err(message)),
        };
        if let Some(log) = &mut self.log {
            log.set_followed(true);
        }
        let client = &mut self.clients[index];
        client.say(&ShimAnswer::Ok);
        client.role = Role::Following;
        client.hand_over(file);
    }

    fn watch(&mut self, index: usize) {
        let mut events = vec![ShimEvent::Created { pid: self.pid }];
        events.extend(self.started_at.clone().map(|at| ShimEvent::Started { at }));
        let mut role = Role::Watching;
        if let Phase::Exited(record) = &self.phase {
            events.push(ShimEvent::Exited(record.clone()));
            role = Role::Leaving;
        }
        let client = &mut self.clients[index];
        client.say(&ShimAnswer::Ok);
        for event in &events {
            client.say(event);
        }
        client.role = role;
    }

    fn state(&self) -> ShimState {
        let exited = match &self.phase {
            Phase::Exited(record) => Some(record.clone()),
            _ => None,
        };
        let paused = match &self.phase {
            // A group that cannot be read is about to be gone with its process.
            Phase::Running(process) => process.cgroup().is_frozen().unwrap_or_default(),
            _ => false,
        };
        ShimState { pid: self.pid, started_at: self.started_at.clone(), exited, paused }
    }

    fn resize(&self, rows: u16, cols: u16) -> Result<(), String> {
        let console = self.console.as_ref().ok_or("the process has no terminal")?;
        let size = Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(console, size).map_err(|errno| format!("resize the terminal: {errno}"))
    }

    /// Does something with a process that runs.
    fn of_running(
        &self,
        what: impl FnOnce(&Process) -> Result<(), RuntimeError>,
    ) -> Result<(), String> {
        match &self.phase {
            Phase::Running(process) => what(process).map_err(|error| error.to_string()),
            Phase::Created(_) => Err("the process is not started".to_owned()),
            Phase::Exited(_) | Phase::Failed => Err("the process has ended".to_owned()),
        }
    }
}
