//! The container's process, further ones, and what they get.

use std::fs::{self, File};
use std::io::{IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::cmsg_space;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::{Value, json};

use crate::harness::{Case, NARU, on_each};

#[test]
fn a_further_process_runs_beside_the_first() -> Result<()> {
    on_each(|case| {
        let case = case.shell("echo started; exec sleep 1000")?;
        case.start(&[])?;
        // Until then it may be the runtime still.
        case.await_output("started\n")?;
        let id = case.id();
        let said = case.succeed(&["exec", &id, "sh", "-c", "hostname; cat /proc/1/cmdline"])?;
        assert!(said.starts_with("naru-oci\n") && said.contains("sleep"), "{said:?}");
        let output = case.run(&["exec", &id, "sh", "-c", "exit 7"])?;
        assert_eq!(output.status.code(), Some(7));

        let process = json!({
            "cwd": "/tmp", "args": ["sh", "-c", "pwd; id -u; echo $MARK"],
            "env": ["PATH=/bin", "MARK=yes"], "user": {"uid": 33, "gid": 33},
        });
        let file = case.path().join("process.json");
        fs::write(&file, process.to_string())?;
        let file = file.display().to_string();
        assert_eq!(case.succeed(&["exec", "--process", &file, &id])?, "/tmp\n33\nyes\n");
        case.fail(&["exec", &id, "nosuch"])?;
        assert_eq!(case.state()?["status"], "running");
        Ok(())
    })
}

#[test]
fn the_first_process_has_the_callers_streams() -> Result<()> {
    on_each(|case| {
        let case = case.shell("cat; echo $$ >&2; exit 5")?;
        case.write()?;
        let bundle = case.bundle().display().to_string();
        let input = case.path().join("input");
        fs::write(&input, "said\n")?;
        let output = case
            .command(&["run", "--bundle", &bundle, &case.id()])
            .stdin(File::open(input)?)
            .output()?;
        assert_eq!(String::from_utf8(output.stdout)?, "said\n");
        assert_eq!(String::from_utf8(output.stderr)?, "1\n");
        assert_eq!(output.status.code(), Some(5));
        assert_eq!(case.succeed(&["list", "-q"])?, "", "what ran in the foreground is gone");
        Ok(())
    })
}

#[test]
fn a_terminal_goes_to_the_socket() -> Result<()> {
    on_each(|case| {
        let case = case.shell("tty; exec sleep 1000")?.set("/process/terminal", json!(true))?;
        let path = case.path().join("console");
        let listener = UnixListener::bind(&path)?;
        case.start(&["--console-socket", &path.display().to_string()])?;
        let mut console = File::from(receive(&listener)?);
        let mut said = Vec::new();
        let mut byte = [0];
        while said.last() != Some(&b'\n') {
            console.read_exact(&mut byte)?;
            said.push(byte[0]);
        }
        assert_eq!(String::from_utf8(said)?, "/dev/pts/0\r\n");
        Ok(())
    })
}

fn receive(listener: &UnixListener) -> Result<OwnedFd> {
    let (stream, _) = listener.accept()?;
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut name = [0; 256];
    recvmsg(&stream, &mut [IoSliceMut::new(&mut name)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let received = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    received.context("a terminal")
}

#[test]
fn descriptors_come_in_only_when_they_are_named() -> Result<()> {
    on_each(|case| {
        let case = case.shell("cat <&3; ls /proc/self/fd | tr '\\n' ' '")?;
        case.write()?;
        let given = case.path().join("given");
        fs::write(&given, "given\n")?;
        let bundle = case.bundle().display().to_string();
        let id = case.id();
        let run = case.command(&["run", "--preserve-fds", "1", "--bundle", &bundle, &id]);
        // A shell hands out descriptors by number: 3 is to come in, 4 is not.
        let output = Command::new("/bin/busybox")
            .args(["sh", "-c", "f=$1; shift; exec \"$@\" 3< \"$f\" 4< \"$f\"", "sh"])
            .arg(&given)
            .arg(run.get_program())
            .args(run.get_args())
            .output()?;
        ensure!(output.status.success(), "{output:?}");
        // The last is the directory that `ls` reads.
        assert_eq!(String::from_utf8(output.stdout)?, "given\n0 1 2 3 4 ");
        Ok(())
    })
}

#[test]
fn a_container_can_be_paused() -> Result<()> {
    let case = Case::new(Path::new(NARU), "sleep 1000")?;
    case.start(&[])?;
    let id = case.id();
    case.succeed(&["pause", &id])?;
    assert_eq!(case.state()?["status"], "paused");
    case.fail(&["exec", &id, "true"])?;
    case.succeed(&["resume", &id])?;
    assert_eq!(case.state()?["status"], "running");
    let processes: Vec<i64> = serde_json::from_str(&case.succeed(&["ps", "-f", "json", &id])?)?;
    assert_eq!(Some(processes[0]), case.state()?["pid"].as_i64());
    Ok(())
}

#[test]
fn what_the_runtime_can_do_is_told() -> Result<()> {
    let case = Case::new(Path::new(NARU), "true")?;
    let features: Value = serde_json::from_str(&case.succeed(&["features"])?)?;
    assert_eq!(features["ociVersionMax"], "1.2.0");
    assert_eq!(features["linux"]["cgroup"]["v2"], true);
    Ok(())
}

#[test]
fn the_program_of_the_runtime_cannot_be_overwritten() -> Result<()> {
    // CVE-2019-5736: whoever is entering the container is caught by its first process.
    let catch = "while :; do for p in /proc/[0-9]*; do \
                 (: >> $p/exe) 2>/dev/null && echo caught; done; done";
    let case = Case::new(Path::new(NARU), catch)?;
    let before = fs::read(NARU)?;
    case.start(&[])?;
    for _ in 0..20 {
        case.succeed(&["exec", &case.id(), "true"])?;
    }
    case.succeed(&["delete", "--force", &case.id()])?;
    assert_eq!(fs::read_to_string(case.path().join("out"))?, "");
    assert!(fs::read(NARU)? == before, "the program is as it was");
    Ok(())
}
