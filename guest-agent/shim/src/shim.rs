//! The shim's state and the one place where it waits.

mod clients;
mod lifecycle;

use std::env::set_current_dir;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;

use naru_runtime::{Created, Process};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Mode;
use rustix::io::retry_on_intr;
use rustix::process::umask;

use crate::client::{Client, Role};
use crate::control::Control;
use crate::error::{Context, ShimError};
use crate::log::Log;
use crate::orphans::Orphans;
use crate::output::{Output, READ_SIZE};
use crate::process::{Prepared, prepare};
use crate::stdin::Stdin;
use crate::wire::{ExitRecord, SOCKET_NAME, ShimConfig, ShimEvent};

/// How far the process is.
#[derive(Debug)]
enum Phase {
    Created(Created),
    Running(Process),
    Exited(ExitRecord),
    /// It was not to be: the engine is gone, or the program cannot be run.
    Failed,
}

/// A source of events.
#[derive(Clone, Copy, Debug)]
enum Source {
    Control,
    Listener,
    Process,
    Orphans,
    Stdin,
    Output(usize),
    Client(usize),
}

/// A process and everybody who has to do with it.
#[derive(Debug)]
pub(crate) struct Shim {
    config: ShimConfig,
    control: Control,
    listener: UnixListener,
    phase: Phase,
    pid: i32,
    started_at: Option<String>,
    console: Option<OwnedFd>,
    stdin: Stdin,
    /// Those that can still say something.
    outputs: Vec<Output>,
    clients: Vec<Client>,
    log: Option<Log>,
    buffer: Vec<u8>,
    orphans: Orphans,
    /// The exit status, until it is certain to be on the disk.
    unsynced: Option<File>,
}

impl Shim {
    /// Makes the process and the socket, and tells the engine; `None` if that was a failure.
    #[tracing::instrument(name = "shim", level = "debug", skip_all)]
    pub(crate) fn create(
        config: ShimConfig,
        run_dir: &Path,
        mut control: Control,
    ) -> Result<Option<Self>, ShimError> {
        // From there the socket's path is short, however deep the directory is.
        set_current_dir(run_dir).context("change to the run directory")?;
        let listener = listen().context("listen on the shim's socket")?;
        let log = config.log.clone().map(Log::open).transpose().context("open the log")?;
        let orphans = Orphans::adopt().context("adopt orphans")?;
        let Prepared { created, stdin, outputs, console } = match prepare(&config) {
            Ok(prepared) => prepared,
            Err(refused) => {
                remove_socket();
                control.say(&refused.event());
                return Ok(None);
            }
        };
        let pid = created.pid();
        control.say(&ShimEvent::Created { pid });
        Ok(Some(Self {
            config,
            control,
            listener,
            phase: Phase::Created(created),
            pid,
            started_at: None,
            console,
            stdin,
            outputs,
            clients: Vec::new(),
            log,
            buffer: vec![0; READ_SIZE],
            orphans,
            unsynced: None,
        }))
    }

    /// Serves until the process is gone and every client has all that it is owed.
    pub(crate) fn run(mut self) -> Result<(), ShimError> {
        let result = self.serve();
        remove_socket();
        let synced = self.unsynced.as_ref().map_or(Ok(()), File::sync_data);
        result?;
        synced.context("sync the exit status")
    }

    fn serve(&mut self) -> Result<(), ShimError> {
        while !self.is_finished() {
            if self.control.has_request() {
                self.control();
                continue;
            }
            for (source, events) in self.wait()? {
                self.handle(source, events)?;
            }
            self.clients.retain(|client| !client.is_done());
            self.outputs.retain(|output| !output.is_ended());
        }
        Ok(())
    }

    /// Clients that have not asked for anything by the time that all is over get no answer.
    fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Exited(_) | Phase::Failed)
            && self.clients.iter().all(|client| client.role == Role::Asking)
    }

    /// Waits for something to do. What is handled must not move what waits to be handled:
    /// outputs and clients are only removed between two waits.
    fn wait(&self) -> Result<Vec<(Source, PollFlags)>, ShimError> {
        let mut sources = Vec::new();
        let mut polled = Vec::new();
        let mut add = |source, descriptor, events| {
            sources.push(source);
            polled.push(PollFd::from_borrowed_fd(descriptor, events));
        };
        if self.control.is_open() {
            add(Source::Control, self.control.as_fd(), PollFlags::IN);
        }
        add(Source::Listener, self.listener.as_fd(), PollFlags::IN);
        add(Source::Orphans, self.orphans.as_fd(), PollFlags::IN);
        if let Some(stdin) = self.stdin.blocked() {
            add(Source::Stdin, stdin, PollFlags::OUT);
        }
        // Nobody who is attached may lose output, so that a slow client makes the process wait.
        if !self.clients.iter().any(Client::is_full) {
            for (index, output) in self.outputs.iter().enumerate() {
                add(Source::Output(index), output.as_fd(), PollFlags::IN);
            }
        }
        if let Phase::Running(process) = &self.phase {
            add(Source::Process, process.as_fd(), PollFlags::IN);
        }
        for (index, client) in self.clients.iter().enumerate() {
            let mut events = PollFlags::empty();
            let must_wait = client.gives_input() && self.stdin.is_full();
            events.set(PollFlags::IN, client.is_sending() && !must_wait);
            events.set(PollFlags::OUT, client.is_owed());
            add(Source::Client(index), client.as_fd(), events);
        }
        retry_on_intr(|| poll(&mut polled, None)).context("wait for events")?;
        let events = sources.into_iter().zip(polled.iter().map(PollFd::revents));
        Ok(events.filter(|(_, events)| !events.is_empty()).collect())
    }

    fn handle(&mut self, source: Source, events: PollFlags) -> Result<(), ShimError> {
        match source {
            Source::Control => self.control(),
            Source::Listener => self.accept(),
            Source::Stdin => self.stdin.write(),
            Source::Output(index) => drop(self.pump(index)),
            Source::Orphans => self.orphans.reap(self.pid),
            Source::Process => self.process_ended()?,
            Source::Client(index) => self.client(index, events),
        }
        Ok(())
    }
}

/// The socket is the user's alone from the moment it exists.
#[tracing::instrument(level = "debug", skip_all)]
fn listen() -> io::Result<UnixListener> {
    match fs::remove_file(SOCKET_NAME) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let before = umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(SOCKET_NAME);
    umask(before);
    let listener = listener?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn remove_socket() {
    // The engine removes the whole directory; a socket that stays refuses connections.
    drop(fs::remove_file(SOCKET_NAME));
}
