//! What a container can do and what it is kept from.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use naru_test_framework::images::busybox;
use naru_test_framework::{Registry, Vm};

#[test]
fn a_container_is_run_watched_entered_and_stopped() -> Result<()> {
    let (vm, image) = vm_with_busybox()?;
    let hello = ["run", "--rm", &image, "sh", "-c", "echo out; echo err >&2; exit 42"];
    let output = vm.docker(&hello)?;
    assert_eq!((output.code, &*output.stdout, &*output.stderr), (42, "out\n", "err\n"));

    let script =
        "trap 'echo bye; exit 3' TERM; echo ready; touch /ready; while :; do sleep 0.1; done";
    vm.docker_ok(&["run", "-d", "--name", "web", &image, "sh", "-c", script])?;
    vm.docker_ok(&["exec", "web", "sh", "-c", "until [ -e /ready ]; do sleep 0.1; done"])?;
    assert_eq!(vm.docker_ok(&["exec", "web", "cat", "/proc/1/comm"])?, "sh");
    // A terminal of 31 lines and 97 columns, through docker's own client.
    let line =
        format!("stty rows 31 cols 97; {}", vm.docker_line("exec -it web sh -c 'tty; stty size'"));
    let mut script = Command::new("timeout");
    script.args(["120", "script", "--quiet", "--return", "--command", &line, "/dev/null"]);
    // An input that stays open: `script` would type its end into the terminal, and the echo of it
    // may come anywhere on the screen.
    let mut script = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let _input = script.stdin.take();
    let output = script.wait_with_output()?;
    let screen = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{screen}");
    assert_eq!(screen, "/dev/pts/0\r\n31 97\r\n");

    vm.docker_ok(&["stop", "web"])?;
    assert_eq!(vm.docker_ok(&["logs", "web"])?, "ready\nbye");
    assert_eq!(vm.inspect("web", "{{.State.Status}} {{.State.ExitCode}}")?, "exited 3");
    Ok(())
}

#[test]
fn a_published_port_carries_each_direction_to_its_own_end_and_a_taken_one_is_named() -> Result<()> {
    let (vm, image) = vm_with_busybox()?;
    // Counts what comes and answers when the client has ended its direction.
    let count = ["nc", "-ll", "-p", "7", "-e", "wc", "-c"];
    let run = ["run", "-d", "--name", "count", "-p", "127.0.0.1::7", &image];
    vm.docker_ok(&[&run[..], &count[..]].concat())?;
    await_listener(&vm, "count", 7)?;
    let address = vm.docker_ok(&["port", "count", "7"])?;
    for bytes in [5, 300_000] {
        let mut client = TcpStream::connect(&address)?;
        client.write_all(&vec![b'x'; bytes])?;
        client.shutdown(Shutdown::Write)?;
        let mut answer = String::new();
        client.read_to_string(&mut answer)?;
        assert_eq!(answer.trim(), bytes.to_string());
    }

    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = taken.local_addr()?.port();
    let publish = format!("127.0.0.1:{port}:7");
    let run = ["run", "-d", "--name", "late", "-p", &publish, &image];
    let refused = vm.docker(&[&run[..], &count[..]].concat())?;
    let said = refused.failure(125)?;
    assert!(said.contains(&format!("port {port} is already in use")), "{said}");
    drop(taken);
    vm.docker_ok(&["start", "late"]).context("the port is free now")?;
    TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    vm.docker_ok(&["rm", "-f", "late"])?;
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).context("the port was given back")?;
    Ok(())
}

#[test]
fn limits_of_memory_processes_and_processor_hold() -> Result<()> {
    let (vm, image) = vm_with_busybox()?;
    let hungry = ["run", "--name", "hungry", "--memory", "32m", &image, "tail", "/dev/zero"];
    assert_eq!(vm.docker(&hungry)?.code, 137);
    assert_eq!(vm.inspect("hungry", "{{.State.ExitCode}} {{.State.OOMKilled}}")?, "137 true");

    let many = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 60 & done";
    let run = ["run", "--rm", "--pids-limit", "8", &image, "sh", "-c", many];
    let forked = vm.docker(&run)?;
    assert!(forked.stderr.contains("can't fork"), "{forked:?}");

    let busy = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; \
        cat /sys/fs/cgroup/cpu.max; grep nr_throttled /sys/fs/cgroup/cpu.stat";
    let run = ["run", "--rm", "--cpus", "0.1", &image, "sh", "-c", busy];
    let said = vm.docker_ok(&run)?;
    let (limit, throttled) = said.split_once("\nnr_throttled ").context("two lines")?;
    assert_eq!(limit, "10000 100000");
    assert!(throttled.parse::<u64>()? > 0, "{said}");
    Ok(())
}

#[test]
fn what_a_container_uses_is_counted_with_a_limit_and_without() -> Result<()> {
    let (vm, image) = vm_with_busybox()?;
    let sleep = [image.as_str(), "sleep", "1000"];
    let limited = ["run", "-d", "--name", "limited", "--memory", "64m"];
    vm.docker_ok(&[&limited[..], &sleep[..]].concat())?;
    vm.docker_ok(&[&["run", "-d", "--name", "free"][..], &sleep[..]].concat())?;
    let stats = |name: &str| {
        let format = "{{.MemUsage}} {{.PIDs}}";
        vm.docker_ok(&["stats", "--no-stream", "--format", format, name])
    };
    for (name, limit) in [("limited", Some("64MiB")), ("free", None)] {
        let said = stats(name)?;
        let (memory, processes) = said.rsplit_once(' ').context("two values")?;
        assert_eq!(processes, "1", "{name}: {said}");
        let (used, most) = memory.split_once(" / ").context("usage and limit")?;
        assert!(!used.starts_with('0'), "{name}: {said}");
        assert!(limit.is_none_or(|limit| limit == most), "{name}: {said}");
    }
    Ok(())
}

/// Waits until something listens on a port of the container.
pub(crate) fn await_listener(vm: &Vm, name: &str, port: u16) -> Result<()> {
    let listens = format!("until grep -q ':{port:04X} .* 0A ' /proc/net/tcp6; do sleep 0.1; done");
    vm.docker_ok(&["exec", name, "sh", "-c", &listens]).map(drop)
}

/// A running machine that has busybox, and the image's name.
pub(crate) fn vm_with_busybox() -> Result<(Vm, String)> {
    let registry = Registry::start()?;
    registry.push("busybox", "1", &busybox()?)?;
    let vm = Vm::start()?;
    let image = format!("localhost:{}/busybox:1", registry.port());
    vm.docker_ok(&["pull", &image])?;
    Ok((vm, image))
}
