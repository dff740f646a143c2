//! Ways out of a container that take more than busybox: a small program tries them.
//!
//! Each is tried as well where it is allowed, to know that it is an attempt.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, id};

use anyhow::{Context, ensure};
use naru_test_framework::NativeEngine;

const SOURCE: &str = include_str!("escape.c");
const UNCONFINED: [&str; 2] = ["--security-opt", "seccomp=unconfined"];

/// The program, and the engine that is to withstand it.
struct Attempts {
    engine: NativeEngine,
    program: PathBuf,
}

impl Attempts {
    fn new() -> anyhow::Result<Self> {
        let engine = NativeEngine::with_busybox()?;
        let source = engine.scratch().join("escape.c");
        let program = engine.scratch().join("escape");
        fs::write(&source, SOURCE)?;
        let built = Command::new("cc")
            .args(["-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o"])
            .args([&program, &source])
            .output()
            .context("run cc")?;
        ensure!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Ok(Self { engine, program })
    }

    fn bind(&self) -> String {
        format!("{}:/escape:ro", self.program.display())
    }

    /// What the program says in a container with `options`, a line a step.
    fn inside(&self, options: &[&str], words: &[&str]) -> anyhow::Result<Vec<String>> {
        let bind = self.bind();
        let run = ["run", "--rm", "-v", &bind];
        let command = [&run[..], options, &["busybox", "/escape"], words].concat();
        let output = self.engine.docker(&command)?;
        ensure!(output.code < 2, "{output:?}");
        Ok(output.stdout.lines().map(str::to_owned).collect())
    }

    /// The same on the host.
    fn outside(&self, words: &[&str]) -> anyhow::Result<Vec<String>> {
        let output = Command::new(&self.program).args(words).output()?;
        Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
    }
}

/// A process of the host, for a container to look into.
struct Victim(Child);

impl Victim {
    fn start() -> anyhow::Result<Self> {
        Ok(Self(Command::new("sleep").arg("1000").spawn()?))
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // Both fail only when it has ended and was waited for.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[test]
fn a_process_of_the_host_is_seen_and_not_touched() -> anyhow::Result<()> {
    let attempts = Attempts::new()?;
    let victim = Victim::start()?;
    let words = ["process", &victim.pid()];
    // Neither the filter nor the ids are what keeps it out.
    for options in [&["--pid", "host"][..], &[&["--pid", "host"][..], &UNCONFINED].concat()] {
        let said = attempts.inside(options, &words)?;
        let refused = [
            "ptrace: Operation not permitted",
            "memory: Permission denied",
            "root: Permission denied",
            "enter: Permission denied",
        ];
        assert_eq!(said, refused, "{options:?}");
    }
    let said = attempts.inside(&["--pid", "host", "--privileged"], &words)?;
    assert_eq!(said, ["ptrace: done", "memory: done", "root: done", "enter: done"]);
    Ok(())
}

#[test]
fn no_module_is_loaded() -> anyhow::Result<()> {
    let attempts = Attempts::new()?;
    let refused =
        ["init_module", "finit_module"].map(|step| format!("{step}: Operation not permitted"));
    assert_eq!(attempts.inside(&[], &["module"])?, refused);
    // Not even a kernel that loads modules would load this one, but it would look at it.
    for said in attempts.inside(&["--privileged"], &["module"])? {
        assert!(!said.ends_with("Operation not permitted"), "{said}");
    }
    Ok(())
}

#[test]
fn nothing_is_mounted() -> anyhow::Result<()> {
    let attempts = Attempts::new()?;
    let refused =
        ["mount", "fsopen", "open_tree"].map(|step| format!("{step}: Operation not permitted"));
    assert_eq!(attempts.inside(&[], &["mount"])?, refused);
    assert_eq!(attempts.inside(&UNCONFINED, &["mount"])?, refused);
    let said = attempts.inside(&["--privileged"], &["mount"])?;
    assert_eq!(said, ["mount: done", "fsopen: done", "open_tree: done"]);
    Ok(())
}

#[test]
fn a_file_handle_opens_nothing() -> anyhow::Result<()> {
    let attempts = Attempts::new()?;
    let refused = ["open_by_handle_at: Operation not permitted"];
    assert_eq!(attempts.inside(&[], &["handle"])?, refused);
    assert_eq!(attempts.inside(&UNCONFINED, &["handle"])?, refused);
    let said = attempts.inside(&["--cap-add", "DAC_READ_SEARCH"], &["handle"])?;
    assert_eq!(said, ["open_by_handle_at: done"]);
    Ok(())
}

/// A hierarchy of cgroup version 1, if this host has one.
fn hierarchy() -> anyhow::Result<Option<String>> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let version_1 = mounts.lines().filter(|line| line.split(' ').nth(2) == Some("cgroup"));
    let mut names = version_1.filter_map(|line| line.split(' ').nth(1)?.rsplit('/').next());
    Ok(names.find(|name| *name != "systemd").map(str::to_owned))
}

#[test]
fn no_release_agent_is_set() -> anyhow::Result<()> {
    let attempts = Attempts::new()?;
    let found = hierarchy()?;
    // The one that hosts of version 2 alone leave over most often.
    let hierarchy = found.clone().unwrap_or_else(|| "rdma".to_owned());
    let said = attempts.inside(&[], &["release_agent", &hierarchy, "unshare"])?;
    assert_eq!(said, ["unshare: Operation not permitted"]);
    // With a user namespace of its own it gets one step further.
    let said = attempts.inside(&UNCONFINED, &["release_agent", &hierarchy, "unshare"])?;
    assert_eq!(said.first().map(String::as_str), Some("unshare: done"));
    let last = said.last().context("a step")?;
    assert!(last.ends_with("Operation not permitted") && !last.starts_with("unshare"), "{said:?}");
    for options in [&[][..], &UNCONFINED] {
        let said = attempts.inside(options, &["release_agent", &hierarchy])?;
        assert_eq!(said, ["mount: Operation not permitted"]);
    }
    if found.is_none() {
        return Ok(());
    }
    let allowed = [&["--cap-add", "SYS_ADMIN"][..], &UNCONFINED].concat();
    let said = attempts.inside(&allowed, &["release_agent", &hierarchy])?;
    assert_eq!(said, ["mount: done", "write: done"]);
    Ok(())
}

fn hash(path: &Path) -> anyhow::Result<u64> {
    let mut hasher = DefaultHasher::new();
    fs::read(path)?.hash(&mut hasher);
    Ok(hasher.finish())
}

/// CVE-2019-5736: a process whose program is the agent's own is held, ended, and written to.
#[test]
fn the_agents_program_is_not_to_be_written_when_it_has_ended() -> anyhow::Result<()> {
    let attempts = Attempts::new()?;
    let engine = &attempts.engine;
    let agent = fs::read_link(format!("/proc/{}/exe", engine.pid().context("an engine")?))?;
    let before = hash(&agent)?;
    let bind = attempts.bind();
    // An agent that is not linked statically needs the host's libraries to run there.
    let libraries = ["-v", "/lib:/lib:ro", "-v", "/lib64:/lib64:ro"];
    let run = ["run", "-d", "--name", "host", "-v", &bind];
    let command = ["busybox", "sleep", "1000"];
    engine.docker(&[&run[..], &libraries, &command].concat())?.success()?;
    let prepare = "cp /bin/busybox /tmp; mkfifo /tmp/agent /tmp/ordinary";
    engine.docker(&["exec", "host", "sh", "-c", prepare])?.success()?;
    // Both wait for somebody to write into what they read.
    let caught = ["/proc/self/exe", "engine", "--root", "/tmp/root", "--registry-ca", "/tmp/agent"];
    let ordinary = ["/tmp/busybox", "cat", "/tmp/ordinary"];
    let allowed = ["hold: done", "write: done", "change: done"];
    // The engine runs from the same file, which keeps it from being written by itself.
    let refused = ["hold: done", "write: Text file busy", "change: Read-only file system"];
    for (command, expected) in [(&caught[..], refused), (&ordinary, allowed)] {
        engine.docker(&[&["exec", "-d", "host"][..], command].concat())?.success()?;
        let last = command.last().context("a word")?;
        let find = format!("until grep -lz {last}$ /proc/[0-9]*/cmdline; do usleep 10000; done");
        let found = engine.docker(&["exec", "host", "sh", "-c", &find])?;
        let pid = found.success()?.split('/').nth(2).context("a process")?.to_owned();
        let said = engine.docker(&["exec", "host", "/escape", "overwrite", &pid])?;
        assert_eq!(said.stdout.lines().collect::<Vec<_>>(), expected, "{command:?}");
    }
    assert_eq!(hash(&agent)?, before);
    Ok(())
}

#[test]
fn a_session_keyring_is_the_containers_own() -> anyhow::Result<()> {
    let attempts = Attempts::new()?;
    let name = format!("naru-test-{}", id());
    assert_eq!(attempts.outside(&["key", "add", &name])?, ["keyring: done", "add: done"]);
    // The engine has the same one as its parent, the test.
    let outside = attempts.outside(&["key", "find", &name])?;
    let filtered = attempts.inside(&[], &["key", "find", &name])?;
    let unconfined = attempts.inside(&UNCONFINED, &["key", "find", &name])?;
    attempts.outside(&["key", "remove", &name])?;
    assert_eq!(outside, ["keyring: done", "find: done"]);
    assert_eq!(filtered, ["keyring: Operation not permitted"]);
    assert_eq!(unconfined, ["keyring: done", "find: Required key not available"]);
    Ok(())
}

/// What is typed into a terminal by `TIOCSTI` is run by whoever reads it.
#[test]
fn no_terminal_of_the_host_is_in_reach() -> anyhow::Result<()> {
    let attempts = Attempts::new()?;
    let engine = &attempts.engine;
    let bind = attempts.bind();
    // The client has a terminal, and the container none.
    let run = ["run", "-i", "--name", "plain", "-v", &bind, "busybox", "/escape", "terminal"];
    engine.terminal(&run, 24, 80)?.finish()?;
    let said = engine.docker(&["logs", "plain"])?.success()?.to_owned();
    let stream = "standard stream: Inappropriate ioctl for device\n";
    assert_eq!(said, format!("{}/dev/tty: No such device or address", stream.repeat(3)));
    // One of its own is what it can type into, and what it reads itself.
    let run = ["run", "-it", "--name", "own", "-v", &bind, "busybox", "/escape", "terminal"];
    engine.terminal(&run, 24, 80)?.finish()?;
    let said = engine.docker(&["logs", "own"])?.success()?.replace('\r', "");
    assert!(said.ends_with("/dev/tty: done"), "{said}");
    assert!(!said.contains("Inappropriate ioctl"), "{said}");
    Ok(())
}
