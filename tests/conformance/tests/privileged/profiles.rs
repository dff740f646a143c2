//! `run --security-opt`: profiles of the client's own.

use std::fs;

use naru_test_framework::{DockerHost, Engine, Output};
use serde_json::{Value, json};

fn run(engine: &DockerHost, profile: &Value, rest: &[&str]) -> anyhow::Result<Output> {
    fs::write(engine.scratch().join("profile.json"), profile.to_string())?;
    let run = ["run", "--rm", "--security-opt", "seccomp=profile.json"];
    engine.docker(&[run.as_slice(), rest].concat())
}

#[test]
fn a_profile_of_the_clients_own_decides() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let profile = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
        "syscalls": [
            {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
            {"names": ["chmod", "fchmod", "fchmodat", "fchmodat2"], "action": "SCMP_ACT_ERRNO",
             "excludes": {"caps": ["CAP_NET_ADMIN"]}},
            {"name": "rmdir", "action": "SCMP_ACT_ERRNO", "errnoRet": 30,
             "includes": {"minKernel": "99.0"}},
        ],
    });

    let output = run(&engine, &profile, &["busybox", "mkdir", "/made"])?;
    assert!(output.failure(1)?.contains("No space left on device"), "{output:?}");
    let output = run(&engine, &profile, &["busybox", "chmod", "700", "/tmp"])?;
    assert!(output.failure(1)?.contains("Operation not permitted"), "{output:?}");
    run(&engine, &profile, &["--cap-add=NET_ADMIN", "busybox", "chmod", "700", "/tmp"])?
        .success()?;
    run(&engine, &profile, &["busybox", "rmdir", "/home"])?.success()?;
    let output = run(&engine, &profile, &["--privileged", "busybox", "mkdir", "/made"])?;
    output.failure(1)?;
    let create = ["create", "--name", "kept", "--security-opt", "seccomp=profile.json", "busybox"];
    engine.docker(&create)?.success()?;
    let shown = engine.docker(&["inspect", "-f", "{{json .HostConfig.SecurityOpt}}", "kept"])?;
    assert!(shown.success()?.contains("SCMP_ACT_ALLOW"), "{shown:?}");
    Ok(())
}

#[test]
fn a_profile_that_is_none_is_refused_before_anything_is_made() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    for (profile, reason) in [
        (json!({"defaultAction": "SCMP_ACT_MAYBE"}), "Decoding seccomp profile failed: "),
        (
            json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"name": "a", "names": ["b"], "action": "SCMP_ACT_ERRNO"}]}),
            "both 'name' and 'names'",
        ),
    ] {
        let output = run(&engine, &profile, &["busybox", "true"])?;
        assert!(output.failure(125)?.contains(reason), "{output:?}");
    }
    for (option, reason) in [
        ("nonsense=1", "invalid --security-opt 2: \"nonsense=1\""),
        ("apparmor=docker-default", "the kernel has neither AppArmor nor SELinux"),
    ] {
        let output =
            engine.docker(&["run", "--rm", "--security-opt", option, "busybox", "true"])?;
        assert!(output.failure(125)?.contains(reason), "{output:?}");
    }
    assert_eq!(engine.docker(&["ps", "-aq"])?.success()?, "");
    Ok(())
}

#[test]
fn system_paths_can_be_left_open() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let shell = "grep -c ' /proc/' /proc/mounts";
    let open = ["run", "--rm", "--security-opt", "systempaths=unconfined", "busybox", "sh", "-c"];
    engine.docker(&[open.as_slice(), &[shell]].concat())?.failure(1)?;
    engine.docker(&["run", "--rm", "busybox", "sh", "-c", shell])?.success()?;
    Ok(())
}
