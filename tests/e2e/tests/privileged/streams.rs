//! Streams that go both ways through the host's proxy, and their ends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};

use anyhow::{Context, Result, bail};
use naru_test_framework::Vm;
use naru_test_framework::vm::kill;

use crate::containers::vm_with_busybox;
use crate::raw::{Connection, send};

/// `timeout` says so of a command that it had to end.
const HUNG: i32 = 124;

/// Binary messages, and the end (RFC 6455, 5.2).
const BINARY: u8 = 2;
const CLOSE: u8 = 8;

/// Starts `docker`, gives it `input` to read, and waits until it prints the line.
fn docker(vm: &Vm, arguments: &[&str], input: &[u8], line: &str) -> Result<Child> {
    let mut docker = vm.docker_command(arguments);
    let docker = docker.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut docker = docker.spawn()?;
    // Its input stays open for as long as the child is not waited for.
    docker.stdin.as_mut().context("it is piped")?.write_all(input)?;
    let lines = BufReader::new(docker.stdout.as_mut().context("it is piped")?).lines();
    let mut before = Vec::new();
    for said in lines {
        let said = said?;
        if said == line {
            return Ok(docker);
        }
        before.push(said);
    }
    bail!("docker {arguments:?} says {before:?} in place of {line:?}")
}

#[test]
fn all_streams_end_with_the_machine_whether_it_stops_or_dies() -> Result<()> {
    let (vm, image) = vm_with_busybox()?;
    let run = ["run", "-di", "--name", "talks", "--stop-signal", "KILL", &image];
    vm.docker_ok(&[&run[..], &["sh", "-c", "echo said; exec cat"]].concat())?;
    for dies in [true, false] {
        let mut streams = Vec::new();
        for (arguments, input, expected) in [
            (
                &["events", "--since", "1", "--filter", "event=start", "--format", "{{.Type}}"][..],
                "",
                "container",
            ),
            (&["logs", "--follow", "talks"], "", "said"),
            // The second time it may be there before the container says something by itself.
            (&["attach", "talks"], "to cat\n", "to cat"),
            (&["exec", "-i", "talks", "cat"], "to another\n", "to another"),
        ] {
            streams.push((arguments, docker(&vm, arguments, input.as_bytes(), expected)?));
        }
        if dies {
            kill(vm.qemu()?)?;
        } else {
            vm.naru(&["stop"])?.success()?;
        }
        for (arguments, mut stream) in streams {
            // With its input still open.
            let input = stream.stdin.take();
            assert_ne!(stream.wait()?.code(), Some(HUNG), "{arguments:?}, dies: {dies}");
            drop(input);
        }
        if dies {
            vm.naru(&["start"])?.success().with_context(|| vm.console())?;
            vm.docker_ok(&["start", "talks"])?;
        }
    }
    Ok(())
}

/// A message of a client: masked, here by nothing.
fn message(opcode: u8, content: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = vec![0x80 | opcode, 0x80 | u8::try_from(content.len())?, 0, 0, 0, 0];
    bytes.extend_from_slice(content);
    Ok(bytes)
}

/// The next message of the server, a short one.
fn received(socket: &mut Connection) -> Result<(u8, Vec<u8>)> {
    let header = socket.read(2)?;
    Ok((header[0] & 15, socket.read(usize::from(header[1]))?))
}

#[test]
fn a_web_socket_reaches_a_container_in_the_machine() -> Result<()> {
    let (vm, image) = vm_with_busybox()?;
    let script = "while read line; do echo got $line; [ $line = bye ] && exit; done";
    vm.docker_ok(&["run", "-di", "--name", "talks", &image, "sh", "-c", script])?;
    let request = "GET /v1.51/containers/talks/attach/ws?stream=1&stdin=1&stdout=1";
    let headers = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    let mut socket = send(&vm, request, &headers)?;
    assert_eq!(socket.head()?.status, 101);
    for word in ["one", "two", "bye"] {
        socket.write(&message(BINARY, format!("{word}\n").as_bytes())?)?;
        let answer = format!("got {word}\n").into_bytes();
        assert_eq!(received(&mut socket)?, (BINARY, answer));
    }
    assert_eq!(received(&mut socket)?.0, CLOSE, "the container has ended");
    Ok(())
}
