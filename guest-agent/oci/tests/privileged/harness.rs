//! A runtime by its command line, and a bundle for it.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::yield_now;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const NARU: &str = env!("CARGO_BIN_EXE_naru-oci");
/// Where version 2 is on a hybrid host.
const UNIFIED: &str = "/sys/fs/cgroup/unified";
/// Far more than anything takes.
const DEADLINE: Duration = Duration::from_mins(1);

/// A runtime with a store of its own, and one bundle.
pub(crate) struct Case {
    program: PathBuf,
    directory: TempDir,
    pub(crate) spec: Value,
}

/// Runs a case against every runtime that there is.
pub(crate) fn on_each(case: impl Fn(Case) -> Result<()>) -> Result<()> {
    let crun = Path::new("/usr/bin/crun");
    for program in [Path::new(NARU), crun] {
        if program.exists() {
            let name = program.display().to_string();
            case(Case::new(program, "sleep 1000")?).with_context(|| name)?;
        }
    }
    Ok(())
}

impl Case {
    /// A container that runs `shell`.
    pub(crate) fn new(program: &Path, shell: &str) -> Result<Self> {
        let directory = TempDir::new()?;
        make_rootfs(&directory.path().join("bundle/rootfs"))?;
        let spec = json!({
            "ociVersion": "1.0.2",
            "hostname": "naru-oci",
            "root": {"path": "rootfs"},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                 "options": ["nosuid", "mode=755", "size=65536k"]},
                {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
                 "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
            ],
            "process": {
                "cwd": "/", "args": ["/bin/sh", "-c", shell], "env": ["PATH=/bin"],
                "user": {"uid": 0, "gid": 0},
            },
            "linux": {
                "namespaces": [
                    {"type": "mount"}, {"type": "pid"}, {"type": "uts"}, {"type": "ipc"},
                    {"type": "network"},
                ],
            },
        });
        let case = Self { program: program.to_owned(), directory, spec };
        let cgroup = format!("/naru-oci-test/{}", case.id());
        case.set("/linux/cgroupsPath", json!(cgroup))
    }

    /// Replaces the value at a JSON pointer, whose parent must be there.
    pub(crate) fn set(mut self, pointer: &str, value: Value) -> Result<Self> {
        let (parent, key) = pointer.rsplit_once('/').context("a pointer")?;
        let parent = self.spec.pointer_mut(parent).context("the parent")?;
        parent[key] = value;
        Ok(self)
    }

    pub(crate) fn shell(self, shell: &str) -> Result<Self> {
        self.set("/process/args", json!(["/bin/sh", "-c", shell]))
    }

    /// The container's id.
    pub(crate) fn id(&self) -> String {
        let name = self.directory.path().file_name().unwrap_or_default().to_string_lossy();
        format!("case{}", name.replace('.', ""))
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn bundle(&self) -> PathBuf {
        self.path().join("bundle")
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    pub(crate) fn is_naru(&self) -> bool {
        self.program == Path::new(NARU)
    }

    /// The runtime with its store, and then `words`.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = if self.is_naru() || !Path::new(UNIFIED).exists() {
            Command::new(&self.program)
        } else {
            // crun knows no hosts that have controllers of both versions: it is shown one of
            // version 2.
            let mut command = Command::new("unshare");
            let show = format!("mount --bind {UNIFIED} /sys/fs/cgroup && exec \"$0\" \"$@\"");
            command.args(["--mount", "sh", "-c", &show]).arg(&self.program);
            command
        };
        command.arg("--root").arg(self.path().join("store"));
        command.args(words).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Result<Output> {
        Ok(self.command(words).output()?)
    }

    /// Runs a command that must succeed; gives what it said.
    pub(crate) fn succeed(&self, words: &[&str]) -> Result<String> {
        let output = self.run(words)?;
        ensure!(output.status.success(), "{words:?}: {output:?}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs a command that must fail; gives why it did.
    pub(crate) fn fail(&self, words: &[&str]) -> Result<String> {
        let output = self.run(words)?;
        ensure!(!output.status.success(), "{words:?} succeeded: {output:?}");
        Ok(String::from_utf8(output.stderr)?)
    }

    /// `create`. The container writes to the file `out`: it keeps what it gets, so that a pipe
    /// would never end.
    pub(crate) fn create(&self, options: &[&str]) -> Result<Output> {
        self.write()?;
        let bundle = self.bundle();
        let errors = self.path().join("err");
        let status = self
            .command(&["create", "--bundle"])
            .arg(&bundle)
            .args(options)
            .arg(self.id())
            .stdout(File::create(self.path().join("out"))?)
            .stderr(File::create(&errors)?)
            .status()?;
        Ok(Output { status, stdout: Vec::new(), stderr: fs::read(errors)? })
    }

    /// `create` and `start`, which must succeed.
    pub(crate) fn start(&self, options: &[&str]) -> Result<()> {
        let created = self.create(options)?;
        ensure!(created.status.success(), "{created:?}");
        self.succeed(&["start", &self.id()]).map(drop)
    }

    pub(crate) fn write(&self) -> Result<()> {
        let text = serde_json::to_vec(&self.spec)?;
        Ok(fs::write(self.bundle().join("config.json"), text)?)
    }

    pub(crate) fn state(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.succeed(&["state", &self.id()])?)?)
    }

    /// Waits until the container is in this state.
    pub(crate) fn await_status(&self, status: &str) -> Result<()> {
        wait_until(|| Ok(self.state()?["status"] == status)).with_context(|| status.to_owned())
    }

    /// Waits until the container has written this.
    pub(crate) fn await_output(&self, text: &str) -> Result<()> {
        let path = self.path().join("out");
        wait_until(|| Ok(fs::read_to_string(&path)? == text))
            .with_context(|| format!("{:?} is not {text:?}", fs::read_to_string(&path)))
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        // Most cases have done so; a case that failed leaves nothing all the same.
        drop(self.run(&["delete", "--force", &self.id()]));
    }
}

/// Asks until it is so.
pub(crate) fn wait_until(mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !is_so()? {
        ensure!(start.elapsed() < DEADLINE, "it never was so");
        yield_now();
    }
    Ok(())
}

fn make_rootfs(root: &Path) -> Result<()> {
    for name in ["bin", "dev", "etc", "proc", "tmp"] {
        fs::create_dir_all(root.join(name))?;
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).context("busybox-static is missing")?;
    let applets = Command::new("/bin/busybox").arg("--list").output()?;
    for applet in String::from_utf8(applets.stdout)?.lines().filter(|name| *name != "busybox") {
        symlink("busybox", root.join("bin").join(applet))?;
    }
    Ok(())
}
