//! From the configuration to the exit status.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};
use naru_shim::wire::{FailureKind, ShimAnswer, ShimEvent, ShimRequest};
use serde_json::json;

use crate::harness::{Fixture, ask, read_record};

#[test]
fn the_exit_status_is_on_disk_and_nothing_else_is_left() -> Result<()> {
    let fixture = Fixture::shell("exit 42")?;
    let mut shim = fixture.spawn()?;
    shim.created()?;
    shim.start()?;
    let record = shim.exited()?;
    assert_eq!((record.code, record.oom_killed), (42, false));
    assert_eq!(fixture.exit_record()?, record);
    assert!(!fixture.cgroup()?.directory().exists());
    Ok(())
}

#[test]
fn a_container_ends_with_its_first_process() -> Result<()> {
    // In the host's PID namespace, so that the kernel does not see to it.
    let mut fixture = Fixture::shell("sleep 1000 & echo $!")?;
    fixture.spec["linux"]["namespaces"] = json!([{"type": "mount"}, {"type": "uts"}]);
    let mut shim = fixture.spawn()?;
    shim.created()?;
    let client = shim.attach(false)?;
    shim.start()?;
    let sleeper = client.frames()?[0].trim().to_owned();
    assert_eq!(shim.exited()?.code, 0);
    // It may still be waiting to be buried, but it does not run.
    let state = fs::read_to_string(format!("/proc/{sleeper}/status")).unwrap_or_default();
    assert!(state.is_empty() || state.contains("State:\tZ"), "{state}");
    assert!(!fixture.cgroup()?.directory().exists());
    Ok(())
}

#[test]
fn a_paused_container_stands_still_and_can_be_killed() -> Result<()> {
    let fixture = Fixture::shell("while :; do usleep 1000; done")?;
    let mut shim = fixture.spawn()?;
    shim.created()?;
    shim.start()?;
    for (request, paused) in [(ShimRequest::Pause, true), (ShimRequest::Resume, false)] {
        assert_eq!(shim.ask(&request)?.0, ShimAnswer::Ok);
        assert_eq!(fixture.cgroup()?.is_frozen()?, paused);
        let ShimAnswer::State(state) = shim.ask(&ShimRequest::State)?.0 else {
            bail!("expected a state")
        };
        assert_eq!(state.paused, paused);
    }
    assert_eq!(shim.ask(&ShimRequest::Pause)?.0, ShimAnswer::Ok);
    assert_eq!(shim.ask(&ShimRequest::Signal { signal: 9 })?.0, ShimAnswer::Ok);
    assert_eq!(shim.exited()?.code, 137);
    Ok(())
}

#[test]
fn limits_are_changed_all_or_none() -> Result<()> {
    let fixture = Fixture::shell("while :; do usleep 1000; done")?;
    let mut shim = fixture.spawn()?;
    shim.created()?;
    shim.start()?;
    // The one controller that also a host of version 1 leaves to version 2.
    let size = 1 << 21;
    let limit = fixture.cgroup()?.directory().join("hugetlb.2MB.max");
    let change = |unified: serde_json::Value| -> Result<ShimAnswer> {
        let hugepages = json!([{"pageSize": "2MB", "limit": size}]);
        let resources = json!({"hugepageLimits": hugepages, "unified": unified});
        let resources = serde_json::from_value(resources)?;
        Ok(shim.ask(&ShimRequest::Update { resources })?.0)
    };
    assert_eq!(change(json!({}))?, ShimAnswer::Ok);
    assert_eq!(fs::read_to_string(&limit)?.trim(), size.to_string());

    fs::write(&limit, "max")?;
    let ShimAnswer::Error { message } = change(json!({"hugetlb.2MB.rsvd.max": "nonsense"}))? else {
        bail!("nonsense was taken")
    };
    assert!(message.contains("hugetlb.2MB.rsvd.max"), "{message}");
    assert_eq!(fs::read_to_string(&limit)?.trim(), "max", "the other limit is as it was");
    let ShimAnswer::Error { message } = change(json!({"rdma.max": "x"}))? else {
        bail!("a limit without its controller was taken")
    };
    assert!(message.contains("needs the cgroup v2 controller rdma"), "{message}");
    shim.ask(&ShimRequest::Signal { signal: 9 })?;
    assert_eq!(shim.exited()?.code, 137);
    Ok(())
}

#[test]
fn the_process_outlives_the_engine_and_is_found_again() -> Result<()> {
    let fixture = Fixture::with_stdin("cat; exit 5")?;
    let mut shim = fixture.spawn()?;
    let pid = shim.created()?;
    shim.start()?;
    shim.forget_engine()?;

    let run_dir = &fixture.config.run_dir;
    let (_, mut watcher) = ask(run_dir, &ShimRequest::Watch)?;
    assert_eq!(watcher.event()?, ShimEvent::Created { pid });
    assert!(matches!(watcher.event()?, ShimEvent::Started { .. }));
    let attach = ShimRequest::Attach { stdin: true, stdout: true, stderr: true };
    let (_, mut client) = ask(run_dir, &attach)?;
    client.write(b"still here\n")?;
    client.end_input()?;
    assert_eq!(client.frames()?[0], "still here\n");
    let ShimEvent::Exited(record) = watcher.event()? else { bail!("expected the end") };
    assert_eq!(record.code, 5);
    shim.gone()?;
    assert_eq!(fixture.exit_record()?, record);
    assert_eq!(fixture.logged("stdout")?, "still here\n");
    Ok(())
}

#[test]
fn a_process_that_was_not_started_dies_with_the_engine() -> Result<()> {
    let fixture = Fixture::shell("echo never")?;
    let mut shim = fixture.spawn()?;
    let pid = shim.created()?;
    shim.forget_engine()?;
    shim.gone()?;
    assert!(!Path::new("/proc").join(pid.to_string()).exists());
    assert!(!fixture.config.exit_path.exists());
    assert_eq!(fixture.logged("stdout")?, "");
    Ok(())
}

#[test]
fn an_engine_that_dies_while_the_process_is_made_takes_it_along() -> Result<()> {
    let fixture = Fixture::shell("echo never")?;
    let mut shim = fixture.spawn()?;
    // Nobody hears that the process is there.
    shim.forget_engine()?;
    shim.gone()?;
    assert!(!fixture.cgroup()?.directory().exists());
    assert!(!fixture.config.exit_path.exists());
    Ok(())
}

#[test]
fn a_program_that_is_not_there_is_told_with_its_kind() -> Result<()> {
    let cases = [
        ("foo", FailureKind::NotFound, "exec: \"foo\": executable file not found in $PATH"),
        (
            "/bin",
            FailureKind::PermissionDenied,
            "exec: \"/bin\": is a directory: permission denied",
        ),
    ];
    for (program, kind, message) in cases {
        let mut fixture = Fixture::shell("")?;
        fixture.spec["process"]["args"] = json!([program]);
        let mut shim = fixture.spawn()?;
        assert_eq!(shim.event()?, ShimEvent::Failed { kind, message: message.to_owned() });
        shim.gone()?;
    }
    Ok(())
}

#[test]
fn a_program_that_the_kernel_refuses_is_told_after_start() -> Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let mut fixture = Fixture::shell("")?;
    let script = fixture.path().join("lower/bin/broken");
    fs::write(&script, "#!/no/such/interpreter\n")?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    fixture.spec["process"]["args"] = json!(["broken"]);
    let mut shim = fixture.spawn()?;
    shim.created()?;
    shim.ask_to_start()?;
    let message = "exec /bin/broken: no such file or directory".to_owned();
    assert_eq!(shim.event()?, ShimEvent::Failed { kind: FailureKind::NoInterpreter, message });
    shim.gone()
}

#[test]
fn an_exec_has_its_own_exit_code_and_output() -> Result<()> {
    let fixture = Fixture::with_stdin("cat")?;
    let mut container = fixture.spawn()?;
    let pid = container.created()?;
    container.start()?;

    let (mut exec, exit_path) = fixture.exec(pid, &["sh", "-c", "cat; echo err >&2; exit 9"])?;
    exec.created()?;
    let mut client = exec.attach(true)?;
    exec.start()?;
    client.write(b"in\n")?;
    client.end_input()?;
    assert_eq!(client.frames()?, ["in\n", "err\n"]);
    let record = exec.exited()?;
    assert_eq!(record.code, 9);
    assert_eq!(read_record(&exit_path)?, record);

    container.ask(&ShimRequest::Signal { signal: 15 })?;
    container.ask(&ShimRequest::CloseStdin)?;
    container.exited()?;
    Ok(())
}

#[test]
fn an_exec_ends_though_its_children_hold_its_output_open() -> Result<()> {
    let fixture = Fixture::with_stdin("cat")?;
    let mut container = fixture.spawn()?;
    let pid = container.created()?;
    container.start()?;

    let (mut exec, _) = fixture.exec(pid, &["sh", "-c", "sleep 1000 & echo started"])?;
    exec.created()?;
    let client = exec.attach(false)?;
    exec.start()?;
    assert_eq!(client.frames()?[0], "started\n");
    assert_eq!(exec.exited()?.code, 0);

    container.ask(&ShimRequest::CloseStdin)?;
    assert_eq!(container.exited()?.code, 0);
    Ok(())
}
