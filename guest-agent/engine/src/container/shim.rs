//! The engine's side of a shim: starting one, and talking to it.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use jiff::Timestamp;
use naru_shim::wire::{
    ControlRequest, ExitRecord, FailureKind, LogPosition, SOCKET_NAME, ShimAnswer, ShimConfig,
    ShimEvent, ShimRequest,
};
use oci_spec::runtime::LinuxResources;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::logs::{LogFeed, Word};
use super::program::AgentProgram;
use crate::error::{EngineError, Result};

/// How many digits of an id name its run directory: short, for a socket's path has
/// at most 107 bytes, and still beyond any chance of a clash.
const RUN_NAME_LEN: usize = 32;

/// Where a shim keeps its socket.
#[derive(Clone, Debug)]
pub(crate) struct ShimAddress {
    id: String,
    directory: PathBuf,
}

/// Which streams an attach wants.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AttachStreams {
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
}

/// How a process ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exit {
    /// 128 and the signal's number when a signal ended it.
    pub(crate) code: i32,
    pub(crate) oom_killed: bool,
    pub(crate) at: Timestamp,
}

impl ShimAddress {
    /// The address of the shim of container or exec `id`.
    pub(crate) fn new(run_dir: &Path, id: &str) -> Self {
        let name = id.get(..RUN_NAME_LEN).unwrap_or(id);
        Self { id: id.to_owned(), directory: run_dir.join(name) }
    }

    /// The address to which a directory below `run_dir` belongs, if it is one of a shim.
    pub(crate) fn of_directory(directory: &Path) -> Option<Self> {
        let name = directory.file_name()?.to_str()?;
        let is_one =
            name.len() == RUN_NAME_LEN && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_one.then(|| Self { id: name.to_owned(), directory: directory.to_owned() })
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// One request, which is done or not.
    async fn request(&self, request: &ShimRequest) -> Result<UnixStream> {
        match self.answer(request).await? {
            (stream, ShimAnswer::Ok) => Ok(stream),
            (_, ShimAnswer::Error { message }) => Err(self.failed(message)),
            (_, answer) => Err(self.failed(format!("nobody asked for {answer:?}"))),
        }
    }

    /// One request, one answer, and what follows it.
    async fn answer(&self, request: &ShimRequest) -> Result<(UnixStream, ShimAnswer)> {
        let mut stream = UnixStream::connect(self.directory.join(SOCKET_NAME))
            .await
            .map_err(|error| self.failed(format!("cannot be reached: {error}")))?;
        write_line(&mut stream, request).await.map_err(|error| self.failed(error.to_string()))?;
        let answer = read_line_unbuffered(&mut stream).await;
        Ok((stream, answer.map_err(|error| self.failed(error.to_string()))?))
    }

    /// Joins the process's streams; what comes back is Docker's attach stream.
    pub(crate) async fn attach(&self, streams: AttachStreams) -> Result<UnixStream> {
        let AttachStreams { stdin, stdout, stderr } = streams;
        self.request(&ShimRequest::Attach { stdin, stdout, stderr }).await
    }

    /// Joins the process's streams, and tells where in the log they continue.
    pub(crate) async fn attach_after_log(
        &self,
        streams: AttachStreams,
    ) -> Result<(LogPosition, UnixStream)> {
        let AttachStreams { stdin, stdout, stderr } = streams;
        let request = ShimRequest::AttachAfterLog { stdin, stdout, stderr };
        match self.answer(&request).await? {
            (stream, ShimAnswer::Attached(position)) => Ok((position, stream)),
            (_, ShimAnswer::Error { message }) => Err(self.failed(message)),
            (_, answer) => Err(self.failed(format!("nobody asked for {answer:?}"))),
        }
    }

    /// Follows the log: its present file, and what comes.
    pub(crate) async fn follow_log(&self) -> Result<(File, LogFeed)> {
        let feed = LogFeed(self.request(&ShimRequest::FollowLog).await?);
        match feed.next().await {
            Ok(Word::Begun(file)) => Ok((file, feed)),
            Ok(_) => Err(self.failed("it did not hand over the log")),
            Err(error) => Err(self.failed(error.to_string())),
        }
    }

    /// Sets the terminal's size, in characters.
    pub(crate) async fn resize(&self, rows: u16, cols: u16) -> Result<()> {
        self.request(&ShimRequest::Resize { rows, cols }).await.map(drop)
    }

    /// Sends a signal to the process.
    pub(crate) async fn signal(&self, signal: i32) -> Result<()> {
        self.request(&ShimRequest::Signal { signal }).await.map(drop)
    }

    /// Stops all processes of the container where they are.
    pub(crate) async fn pause(&self) -> Result<()> {
        self.request(&ShimRequest::Pause).await.map(drop)
    }

    /// Lets them go on.
    pub(crate) async fn resume(&self) -> Result<()> {
        self.request(&ShimRequest::Resume).await.map(drop)
    }

    /// Changes limits of the container: all of these, or none.
    pub(crate) async fn update(&self, resources: LinuxResources) -> Result<()> {
        let resources = Box::new(resources);
        self.request(&ShimRequest::Update { resources }).await.map(drop)
    }

    /// Whether the container is paused, as the kernel says.
    pub(crate) async fn paused(&self) -> Result<bool> {
        match self.answer(&ShimRequest::State).await?.1 {
            ShimAnswer::State(state) => Ok(state.paused),
            answer => Err(self.failed(format!("expected a state, not {answer:?}"))),
        }
    }

    /// Joins a shim that an earlier engine has started: its events from the first on.
    pub(crate) async fn watch(&self) -> Result<ShimEvents> {
        let stream = self.request(&ShimRequest::Watch).await?;
        Ok(ShimEvents { id: self.id.clone(), stream: BufReader::new(stream) })
    }

    /// Starts a shim and lets it make the process, which then waits for
    /// [`ShimEvents::start`]. Gives the process's id.
    #[tracing::instrument(name = "shim", level = "debug", skip_all)]
    pub(crate) async fn spawn(
        &self,
        program: &AgentProgram,
        config: &ShimConfig,
        tasks: &TaskTracker,
    ) -> Result<(ShimEvents, i32)> {
        std::fs::create_dir_all(&self.directory)
            .map_err(EngineError::io("creating", &self.directory))?;
        let (ours, theirs) =
            StdUnixStream::pair().map_err(|error| self.failed(error.to_string()))?;
        let mut command = Command::new(program.path());
        command
            .arg("shim")
            .arg("--dir")
            .arg(&self.directory)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .process_group(0);
        let spawned = tracing::debug_span!("spawn").in_scope(|| command.spawn());
        // It has the shim's end of the pair, whose closing is how a shim's death is noticed.
        drop(command);
        let mut child = spawned.map_err(|error| self.failed(error.to_string()))?;
        let id = self.id.clone();
        tasks.spawn(async move {
            // Its end is told by its events; here it is only reaped.
            if let Err(error) = child.wait().await {
                tracing::warn!(id, %error, "waiting for a shim failed");
            }
        });
        ours.set_nonblocking(true).map_err(|error| self.failed(error.to_string()))?;
        let stream = UnixStream::from_std(ours).map_err(|error| self.failed(error.to_string()))?;
        let mut events = ShimEvents { id: self.id.clone(), stream: BufReader::new(stream) };
        events.send(config).await?;
        match events.next().instrument(tracing::debug_span!("process")).await? {
            ShimEvent::Created { pid } => Ok((events, pid)),
            ShimEvent::Failed { kind, message } => Err(start_failed(kind, message)),
            other => Err(self.failed(format!("expected created, not {other:?}"))),
        }
    }

    fn failed(&self, message: impl Into<String>) -> EngineError {
        EngineError::Shim { container_id: self.id.clone(), message: message.into() }
    }
}

/// The line to a shim on which it tells what happens.
#[derive(Debug)]
pub(crate) struct ShimEvents {
    id: String,
    stream: BufReader<UnixStream>,
}

impl ShimEvents {
    /// Lets the process run; gives the time at which it did.
    #[tracing::instrument(name = "run", level = "debug", skip_all)]
    pub(crate) async fn start(&mut self) -> Result<Timestamp> {
        self.send(&ControlRequest::Start).await?;
        match self.next().await? {
            ShimEvent::Started { at } => self.timestamp(&at),
            ShimEvent::Failed { kind, message } => Err(start_failed(kind, message)),
            other => Err(self.failed(format!("expected started, not {other:?}"))),
        }
    }

    /// Waits for the process's end. An error means that the shim itself is gone.
    pub(crate) async fn exited(mut self) -> Result<Exit> {
        loop {
            if let ShimEvent::Exited(record) = self.next().await? {
                return read_record(&record)
                    .ok_or_else(|| self.failed(format!("{}: not a time", record.at)));
            }
        }
    }

    async fn send(&mut self, message: &impl Serialize) -> Result<()> {
        write_line(self.stream.get_mut(), message)
            .await
            .map_err(|error| self.failed(error.to_string()))
    }

    async fn next(&mut self) -> Result<ShimEvent> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).await;
        if read.map_err(|error| self.failed(error.to_string()))? == 0 {
            return Err(self.failed("it ended without a word"));
        }
        serde_json::from_str(&line).map_err(EngineError::encoding("a shim's message"))
    }

    fn timestamp(&self, text: &str) -> Result<Timestamp> {
        text.parse().map_err(|error| self.failed(format!("{text}: {error}")))
    }

    fn failed(&self, message: impl Into<String>) -> EngineError {
        EngineError::Shim { container_id: self.id.clone(), message: message.into() }
    }
}

/// Docker's exit codes of `docker run` for a process that could not start.
fn start_failed(kind: FailureKind, message: String) -> EngineError {
    let is_foreign = matches!(kind, FailureKind::UnknownFormat | FailureKind::NoInterpreter);
    let exit_code = match kind {
        FailureKind::NotFound | FailureKind::NoInterpreter => 127,
        FailureKind::PermissionDenied | FailureKind::UnknownFormat => 126,
        FailureKind::Unsupported => return EngineError::Unsupported(message),
        FailureKind::InvalidArgument => return EngineError::Invalid(message),
        FailureKind::Internal => 128,
    };
    EngineError::Start { message, exit_code, is_foreign }
}

/// The end of a process as its shim has written it down for an engine that was away.
pub(crate) fn read_exit(path: &Path) -> Option<Exit> {
    let text = std::fs::read_to_string(path).ok()?;
    read_record(&serde_json::from_str(&text).ok()?)
}

fn read_record(record: &ExitRecord) -> Option<Exit> {
    let at = record.at.parse().ok()?;
    Some(Exit { code: record.code, oom_killed: record.oom_killed, at })
}

async fn write_line(stream: &mut UnixStream, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line).await
}

/// Reads one line byte by byte: what follows it belongs to whoever gets the stream.
async fn read_line_unbuffered<T: DeserializeOwned>(stream: &mut UnixStream) -> io::Result<T> {
    let mut line = Vec::new();
    loop {
        match stream.read_u8().await? {
            b'\n' => return Ok(serde_json::from_slice(&line)?),
            byte => line.push(byte),
        }
    }
}
