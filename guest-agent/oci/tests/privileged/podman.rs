//! podman with this runtime.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::harness::NARU;

/// podman with a store of its own and one image.
struct Podman {
    directory: TempDir,
}

impl Podman {
    /// Nothing if podman is not installed.
    fn new() -> Result<Option<Self>> {
        if !Path::new("/usr/bin/podman").exists() {
            return Ok(None);
        }
        let podman = Self { directory: TempDir::new()? };
        let path = podman.directory.path();
        for name in ["image/bin", "image/etc", "image/tmp"] {
            fs::create_dir_all(path.join(name))?;
        }
        fs::copy("/bin/busybox", path.join("image/bin/busybox"))?;
        for applet in ["sh", "cat", "echo", "hostname", "ls", "sleep", "id", "true", "tty"] {
            symlink("busybox", path.join("image/bin").join(applet))?;
        }
        let archive = path.join("image.tar");
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(path.join("image")).arg("-cf").arg(&archive).arg(".");
        ensure!(tar.status()?.success(), "tar");
        let archive = archive.display().to_string();
        podman.succeed(&["import", &archive, "localhost/busybox"])?;
        Ok(Some(podman))
    }

    fn run(&self, words: &[&str]) -> Result<Output> {
        let path = self.directory.path();
        let output = Command::new("podman")
            .arg("--root")
            .arg(path.join("root"))
            .arg("--runroot")
            .arg(path.join("run"))
            .arg("--tmpdir")
            .arg(path.join("tmp"))
            .args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"])
            .args(["--events-backend", "none", "--runtime", NARU])
            .args(words)
            .output()
            .context("podman")?;
        Ok(output)
    }

    fn succeed(&self, words: &[&str]) -> Result<String> {
        let output = self.run(words)?;
        ensure!(output.status.success(), "podman {words:?}: {output:?}");
        Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
    }

    /// `run` with what every case has: no network, for which podman needs more programs, and no
    /// limits, for which the host may have no controllers and no privilege.
    fn start(&self, options: &[&str], command: &[&str]) -> Result<Output> {
        let words = ["run", "--network=none", "--pids-limit=-1"];
        let limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"];
        self.run(&[words.as_slice(), &limits, options, &["localhost/busybox"], command].concat())
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        drop(self.run(&["rm", "--all", "--force", "--time=0"]));
        drop(self.run(&["rmi", "--all", "--force"]));
    }
}

#[test]
fn podman_runs_containers() -> Result<()> {
    let Some(podman) = Podman::new()? else { return Ok(()) };

    let shell = "echo out; echo err >&2; hostname; exit 3";
    let output = podman.start(&["--rm", "--hostname", "harbour"], &["sh", "-c", shell])?;
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout)?, "out\nharbour\n");
    assert_eq!(String::from_utf8(output.stderr)?, "err\n");
    let output = podman.start(&["--rm"], &["nosuch"])?;
    assert_eq!(output.status.code(), Some(127), "{output:?}");
    let output = podman.start(&["--rm", "-u", "33", "--read-only"], &["id", "-u"])?;
    ensure!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout)?, "33\n");
    Ok(())
}

#[test]
fn podman_enters_stops_and_removes_containers() -> Result<()> {
    let Some(podman) = Podman::new()? else { return Ok(()) };

    let output = podman.start(&["-d", "--name", "long"], &["sleep", "1000"])?;
    ensure!(output.status.success(), "{output:?}");
    assert_eq!(podman.succeed(&["exec", "long", "echo", "hi"])?, "hi");
    let output = podman.run(&["exec", "long", "sh", "-c", "exit 9"])?;
    assert_eq!(output.status.code(), Some(9), "{output:?}");
    let runtime =
        podman.succeed(&["inspect", "-f", "{{.OCIRuntime}} {{.State.Status}}", "long"])?;
    assert_eq!(runtime, format!("{NARU} running"));
    podman.succeed(&["stop", "--time=0", "long"])?;
    let status = podman.succeed(&["inspect", "-f", "{{.State.Status}}", "long"])?;
    assert_eq!(status, "exited");
    podman.succeed(&["start", "long"])?;
    assert_eq!(podman.succeed(&["exec", "long", "echo", "again"])?, "again");
    podman.succeed(&["rm", "-f", "--time=0", "long"])?;
    assert_eq!(podman.succeed(&["ps", "-aq"])?, "");
    Ok(())
}

#[test]
fn podman_gives_a_container_a_terminal() -> Result<()> {
    let Some(podman) = Podman::new()? else { return Ok(()) };
    let output = podman.start(&["--rm", "-t"], &["sh", "-c", "tty; exit 4"])?;
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout)?, "/dev/pts/0\r\n");
    Ok(())
}
