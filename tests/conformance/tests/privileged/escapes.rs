//! Ways out of a container that must not be any.

use std::path::Path;
use std::process;

use naru_test_framework::{DockerHost, Engine};

/// Runs `shell` in a container with `options`, which must fail; gives what it said.
fn fails(engine: &DockerHost, options: &[&str], shell: &str) -> anyhow::Result<String> {
    let run = ["run", "--rm"];
    let command = ["busybox", "sh", "-c", shell];
    let output = engine.docker(&[run.as_slice(), options, &command].concat())?;
    anyhow::ensure!(output.code != 0, "{shell} succeeded: {output:?}");
    Ok(output.stderr)
}

#[test]
fn the_kernel_is_out_of_reach() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;

    // Not every kernel has it.
    fails(&engine, &[], "echo x > /proc/sysrq-trigger")?;
    for path in ["/proc/sys/kernel/core_pattern", "/proc/irq/default_smp_affinity"] {
        let said = fails(&engine, &[], &format!("echo x > {path}"))?;
        assert!(said.contains("Read-only file system"), "{path}: {said}");
    }
    let empty = "cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | wc -c; \
                 ls -A /sys/firmware | wc -l";
    let output = engine.docker(&["run", "--rm", "busybox", "sh", "-c", empty])?;
    assert_eq!(output.success()?, "0\n0", "masked paths are empty");
    for shell in [
        "umount /proc/kcore",
        "umount -l /proc/sys",
        "mount -o remount,rw /proc/sys",
        "mount -o remount,rw /sys",
        "mount -t proc none /tmp",
        "mount --bind /etc /tmp",
    ] {
        // What refuses is not the filter alone.
        fails(&engine, &[], shell)?;
        fails(&engine, &["--security-opt", "seccomp=unconfined"], shell)?;
    }
    let said = fails(&engine, &[], "head -c 4096 /dev/zero > /tmp/m.ko; insmod /tmp/m.ko")?;
    assert!(said.contains("Operation not permitted"), "{said}");
    let said = fails(&engine, &[], "mknod /tmp/mem c 1 1 && head -c 1 /tmp/mem")?;
    assert!(said.contains("Operation not permitted"), "{said}");
    let disk = "mknod /tmp/disk b 254 0 && head -c 1 /tmp/disk";
    let said = fails(&engine, &["--cap-add", "SYS_RAWIO"], disk)?;
    assert!(said.contains("Operation not permitted"), "{said}");
    Ok(())
}

#[test]
fn control_groups_are_no_way_out() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;

    // CVE-2022-0492: a version 1 hierarchy of one's own, and a release agent in it.
    let agent = "mkdir /tmp/c && unshare -rm mount -t cgroup -o rdma cgroup /tmp/c && \
                 echo /bad > /tmp/c/release_agent";
    let said = fails(&engine, &[], agent)?;
    assert!(said.contains("Operation not permitted"), "{said}");
    let mount = "mkdir /tmp/c && mount -t cgroup -o memory cgroup /tmp/c";
    fails(&engine, &[], mount)?;
    fails(&engine, &["--cap-add", "DAC_OVERRIDE"], "echo /bad > /sys/fs/cgroup/release_agent")?;
    let said = fails(&engine, &[], "echo max > /sys/fs/cgroup/cgroup.procs")?;
    assert!(said.contains("Read-only file system"), "{said}");
    let said = fails(&engine, &[], "mkdir /sys/fs/cgroup/mine")?;
    assert!(said.contains("Read-only file system"), "{said}");
    // The group is the root of what the container sees, so that there is no way up.
    let ls = "cat /proc/self/cgroup | grep -c '^0::/$'; ls -d /sys/fs/cgroup/../cgroup/naru";
    let output = engine.docker(&["run", "--rm", "busybox", "sh", "-c", ls])?;
    assert_eq!(output.stdout.lines().next(), Some("1"));
    output.failure(1)?;
    Ok(())
}

#[test]
fn the_hosts_processes_are_not_to_be_looked_into() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let own = process::id();
    // Seen with --pid=host, and yet root inside is not root outside.
    for path in ["environ", "root/etc/passwd", "cwd/Cargo.toml", "exe", "fd/0"] {
        let shell = format!("head -c 1 /proc/{own}/{path}");
        let said = fails(&engine, &["--pid", "host"], &shell)?;
        assert!(said.contains("Permission denied"), "{path}: {said}");
    }
    Ok(())
}

#[test]
fn the_agents_program_cannot_be_overwritten() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;

    // CVE-2019-5736, first way: the entry point is the agent itself.
    let output = engine.docker(&["run", "--rm", "busybox", "/proc/self/exe"])?;
    assert_ne!(output.code, 0, "{output:?}");
    // Second way: whoever is about to enter is caught before it becomes the program.
    let catch = "while :; do for p in /proc/[0-9]*; do \
                 (: >> $p/exe) 2>/dev/null && echo $p >> /caught; done; done";
    let run = ["run", "-d", "--name", "trap", "busybox", "sh", "-c", catch];
    engine.docker(&run)?.success()?;
    for _ in 0..20 {
        engine.docker(&["exec", "trap", "true"])?.success()?;
    }
    let pid = engine.docker(&["inspect", "-f", "{{.State.Pid}}", "trap"])?.success()?.to_owned();
    assert!(!Path::new(&format!("/proc/{pid}/root/caught")).exists());
    assert_eq!(engine.docker(&["exec", "trap", "echo", "on"])?.success()?, "on");
    Ok(())
}

#[test]
fn no_descriptor_of_the_host_comes_in() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["run", "-d", "--name", "host", "busybox", "sleep", "1000"])?.success()?;

    let list = ["ls", "/proc/self/fd"];
    let run = ["run", "--rm", "busybox"];
    // The fourth is the directory that `ls` reads.
    assert_eq!(engine.docker(&[run.as_slice(), &list].concat())?.success()?, "0\n1\n2\n3");
    let exec = ["exec", "host"];
    assert_eq!(engine.docker(&[exec.as_slice(), &list].concat())?.success()?, "0\n1\n2\n3");
    // CVE-2024-21626: a working directory that is somebody else's descriptor.
    for number in 3..24 {
        let directory = format!("/proc/self/fd/{number}");
        let run = ["run", "--rm", "-w", &directory, "busybox", "cat", "../../etc/shadow"];
        let exec = ["exec", "-w", &directory, "host", "true"];
        for output in [engine.docker(&run)?, engine.docker(&exec)?] {
            let said = [output.stdout, output.stderr].concat();
            assert!(output.code != 0 && said.contains(" cwd "), "{number}: {said}");
        }
    }
    Ok(())
}

#[test]
fn a_terminal_is_the_containers_alone() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let create = ["create", "-t", "--name", "tty", "busybox", "sh", "-c", "tty; ls /dev/pts"];
    engine.docker(&create)?.success()?;
    // What it pushes into its terminal (TIOCSTI) it can only read itself.
    let output = engine.docker(&["start", "-a", "tty"])?;
    let said = output.success()?.replace('\r', "");
    let words: Vec<&str> = said.split_whitespace().collect();
    assert_eq!(words, ["/dev/pts/0", "0", "ptmx"]);
    Ok(())
}
