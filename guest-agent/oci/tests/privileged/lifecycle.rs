//! From create to delete.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::harness::{Case, NARU, on_each, wait_until};

#[test]
fn a_container_is_created_started_killed_and_deleted() -> Result<()> {
    on_each(|case| {
        let case = case.shell("echo started; exec sleep 1000")?;
        let id = case.id();
        let pid_file = case.path().join("pid");
        let created = case.create(&["--pid-file", &pid_file.display().to_string()])?;
        ensure!(created.status.success(), "{created:?}");
        let state = case.state()?;
        assert_eq!((&state["status"], &state["id"]), (&json!("created"), &json!(id)));
        assert_eq!(state["bundle"], json!(fs::canonicalize(case.bundle())?));
        assert_eq!(state["pid"].to_string(), fs::read_to_string(&pid_file)?.trim());
        assert_eq!(fs::read_to_string(case.path().join("out"))?, "", "the program does not run");

        case.succeed(&["start", &id])?;
        case.await_output("started\n")?;
        assert_eq!(case.state()?["status"], "running");
        case.fail(&["start", &id])?;
        case.fail(&["delete", &id])?;
        assert!(case.succeed(&["list", "-q"])?.lines().any(|line| line == id));

        case.succeed(&["kill", &id, "KILL"])?;
        case.await_status("stopped")?;
        case.fail(&["kill", &id, "KILL"])?;
        case.succeed(&["delete", &id])?;
        let said = case.fail(&["state", &id])?;
        assert!(!case.is_naru() || said.contains("does not exist"), "podman's word: {said}");
        case.fail(&["delete", &id])?;
        assert_eq!(case.succeed(&["list", "-q"])?, "");
        Ok(())
    })
}

#[test]
fn an_id_is_used_once() -> Result<()> {
    on_each(|case| {
        case.start(&[])?;
        let second = case.create(&[])?;
        ensure!(!second.status.success(), "{second:?}");
        assert_eq!(case.state()?["status"], "running", "the first is left alone");
        case.succeed(&["delete", "--force", &case.id()])?;
        case.fail(&["state", &case.id()])?;
        Ok(())
    })
}

#[test]
fn what_cannot_be_created_leaves_nothing() -> Result<()> {
    on_each(|case| {
        for (pointer, value) in
            [("/process/args", json!(["nosuch"])), ("/root/path", json!("nosuch"))]
        {
            let bad = Case::new(case.program(), "true")?.set(pointer, value)?;
            let created = bad.create(&[])?;
            ensure!(!created.status.success(), "{pointer}");
            assert_eq!(bad.succeed(&["list", "-q"])?, "", "{pointer}");
        }
        Ok(())
    })
}

#[test]
fn hooks_are_run_at_their_moments() -> Result<()> {
    on_each(|case| {
        let log = case.path().join("log");
        let hook = |name: &str| -> Result<Value> {
            let path = case.path().join(name);
            let text = format!(
                "#!/bin/busybox sh\n/bin/busybox grep -o '\"status\": *\"[a-z]*\"' | \
                 /bin/busybox tr -d ' ' | /bin/busybox sed 's/^/{name} /' >> {}\n",
                log.display()
            );
            fs::write(&path, text)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
            Ok(json!([{ "path": path }]))
        };
        let hooks = json!({
            "createRuntime": hook("createRuntime")?,
            "createContainer": hook("createContainer")?,
            "poststart": hook("poststart")?,
            "poststop": hook("poststop")?,
        });
        let case = case.set("/hooks", hooks)?;
        case.start(&[])?;
        case.succeed(&["delete", "--force", &case.id()])?;
        let log = fs::read_to_string(log)?;
        let moments: Vec<&str> = log.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(moments, ["createRuntime", "createContainer", "poststart", "poststop"], "{log}");
        if case.is_naru() {
            assert_eq!(
                log,
                "createRuntime \"status\":\"creating\"\ncreateContainer \"status\":\"creating\"\n\
                 poststart \"status\":\"running\"\npoststop \"status\":\"stopped\"\n"
            );
        }
        Ok(())
    })
}

#[test]
fn a_create_that_is_killed_leaves_only_what_delete_finds() -> Result<()> {
    let case = Case::new(Path::new(NARU), "echo never")?;
    // It is killed while it waits for a hook, when the process is already there.
    let mark = case.path().join("mark");
    let hook = format!("echo > {}; exec /bin/busybox sleep 1000", mark.display());
    let hook = json!([{"path": "/bin/busybox", "args": ["sh", "-c", hook]}]);
    let case = case.set("/hooks", json!({ "createRuntime": hook }))?;
    case.write()?;
    let bundle = case.bundle().display().to_string();
    let mut create =
        case.command(&["create", "--bundle", &bundle, &case.id()]).stdout(Stdio::null()).spawn()?;
    wait_until(|| Ok(mark.exists()))?;
    create.kill()?;
    create.wait()?;

    assert_eq!(case.state()?["status"], "creating");
    case.fail(&["start", &case.id()])?;
    case.succeed(&["delete", "--force", &case.id()])?;
    case.fail(&["state", &case.id()])?;
    let path = case.spec["linux"]["cgroupsPath"].as_str().context("a path")?;
    let cgroup = naru_runtime::Cgroup::at(Path::new(path))?;
    assert!(!cgroup.directory().exists());
    Ok(())
}

#[test]
fn errors_are_where_the_caller_reads_them() -> Result<()> {
    let case = Case::new(Path::new(NARU), "true")?;
    let log = case.path().join("log");
    let words = ["--log-format=json", "--log", &log.display().to_string(), "state", "nosuch"];
    assert_eq!(case.fail(&words)?, "naru-oci: container \"nosuch\" does not exist\n");
    let line: Value = serde_json::from_str(&fs::read_to_string(log)?)?;
    assert_eq!(line["level"], "error");
    assert_eq!(line["msg"], "container \"nosuch\" does not exist");
    for (words, message) in [
        (["--systemd-cgroup", "create", "x"], "--systemd-cgroup is not supported"),
        (["create", "--no-new-keyring", "x"], "--no-new-keyring is not supported"),
    ] {
        assert!(case.fail(&words)?.contains(message));
    }
    Ok(())
}
