//! A bundle with busybox in it, and ways to run it.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, PipeReader, pipe};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::yield_now;

use anyhow::{Context, Result, ensure};
use naru_runtime::Cgroup;
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const RUN_BUNDLE: &str = env!("CARGO_BIN_EXE_run-bundle");

/// Capabilities enough for a shell.
const CAPABILITIES: [&str; 5] =
    ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_KILL", "CAP_SETUID", "CAP_SETGID"];

/// A bundle directory; the container in it is described by `spec`.
pub(crate) struct Bundle {
    pub(crate) directory: TempDir,
    pub(crate) spec: Value,
}

impl Bundle {
    /// A container that runs `command` in a shell.
    pub(crate) fn shell(command: &str) -> Result<Self> {
        Self::new(&["/bin/sh", "-c", command])
    }

    /// A container that runs a program, with an overlay root, all namespaces, and `/dev`.
    pub(crate) fn new(arguments: &[&str]) -> Result<Self> {
        let directory = TempDir::new()?;
        let path = directory.path();
        make_rootfs(&path.join("lower"))?;
        for name in ["upper", "work"] {
            fs::create_dir(path.join(name))?;
        }
        let name = path.file_name().context("a name")?.to_string_lossy().replace('.', "");
        let spec = json!({
            "ociVersion": "1.2.0",
            "hostname": "naru-test",
            "root": {"path": "lower"},
            "mounts": mounts(path, &["lower"]),
            "process": {
                "cwd": "/",
                "args": arguments,
                "env": ["PATH=/usr/bin:/bin"],
                "user": {"uid": 0, "gid": 0},
                "capabilities": {
                    "bounding": CAPABILITIES,
                    "effective": CAPABILITIES,
                    "permitted": CAPABILITIES,
                },
            },
            "linux": {
                "cgroupsPath": format!("/naru-runtime-test/{name}"),
                "namespaces": [
                    {"type": "mount"}, {"type": "pid"}, {"type": "uts"},
                    {"type": "ipc"}, {"type": "network"}, {"type": "cgroup"},
                ],
                "maskedPaths": ["/proc/kcore", "/proc/acpi", "/sys/firmware", "/proc/nothing"],
                "readonlyPaths": ["/proc/sys", "/proc/bus"],
            },
        });
        Ok(Self { directory, spec })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The image's directory, below the container's own layer.
    pub(crate) fn lower(&self) -> PathBuf {
        self.path().join("lower")
    }

    /// Replaces the value at a JSON pointer, whose parent must be there.
    pub(crate) fn set(&mut self, pointer: &str, value: Value) -> Result<()> {
        let (parent, key) = pointer.rsplit_once('/').context("a pointer")?;
        let parent = self.spec.pointer_mut(parent).context("the parent")?;
        parent[key] = value;
        Ok(())
    }

    /// Adds a mount.
    pub(crate) fn mount(&mut self, mount: Value) -> Result<()> {
        self.spec["mounts"].as_array_mut().context("mounts")?.push(mount);
        Ok(())
    }

    pub(crate) fn write(&self) -> Result<()> {
        Ok(fs::write(self.path().join("config.json"), serde_json::to_vec(&self.spec)?)?)
    }

    /// Runs the container to its end.
    pub(crate) fn run(&self) -> Result<Output> {
        self.write()?;
        Ok(Command::new(RUN_BUNDLE).arg("run").arg(self.path()).output()?)
    }

    /// Runs the container, which must succeed, and gives its output.
    pub(crate) fn output(&self) -> Result<String> {
        let output = self.run()?;
        ensure!(output.status.success(), "{output:?}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Starts the container and waits until its process runs.
    pub(crate) fn start(&self) -> Result<Running> {
        self.write()?;
        let (reader, writer) = pipe()?;
        let pid_file = self.path().join("pid");
        let runner = Command::new(RUN_BUNDLE)
            .arg("run")
            .args([self.path(), &pid_file])
            .stdin(Stdio::piped())
            .stdout(writer)
            .spawn()?;
        // The container says something when it runs.
        let mut output = BufReader::new(reader);
        let mut line = String::new();
        output.read_line(&mut line)?;
        ensure!(line == "ready\n", "the container said {line:?}");
        let pid = wait_for(&pid_file)?;
        Ok(Running { runner, pid, output })
    }

    /// Runs one more process in the container.
    pub(crate) fn exec(&self, running: &Running, process: &Value) -> Result<Output> {
        let file = self.path().join("process.json");
        fs::write(&file, serde_json::to_vec(process)?)?;
        let mut command = Command::new(RUN_BUNDLE);
        command.arg("exec").arg(self.path()).arg(&running.pid).arg(file);
        Ok(command.output()?)
    }

    pub(crate) fn cgroup(&self) -> Result<PathBuf> {
        let path = self.spec["linux"]["cgroupsPath"].as_str().context("a path")?;
        Ok(Cgroup::at(Path::new(path))?.directory().to_owned())
    }
}

/// The file is written just after the process has started.
fn wait_for(pid_file: &Path) -> Result<String> {
    loop {
        match fs::read_to_string(pid_file) {
            Ok(pid) => return Ok(pid),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                yield_now();
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// A container that runs; it ends with its standard input.
pub(crate) struct Running {
    pub(crate) runner: Child,
    pub(crate) pid: String,
    /// Kept, so that the container can go on writing.
    output: BufReader<PipeReader>,
}

/// The mounts that every container has, the root first.
pub(crate) fn mounts(bundle: &Path, lower: &[&str]) -> Value {
    let path = |name: &str| bundle.join(name).display().to_string();
    let lower: Vec<String> = lower.iter().map(|name| path(name)).collect();
    json!([
        {"destination": "/", "type": "overlay", "source": "overlay", "options": [
            format!("lowerdir={}", lower.join(":")),
            format!("upperdir={}", path("upper")),
            format!("workdir={}", path("work")),
        ]},
        {"destination": "/proc", "type": "proc", "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/dev", "type": "tmpfs",
         "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
        {"destination": "/dev/pts", "type": "devpts", "options": [
            "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
        {"destination": "/sys", "type": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
        {"destination": "/sys/fs/cgroup", "type": "cgroup",
         "options": ["ro", "nosuid", "noexec", "nodev"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/dev/shm", "type": "tmpfs",
         "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
    ])
}

fn make_rootfs(root: &Path) -> Result<()> {
    for name in ["bin", "etc", "tmp"] {
        fs::create_dir_all(root.join(name))?;
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).context("busybox-static is missing")?;
    let applets = Command::new("/bin/busybox").arg("--list").output()?;
    for applet in String::from_utf8(applets.stdout)?.lines().filter(|name| *name != "busybox") {
        symlink("busybox", root.join("bin").join(applet))?;
    }
    fs::write(
        root.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/srv:/bin/sh\n",
    )?;
    Ok(())
}

impl Running {
    /// Ends the container's input and waits for it.
    pub(crate) fn stop(mut self) -> Result<()> {
        drop(self.runner.stdin.take());
        ensure!(self.runner.wait()?.success(), "the container failed");
        drop(self.output);
        Ok(())
    }
}
