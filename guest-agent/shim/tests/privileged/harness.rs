//! The engine's part: starts a shim, talks to it, reads what it leaves.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use anyhow::{Context, Result, bail, ensure};
use naru_shim::Cgroup;
use naru_shim::wire::{
    ControlRequest, ExitRecord, LogConfig, ShimAnswer, ShimConfig, ShimEvent, ShimRequest, Target,
};
use serde::Serialize;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A container's directory with all that a shim needs.
pub(crate) struct Fixture {
    directory: TempDir,
    pub(crate) config: ShimConfig,
    pub(crate) spec: Value,
}

impl Fixture {
    /// A container that runs `command` in a shell on an overlay of busybox.
    pub(crate) fn shell(command: &str) -> Result<Self> {
        let directory = TempDir::new()?;
        let path = directory.path();
        for name in ["lower/bin", "lower/tmp", "upper", "work", "run"] {
            fs::create_dir_all(path.join(name))?;
        }
        fs::copy("/bin/busybox", path.join("lower/bin/busybox"))?;
        for applet in ["cat", "echo", "head", "id", "kill", "sh", "sleep", "stty", "true", "yes"] {
            symlink("busybox", path.join("lower/bin").join(applet))?;
        }
        let id = path.file_name().context("a name")?.to_string_lossy().replace('.', "");
        let spec = spec(path, &id, command);
        let config = ShimConfig {
            log: Some(LogConfig {
                path: path.join("json.log"),
                max_size: None,
                max_file: None,
                attributes: BTreeMap::new(),
            }),
            exit_path: path.join("exit.json"),
            run_dir: path.join("run"),
            target: Target::Container { bundle: path.to_owned(), init: false },
            tty: false,
            open_stdin: false,
            stdin_once: false,
            id,
        };
        Ok(Self { directory, config, spec })
    }

    /// The same with an input that the first client ends.
    pub(crate) fn with_stdin(command: &str) -> Result<Self> {
        let mut fixture = Self::shell(command)?;
        fixture.config.open_stdin = true;
        fixture.config.stdin_once = true;
        Ok(fixture)
    }

    /// The same with a terminal.
    pub(crate) fn with_terminal(command: &str) -> Result<Self> {
        let mut fixture = Self::with_stdin(command)?;
        fixture.config.tty = true;
        fixture.spec["process"]["terminal"] = json!(true);
        Ok(fixture)
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Starts a shim for the container.
    pub(crate) fn spawn(&self) -> Result<Shim> {
        fs::write(self.path().join("config.json"), serde_json::to_vec(&self.spec)?)?;
        Shim::spawn(&self.config)
    }

    /// Starts a shim for one more process; it has a run directory of its own.
    pub(crate) fn exec(&self, container_pid: i32, arguments: &[&str]) -> Result<(Shim, PathBuf)> {
        let process = json!({"cwd": "/", "args": arguments, "env": ["PATH=/bin"],
                             "user": {"uid": 0, "gid": 0}});
        let exit_path = self.path().join("exec-exit.json");
        let run_dir = self.path().join("exec");
        fs::create_dir_all(&run_dir)?;
        let config = ShimConfig {
            target: Target::Exec {
                container_pid,
                bundle: self.path().to_owned(),
                process: serde_json::from_value(process)?,
            },
            log: None,
            exit_path: exit_path.clone(),
            run_dir,
            ..self.config.clone()
        };
        Ok((Shim::spawn(&config)?, exit_path))
    }

    pub(crate) fn exit_record(&self) -> Result<ExitRecord> {
        read_record(&self.config.exit_path)
    }

    pub(crate) fn cgroup(&self) -> Result<Cgroup> {
        Ok(Cgroup::at(&Path::new("naru-shim-test").join(&self.config.id))?)
    }

    /// The texts of the log's lines, those of a stream.
    pub(crate) fn logged(&self, stream: &str) -> Result<String> {
        let text = fs::read_to_string(self.path().join("json.log"))?;
        let mut logged = String::new();
        for line in text.lines() {
            let value: Value = serde_json::from_str(line)?;
            if value["stream"] == stream {
                logged.push_str(value["log"].as_str().context("a text")?);
            }
        }
        Ok(logged)
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        // A shim outlives a test that fails, as it does an engine. Both calls fail only
        // where nothing is left.
        if let Ok(cgroup) = self.cgroup() {
            drop(fs::write(cgroup.directory().join("cgroup.kill"), "1"));
        }
    }
}

pub(crate) fn read_record(path: &Path) -> Result<ExitRecord> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// A shim, with the engine's end of its descriptor 0.
pub(crate) struct Shim {
    pub(crate) process: Child,
    control: BufReader<UnixStream>,
    run_dir: PathBuf,
}

impl Shim {
    fn spawn(config: &ShimConfig) -> Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let process = Command::new(env!("CARGO_BIN_EXE_run-shim"))
            .arg(&config.run_dir)
            .stdin(OwnedFd::from(theirs))
            .spawn()?;
        let mut shim =
            Self { process, control: BufReader::new(ours), run_dir: config.run_dir.clone() };
        shim.say(config)?;
        Ok(shim)
    }

    fn say(&mut self, message: &impl Serialize) -> Result<()> {
        send(self.control.get_mut(), message)
    }

    pub(crate) fn event(&mut self) -> Result<ShimEvent> {
        read_line(&mut self.control)
    }

    /// Waits until clients can attach; gives the process's id.
    pub(crate) fn created(&mut self) -> Result<i32> {
        match self.event()? {
            ShimEvent::Created { pid } => Ok(pid),
            other => bail!("expected created, got {other:?}"),
        }
    }

    /// Runs the program and waits until it runs.
    pub(crate) fn start(&mut self) -> Result<()> {
        self.say(&ControlRequest::Start)?;
        match self.event()? {
            ShimEvent::Started { .. } => Ok(()),
            other => bail!("expected started, got {other:?}"),
        }
    }

    /// Asks for the start and does not wait.
    pub(crate) fn ask_to_start(&mut self) -> Result<()> {
        self.say(&ControlRequest::Start)
    }

    /// Waits for the end of the process and then of the shim.
    pub(crate) fn exited(mut self) -> Result<ExitRecord> {
        let record = match self.event()? {
            ShimEvent::Exited(record) => record,
            other => bail!("expected exited, got {other:?}"),
        };
        self.gone()?;
        Ok(record)
    }

    /// Waits for the shim to end well.
    pub(crate) fn gone(&mut self) -> Result<()> {
        ensure!(self.process.wait()?.success(), "the shim failed");
        ensure!(!self.run_dir.join("shim.sock").exists(), "the socket is still there");
        Ok(())
    }

    /// Closes the engine's end, as its death does.
    pub(crate) fn forget_engine(&mut self) -> Result<()> {
        Ok(self.control.get_ref().shutdown(Shutdown::Both)?)
    }

    /// Connects and asks.
    pub(crate) fn ask(&self, request: &ShimRequest) -> Result<(ShimAnswer, Connection)> {
        ask(&self.run_dir, request)
    }

    /// Connects to the output and, with `stdin`, the input.
    pub(crate) fn attach(&self, stdin: bool) -> Result<Connection> {
        let request = ShimRequest::Attach { stdin, stdout: true, stderr: true };
        let (answer, connection) = self.ask(&request)?;
        ensure!(answer == ShimAnswer::Ok, "{answer:?}");
        Ok(connection)
    }
}

pub(crate) fn ask(run_dir: &Path, request: &ShimRequest) -> Result<(ShimAnswer, Connection)> {
    let mut socket = UnixStream::connect(run_dir.join("shim.sock"))?;
    send(&mut socket, request)?;
    let mut connection = Connection(BufReader::new(socket));
    let answer = read_line(&mut connection.0)?;
    Ok((answer, connection))
}

/// A client's connection after the answer.
pub(crate) struct Connection(BufReader<UnixStream>);

impl Connection {
    pub(crate) fn event(&mut self) -> Result<ShimEvent> {
        read_line(&mut self.0)
    }

    pub(crate) fn write(&mut self, data: &[u8]) -> Result<()> {
        Ok(self.0.get_mut().write_all(data)?)
    }

    pub(crate) fn end_input(&self) -> Result<()> {
        Ok(self.0.get_ref().shutdown(Shutdown::Write)?)
    }

    /// Reads up to and including a text.
    pub(crate) fn read_until(&mut self, end: &str) -> Result<String> {
        let mut text = String::new();
        while !text.ends_with(end) {
            let mut byte = [0];
            self.0.read_exact(&mut byte).with_context(|| format!("after {text:?}"))?;
            text.push(char::from(byte[0]));
        }
        Ok(text)
    }

    /// Reads all there will be.
    pub(crate) fn rest(mut self) -> Result<Vec<u8>> {
        let mut data = Vec::new();
        self.0.read_to_end(&mut data)?;
        Ok(data)
    }

    /// Reads all there will be, and sorts the frames: output, error output.
    pub(crate) fn frames(self) -> Result<[String; 2]> {
        let data = self.rest()?;
        let mut data = data.as_slice();
        let mut streams = [String::new(), String::new()];
        while !data.is_empty() {
            let (header, rest) = data.split_at_checked(8).context("a header")?;
            let length = u32::from_be_bytes(header[4..].try_into()?);
            let (payload, rest) = rest.split_at_checked(length.try_into()?).context("a payload")?;
            ensure!(header[1..4] == [0, 0, 0], "padding {header:?}");
            let stream = streams.get_mut(usize::from(header[0]) - 1).context("a stream")?;
            stream.push_str(std::str::from_utf8(payload)?);
            data = rest;
        }
        Ok(streams)
    }
}

fn send(socket: &mut UnixStream, message: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(socket.write_all(&line)?)
}

fn read_line<T: serde::de::DeserializeOwned>(reader: &mut impl BufRead) -> Result<T> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    serde_json::from_str(&line).with_context(|| format!("the shim said {line:?}"))
}

fn spec(path: &Path, id: &str, command: &str) -> Value {
    let path = path.display();
    json!({
        "ociVersion": "1.2.0",
        "hostname": "naru-test",
        "root": {"path": "lower"},
        "mounts": [
            {"destination": "/", "type": "overlay", "source": "overlay", "options": [
                format!("lowerdir={path}/lower"), format!("upperdir={path}/upper"),
                format!("workdir={path}/work")]},
            {"destination": "/proc", "type": "proc"},
            {"destination": "/dev", "type": "tmpfs", "options": ["mode=755"]},
            {"destination": "/dev/pts", "type": "devpts",
             "options": ["newinstance", "ptmxmode=0666", "mode=0620"]},
        ],
        "process": {
            "cwd": "/", "args": ["/bin/sh", "-c", command], "env": ["PATH=/bin"],
            "user": {"uid": 0, "gid": 0},
        },
        "linux": {
            "cgroupsPath": format!("/naru-shim-test/{id}"),
            "namespaces": [{"type": "mount"}, {"type": "pid"}, {"type": "uts"}, {"type": "ipc"},
                           {"type": "network"}, {"type": "cgroup"}],
        },
    })
}
