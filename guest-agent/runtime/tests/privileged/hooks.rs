//! Programs that are run at certain moments.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::bundle::Bundle;

/// A hook that appends its name and the state's word to a file, in the container's bundle.
fn script(bundle: &Bundle, name: &str, more: &str) -> Result<PathBuf> {
    let path = bundle.path().join(name);
    let log = bundle.path().join("log").display().to_string();
    let text = format!("#!/bin/busybox sh\ncat > {log}.{name}\necho {name} >> {log}\n{more}\n");
    fs::write(&path, text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

#[test]
fn they_run_in_their_order_with_the_containers_state() -> Result<()> {
    let mut bundle = Bundle::shell("cat /mark; rm /mark")?;
    let names = ["prestart", "createRuntime", "createContainer"];
    let mut hooks = json!({});
    for name in names {
        // What is inside has the container's name and processes, and the host's files.
        let path =
            script(&bundle, name, &format!("hostname >> {}/names", bundle.path().display()))?;
        hooks[name] = json!([{"path": path, "args": ["hook"], "env": ["PATH=/bin:/usr/bin"]}]);
    }
    let start = "test \"$MARK\" = yes && cat > /dev/null && echo started > /mark";
    hooks["startContainer"] =
        json!([{"path": "/bin/sh", "args": ["sh", "-c", start], "env": ["MARK=yes", "PATH=/bin"]}]);
    bundle.set("/hooks", hooks)?;
    bundle.set("/annotations", json!({"org.example": "kept"}))?;
    assert_eq!(bundle.output()?, "started\n");

    let log = fs::read_to_string(bundle.path().join("log"))?;
    assert_eq!(log.lines().collect::<Vec<_>>(), names);
    let own = fs::read_to_string("/proc/sys/kernel/hostname")?;
    let seen = fs::read_to_string(bundle.path().join("names"))?;
    assert_eq!(seen, format!("{own}{own}naru-test\n"));
    for (name, pid) in [("createRuntime", None), ("createContainer", Some(1))] {
        let state = fs::read(bundle.path().join(format!("log.{name}")))?;
        let state: Value = serde_json::from_slice(&state)?;
        assert_eq!((&state["status"], &state["ociVersion"]), (&json!("creating"), &json!("1.2.0")));
        assert_eq!(state["annotations"]["org.example"], "kept");
        assert_eq!(state["bundle"], json!(bundle.path()));
        let seen = state["pid"].as_i64().context("a pid")?;
        assert!(pid.map_or(seen > 1, |pid| seen == pid), "{state}");
    }
    Ok(())
}

#[test]
fn one_that_fails_leaves_nothing_of_the_container() -> Result<()> {
    for kind in ["prestart", "createRuntime", "createContainer"] {
        let mut bundle = Bundle::shell("echo never")?;
        let path = script(&bundle, "hook", "echo sorry >&2; exit 3")?;
        bundle.set("/hooks", json!({kind: [{"path": path, "env": ["PATH=/bin:/usr/bin"]}]}))?;
        let output = bundle.run()?;
        let message = String::from_utf8(output.stderr)?;
        let path = path.display();
        assert_eq!(message, format!("{kind} hook {path} failed: exit status: 3: sorry\n"));
        assert!(output.stdout.is_empty(), "{:?}", output.stdout);
        assert!(!bundle.cgroup()?.exists());
    }
    Ok(())
}

#[test]
fn one_that_takes_too_long_is_ended() -> Result<()> {
    let mut bundle = Bundle::shell("echo never")?;
    let hook = json!({"path": "/bin/busybox", "args": ["sleep", "1000"], "timeout": 1});
    bundle.set("/hooks", json!({"createRuntime": [hook]}))?;
    let message = String::from_utf8(bundle.run()?.stderr)?;
    let expected = "createRuntime hook /bin/busybox failed: it did not end within 1 s\n";
    assert_eq!(message, expected);
    Ok(())
}

#[test]
fn a_path_that_is_not_absolute_is_refused() -> Result<()> {
    let mut bundle = Bundle::shell("echo never")?;
    bundle.set("/hooks", json!({"poststop": [{"path": "bin/true"}]}))?;
    let output = bundle.run()?;
    assert_eq!(output.status.code(), Some(125));
    let message = String::from_utf8(output.stderr)?;
    assert!(message.contains("hook bin/true needs an absolute path"), "{message}");
    Ok(())
}
