//! What the process may do, and whose namespaces it has.

use std::fs;

use naru_test_framework::Engine;
use serde_json::json;

use super::{refused, said, shell, shown};

/// The bounding set, as a number.
fn bounds(options: &[&str]) -> anyhow::Result<u64> {
    let line = said(options, &["grep", "CapBnd", "/proc/self/status"])?;
    Ok(u64::from_str_radix(line.trim_start_matches("CapBnd:").trim(), 16)?)
}

const CHOWN: u64 = 1;
const NET_ADMIN: u64 = 1 << 12;
const NET_RAW: u64 = 1 << 13;

#[test]
fn cap_add_gives_one_or_all() -> anyhow::Result<()> {
    assert_eq!(bounds(&["--cap-add", "NET_ADMIN"])?, bounds(&[])? | NET_ADMIN);
    assert_eq!(bounds(&["--cap-add", "ALL"])?, bounds(&["--privileged"])?);
    let said = refused(&["--cap-add", "NOPE"], 125)?;
    assert!(said.contains("nvalid") && said.contains("NOPE"), "{said}");
    Ok(())
}

#[test]
fn cap_drop_takes_one_or_all() -> anyhow::Result<()> {
    assert_eq!(bounds(&["--cap-drop", "CAP_NET_RAW"])?, bounds(&[])? & !NET_RAW);
    assert_eq!(bounds(&["--cap-drop", "ALL"])?, 0);
    assert_eq!(bounds(&["--cap-drop", "ALL", "--cap-add", "CHOWN"])?, CHOWN);
    Ok(())
}

#[test]
fn security_opt_no_new_privileges_holds() -> anyhow::Result<()> {
    let read = ["grep", "NoNewPrivs", "/proc/self/status"];
    for (options, expected) in [
        (&["--security-opt", "no-new-privileges"][..], "NoNewPrivs:\t1"),
        (&["--security-opt", "no-new-privileges=false"], "NoNewPrivs:\t0"),
        (&[], "NoNewPrivs:\t0"),
    ] {
        assert_eq!(said(options, &read)?, expected, "{options:?}");
    }
    Ok(())
}

#[test]
fn security_opt_seccomp_unconfined_has_no_filter() -> anyhow::Result<()> {
    let read = ["grep", "^Seccomp:", "/proc/self/status"];
    assert_eq!(said(&["--security-opt", "seccomp=unconfined"], &read)?, "Seccomp:\t0");
    assert_eq!(said(&[], &read)?, "Seccomp:\t2");
    Ok(())
}

#[test]
fn security_opt_seccomp_takes_a_file() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let profile = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}],
    });
    fs::write(engine.scratch().join("profile.json"), profile.to_string())?;
    let run = ["run", "--rm", "--security-opt", "seccomp=profile.json", "busybox", "mkdir", "/d"];
    let output = engine.docker(&run)?;
    assert!(output.failure(1)?.contains("Operation not permitted"), "{output:?}");
    Ok(())
}

#[test]
fn privileged_is_all_of_it() -> anyhow::Result<()> {
    let script = "grep ^Seccomp: /proc/self/status; test -c /dev/kmsg && echo devices; \
                  test -w /proc/sys/kernel/panic && echo proc; mount -t tmpfs x /tmp && echo mount";
    assert_eq!(shell(&["--privileged"], script)?, "Seccomp:\t0\ndevices\nproc\nmount");
    assert_eq!(shown(&["--privileged"], "{{.HostConfig.Privileged}}")?, "true");
    Ok(())
}

#[test]
fn device_is_there_with_its_permissions() -> anyhow::Result<()> {
    let script = "stat -c '%F %t:%T' /dev/nothing; head -c 1 /dev/nothing; \
                  (: > /dev/nothing) 2>/dev/null || echo no write";
    let kmsg = ["--cap-add", "SYSLOG", "--device", "/dev/kmsg:/dev/nothing:r"];
    let expected = "character special file 1:b\nno write";
    assert_eq!(shell(&kmsg, &script.replace("head -c 1 /dev/nothing; ", ""))?, expected);
    let format = "{{json .HostConfig.Devices}}";
    let expected =
        r#"[{"PathOnHost":"/dev/null","PathInContainer":"/dev/other","CgroupPermissions":"rw"}]"#;
    assert_eq!(shown(&["--device", "/dev/null:/dev/other:rw"], format)?, expected);
    Ok(())
}

#[test]
fn device_cgroup_rule_opens_a_device() -> anyhow::Result<()> {
    let make = "mknod /tmp/kmsg c 1 11 && exec 3< /tmp/kmsg && echo open";
    let options = ["--cap-add", "SYSLOG", "--device-cgroup-rule", "c 1:11 r"];
    assert_eq!(shell(&options, make)?, "open");
    Ok(())
}

#[test]
fn gpus_are_refused_with_the_reason() -> anyhow::Result<()> {
    let said = refused(&["--gpus", "all"], 125)?;
    let wanted = "could not select device driver \"\" with capabilities: [[gpu]]";
    assert!(said.contains(wanted), "{said}");
    Ok(())
}

/// Whether those who have the flag share a namespace, which others have to themselves.
fn shares(flag: &str, namespace: &str) -> anyhow::Result<bool> {
    let engine = Engine::with_busybox()?;
    let link = format!("/proc/self/ns/{namespace}");
    let seen = |options: &[&str]| -> anyhow::Result<String> {
        let run = [&["run", "--rm"], options, &["busybox", "readlink", &link]].concat();
        Ok(engine.docker(&run)?.success()?.to_owned())
    };
    let shared = seen(&[flag])?;
    assert_ne!(seen(&[])?, shared, "by default it is the container's own");
    Ok(seen(&[flag])? == shared)
}

#[test]
fn pid_host_is_the_hosts() -> anyhow::Result<()> {
    assert!(shares("--pid=host", "pid")?);
    Ok(())
}

#[test]
fn ipc_host_is_the_hosts() -> anyhow::Result<()> {
    assert!(shares("--ipc=host", "ipc")?);
    Ok(())
}

#[test]
fn uts_host_is_the_hosts() -> anyhow::Result<()> {
    assert!(shares("--uts=host", "uts")?);
    Ok(())
}

#[test]
fn network_host_is_the_hosts() -> anyhow::Result<()> {
    assert!(shares("--network=host", "net")?);
    Ok(())
}

#[test]
fn cgroupns_is_the_hosts_or_the_containers() -> anyhow::Result<()> {
    let read = ["sed", "-n", "s/^0:://p", "/proc/self/cgroup"];
    assert_eq!(said(&["--cgroupns=private"], &read)?, "/");
    assert!(said(&["--cgroupns=host"], &read)?.len() > 64, "a path with the container's id");
    Ok(())
}

#[test]
fn userns_host_is_the_hosts() -> anyhow::Result<()> {
    let all = "         0          0 4294967295";
    assert_eq!(said(&["--userns=host"], &["cat", "/proc/self/uid_map"])?, all);
    let said = refused(&["--userns=nosuch"], 125)?;
    assert!(said.contains("invalid"), "{said}");
    Ok(())
}

#[test]
fn runtime_is_one_that_there_is() -> anyhow::Result<()> {
    let said = refused(&["--runtime", "nosuch"], 125)?;
    assert!(said.contains("nosuch"), "{said}");
    Ok(())
}
