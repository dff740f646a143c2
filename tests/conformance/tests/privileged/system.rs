//! `version`, `info`, and what the machine uses.

use naru_test_framework::{Engine, NativeEngine};
use serde_json::Value;

use crate::raw::ask;

#[test]
fn version_and_info_tell_of_the_server() -> anyhow::Result<()> {
    let engine = Engine::start()?;

    let version = engine.docker(&["version", "--format", "{{.Server.Version}} {{.Server.Os}}"])?;
    let version = version.success()?;
    assert!(version.starts_with("28."), "clients compare it with Docker's numbers: {version}");
    assert!(version.ends_with(" linux"), "{version}");
    let whole = engine.docker(&["version"])?;
    assert!(whole.success()?.contains("\n Engine:\n"), "{whole:?}");

    let info = ["info", "--format", "{{.Driver}} {{.OSType}} {{.Containers}} {{.Images}}"];
    assert_eq!(engine.docker(&info)?.success()?, "overlay2 linux 0 0");
    let whole = engine.docker(&["info"])?;
    for line in [" Containers: 0", " Storage Driver: overlay2", " Swarm: inactive", "  seccomp"] {
        assert!(whole.success()?.lines().any(|shown| shown == line), "{line:?} not in {whole:?}");
    }
    Ok(())
}

#[test]
fn info_counts_containers_by_state() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["run", "busybox", "true"])?.success()?;
    engine.docker(&["create", "busybox"])?.success()?;
    engine.docker(&["run", "-d", "busybox", "sleep", "1000"])?.success()?;

    let format = "{{.Containers}} {{.ContainersRunning}} {{.ContainersStopped}} {{.Images}}";
    assert_eq!(engine.docker(&["info", "--format", format])?.success()?, "3 1 2 1");
    Ok(())
}

#[test]
fn what_the_machine_uses_is_told_and_grows_with_what_runs() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    let usage = || ask(&engine, "GET", "/naru/usage")?.json();
    let of = |usage: &Value, mode: &str| usage["cpu"][mode].as_u64().unwrap_or_default();
    let busy_ms = |usage: &Value| of(usage, "user_ms") + of(usage, "system_ms");
    let first = usage()?;
    for level in [&first["memory"]["available_bytes"], &first["disk"]["used_bytes"]] {
        assert!(level.as_u64().is_some_and(|bytes| bytes > 0), "{first}");
    }
    // A second of a processor, whatever else goes on.
    let busy = "timeout 1 sh -c 'while :; do :; done'; true";
    engine.docker(&["run", "--rm", "busybox", "sh", "-c", busy])?.success()?;
    let second = usage()?;
    assert!(second["time_ms"].as_u64() > first["time_ms"].as_u64(), "{first} then {second}");
    assert!(busy_ms(&second) > busy_ms(&first), "{first} then {second}");
    assert_eq!(second["cpu"]["processors"], first["cpu"]["processors"]);
    Ok(())
}
