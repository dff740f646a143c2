//! A real machine: the `naru` command with a home of its own, and `docker` at its socket.

use std::env::consts::ARCH;
use std::env::current_exe;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Output;

/// How long one command may take, in seconds. Far more than any does, also without
/// acceleration on a busy computer: it turns a hang into a failure that says where.
const COMMAND_SECONDS: u32 = 240;
/// How much of the guest's console a failure tells.
const CONSOLE_LINES: usize = 30;

/// A Naru of its own, whose machine is switched off when this is dropped.
#[derive(Debug)]
pub struct Vm {
    home: TempDir,
    naru: PathBuf,
    images: PathBuf,
}

impl Vm {
    /// A home with small settings, and no machine started yet.
    ///
    /// Needs the `naru` command, built beside the test, and the VM image.
    pub fn new() -> Result<Self> {
        let naru = program_beside_tests("naru")?;
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let images = workspace.join("target/vm-images").join(ARCH).canonicalize();
        let images = images.context("no VM image: run `cargo xtask image`")?;
        let vm = Self { home: tempfile::tempdir()?, naru, images };
        vm.configure(&json!({}))?;
        Ok(vm)
    }

    /// The same with the machine running.
    pub fn start() -> Result<Self> {
        let vm = Self::new()?;
        vm.naru(&["start"])?.success().with_context(|| vm.console())?;
        Ok(vm)
    }

    /// Takes other images than the built ones at the next start.
    pub fn set_images(&mut self, images: PathBuf) {
        self.images = images;
    }

    /// Where kernel, initramfs and data disk template are.
    pub fn images(&self) -> &Path {
        &self.images
    }

    /// Writes settings, beside small ones, which take effect at the next start.
    pub fn configure(&self, settings: &Value) -> Result<()> {
        // An accelerator that is there may fail, which is found out once in each home, and
        // takes the most of a minute inside of another virtual machine.
        let mut all = json!({ "accelerator": "tcg", "cpus": 2, "memory_mib": 1024, "disk_gib": 4 });
        let settings = settings.as_object().context("settings are an object")?;
        all.as_object_mut().context("settings are an object")?.extend(settings.clone());
        let directory = self.home.path().join("config");
        fs::create_dir_all(&directory)?;
        fs::write(directory.join("settings.json"), serde_json::to_vec(&all)?)?;
        Ok(())
    }

    /// `NARU_HOME`.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The machine's disk.
    pub fn data_disk(&self) -> PathBuf {
        self.home.path().join("data/data.img")
    }

    /// Docker's socket on the host.
    pub fn socket(&self) -> PathBuf {
        self.home.path().join("run/docker.sock")
    }

    /// Docker's configuration directory, where the context is registered.
    pub fn docker_config(&self) -> PathBuf {
        self.home.path().join("docker")
    }

    /// Runs `naru` to its end.
    pub fn naru(&self, arguments: &[&str]) -> Result<Output> {
        run(&mut self.naru_command(arguments))
    }

    /// `naru`, not yet started; ended when it hangs.
    pub fn naru_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&self.naru);
        command.args(arguments);
        command
    }

    /// Runs `docker`, with the context that Naru registered, to its end.
    pub fn docker(&self, arguments: &[&str]) -> Result<Output> {
        run(&mut self.docker_command(arguments))
    }

    /// The standard output, without the last line break, of a `docker` that succeeds.
    pub fn docker_ok(&self, arguments: &[&str]) -> Result<String> {
        let output = self.docker(arguments)?;
        let said = output.success().with_context(|| format!("docker {}", arguments.join(" ")))?;
        Ok(said.to_owned())
    }

    /// `docker` with the context that Naru registered; ended when it hangs.
    pub fn docker_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(OsStr::new("docker"));
        command.args(["--context", "naru"]).args(arguments);
        command
    }

    /// The same as one line for a shell.
    pub fn docker_line(&self, arguments: &str) -> String {
        let config = self.docker_config();
        format!("DOCKER_CONFIG={} docker --context naru {arguments}", config.display())
    }

    /// What `docker inspect` gives for the Go template `field`.
    pub fn inspect(&self, what: &str, field: &str) -> Result<String> {
        self.docker_ok(&["inspect", "--format", field, what])
    }

    /// What `naru status --json` says.
    pub fn status(&self) -> Result<Value> {
        let output = self.naru(&["status", "--json"])?;
        serde_json::from_str(&output.stdout).with_context(|| format!("{output:?}"))
    }

    /// The last of what the guest's console said, and of what the host's side did meanwhile.
    pub fn console(&self) -> String {
        let [console, host] = ["serial.log", "naru.log"].map(|name| {
            let log = fs::read(self.home.path().join("data").join(name)).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            let lines: Vec<&str> = log.lines().collect();
            lines[lines.len().saturating_sub(CONSOLE_LINES)..].join("\n")
        });
        format!("the console's end:\n{console}\nthe host's log:\n{host}")
    }

    /// The process of QEMU.
    pub fn qemu(&self) -> Result<u32> {
        let is_qemu = |pid: &u32| {
            fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|name| name.starts_with("qemu-system"))
        };
        self.processes()?.into_iter().find(is_qemu).context("QEMU does not run")
    }

    /// The processes that work for this home: they inherit the variable that names it.
    fn processes(&self) -> Result<Vec<u32>> {
        let variable = format!("NARU_HOME={}", self.home.path().display());
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            if environment.split(|&byte| byte == 0).any(|entry| entry == variable.as_bytes()) {
                found.push(pid);
            }
        }
        Ok(found)
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after", "5", &COMMAND_SECONDS.to_string()]).arg(program);
        command
            .env("NARU_HOME", self.home.path())
            .env("NARU_VM_IMAGES", &self.images)
            .env("DOCKER_CONFIG", self.docker_config())
            // Which ports were open when is what a refused connection raises.
            .env("RUST_LOG", "warn,naru_app::ports=info")
            .env_remove("DOCKER_HOST")
            .env_remove("DOCKER_CONTEXT")
            .stdin(Stdio::null());
        command
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // Containers that ignore SIGTERM would hold up the machine's orderly end.
        if self.qemu().is_ok() {
            let kill = "docker --context naru ps -q | xargs -r docker --context naru kill";
            let _killed = self.command("sh").args(["-c", kill]).output();
        }
        // Whatever the test left behind; what does not end in good order is killed.
        let _stopped = self.naru(&["stop"]);
        for pid in self.processes().unwrap_or_default() {
            let _killed = kill(pid);
        }
    }
}

/// Runs a command to its end.
fn run(command: &mut Command) -> Result<Output> {
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    let status = output.status;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    Ok(Output {
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
        code: code.context("it exited or was killed")?,
    })
}

/// Ends a process of the test's own at once.
pub fn kill(pid: u32) -> Result<()> {
    signal(pid, "KILL")
}

/// Sends a signal, such as `STOP`, to a process of the test's own.
pub fn signal(pid: u32, name: &str) -> Result<()> {
    run(Command::new("kill").args(["-s", name, &pid.to_string()]))?.success()?;
    Ok(())
}

/// Cargo puts programs one directory above the tests.
fn program_beside_tests(name: &str) -> Result<PathBuf> {
    let test = current_exe()?;
    let program = test.ancestors().skip(1).map(|directory| directory.join(name));
    program
        .take(2)
        .find(|path| path.is_file())
        .with_context(|| format!("no {name} near {}: build the workspace first", test.display()))
}
