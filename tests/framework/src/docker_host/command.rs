//! `docker` and other clients, run to their end or in the background, always with a deadline.

use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;

use super::{DockerHost, signal};

/// Far more than any command takes; a machine that is slow fails no test.
const DEADLINE: Duration = Duration::from_mins(4);

/// What a command wrote, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// Its exit code; 128 and the signal's number where one ended it.
    pub code: i32,
}

impl Output {
    /// Its standard output without the last line's end; an error unless it succeeded.
    pub fn success(&self) -> anyhow::Result<&str> {
        ensure!(self.code == 0, "exit code {}: {}{}", self.code, self.stdout, self.stderr);
        Ok(self.stdout.trim_end_matches('\n'))
    }

    /// Its standard error without the last line's end; an error unless it ended with `code`.
    pub fn failure(&self, code: i32) -> anyhow::Result<&str> {
        ensure!(
            self.code == code,
            "exit code {} in place of {code}: {}{}",
            self.code,
            self.stdout,
            self.stderr
        );
        Ok(self.stderr.trim_end_matches('\n'))
    }
}

impl DockerHost {
    /// `docker` with `arguments`, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.client(&self.docker);
        command.args(arguments);
        command
    }

    /// Any client of Docker's, not yet started. It is told of the engine by what its user may set
    /// too, and of nothing else.
    pub fn client(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.directory.path())
            .env("DOCKER_HOST", self.host())
            .env("DOCKER_CONFIG", self.directory.path().join("docker"))
            .env_remove("DOCKER_CONTEXT")
            .env_remove("DOCKER_API_VERSION");
        command
    }

    /// Runs `docker` to its end, without input.
    pub fn docker(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        self.docker_with_input(arguments, b"")
    }

    /// Runs `docker` to its end; it reads `input`, then end of file.
    pub fn docker_with_input(&self, arguments: &[&str], input: &[u8]) -> anyhow::Result<Output> {
        let mut running = self.spawn(arguments)?;
        running.write(input)?;
        running.finish()
    }

    /// Starts `docker` with pipes.
    pub fn spawn(&self, arguments: &[&str]) -> anyhow::Result<Running> {
        Running::start(self.command(arguments))
    }
}

fn read_all(mut from: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What came before an error is worth showing.
    let _read = from.read_to_end(&mut bytes);
    bytes
}

/// A client in the background. It is killed when its handle is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Vec<u8>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    what: String,
}

impl Running {
    /// Starts a client with pipes.
    pub fn start(mut command: Command) -> anyhow::Result<Self> {
        let program = command.get_program().display().to_string();
        let words = command.get_args().map(OsStr::to_string_lossy);
        let what = words.fold(program.clone(), |line, word| line + " " + &word);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {program}"))?;
        let stdin = child.stdin.take();
        let (sender, lines) = channel();
        let stdout = child.stdout.take().context("standard output is piped")?;
        let stderr = child.stderr.take().context("standard error is piped")?;
        thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            let mut line = Vec::new();
            while stdout.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                // Nobody may wait for the rest.
                drop(sender.send(std::mem::take(&mut line)));
            }
        });
        let stderr = thread::spawn(move || read_all(stderr));
        Ok(Self { child, stdin, lines, stderr: Some(stderr), what })
    }

    /// Writes to its standard input. That it reads no more is no error.
    pub fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let stdin = self.stdin.as_mut().context("standard input is open")?;
        match stdin.write_all(bytes).and_then(|()| stdin.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The next line of its standard output, without its end.
    pub fn line(&mut self) -> anyhow::Result<String> {
        match self.lines.recv_timeout(DEADLINE) {
            Ok(line) => Ok(String::from_utf8(line)?.trim_end_matches('\n').to_owned()),
            Err(RecvTimeoutError::Timeout) => bail!("{} says nothing", self.what),
            Err(RecvTimeoutError::Disconnected) => bail!("{} says no more", self.what),
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, wanted: Signal) {
        signal(self.child.id(), wanted);
    }

    /// Closes its standard input and waits for its end; gives what was not yet read.
    pub fn finish(mut self) -> anyhow::Result<Output> {
        drop(self.stdin.take());
        let Some(status) = wait_for_exit(&mut self.child, DEADLINE)? else {
            bail!("{} does not end", self.what);
        };
        let stdout: Vec<u8> = self.lines.iter().flatten().collect();
        let stderr = self.stderr.take().map(JoinHandle::join);
        let stderr = stderr.and_then(Result::ok).unwrap_or_default();
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        Ok(Output {
            stdout: String::from_utf8(stdout)?,
            stderr: String::from_utf8(stderr)?,
            code: code.context("it exited or was killed")?,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has ended and was waited for.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Waits for a child's end; none when `limit` passed before.
pub(crate) fn wait_for_exit(
    child: &mut Child,
    limit: Duration,
) -> anyhow::Result<Option<ExitStatus>> {
    Ok(if wait_for_end(child.id(), limit)? { Some(child.wait()?) } else { None })
}

/// Waits for a process's end, whosever child it is; false when `limit` passed before.
pub(crate) fn wait_for_end(pid: u32, limit: Duration) -> anyhow::Result<bool> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("a process has an id")?;
    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(Errno::SRCH) => return Ok(true),
        process => process?,
    };
    let end = Instant::now() + limit;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let mut ended = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ended, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
            Ok(0) if left.is_zero() => return Ok(false),
            Ok(0) | Err(nix::errno::Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
}
