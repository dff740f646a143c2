//! `version`, `info`.

use naru_test_framework::Engine;

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
