//! The command as a person types it, without a machine.
#![expect(clippy::panic_in_result_fn, reason = "a test asserts")]

use std::path::Path;
use std::process::{Command, Output};

use anyhow::Result;
use naru_ipc::{MachineState, MachineStatus, Settings};
use tempfile::TempDir;

fn naru(home: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_naru"));
    command.args(arguments).env("NARU_HOME", home).env("NARU_VM_IMAGES", home.join("images"));
    Ok(command.env_remove("RUST_LOG").output()?)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn status_of_a_machine_that_is_off_is_3() -> Result<()> {
    let home = TempDir::new()?;
    let output = naru(home.path(), &["status"])?;
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(text(&output.stdout), "The machine is off.\n");
    Ok(())
}

#[test]
fn status_as_json_is_the_windows_own_type() -> Result<()> {
    let home = TempDir::new()?;
    let output = naru(home.path(), &["status", "--json"])?;
    let status: MachineStatus = serde_json::from_slice(&output.stdout)?;
    assert_eq!(status.state, MachineState::Stopped);
    Ok(())
}

#[test]
fn a_start_that_cannot_work_ends_with_one_sentence_and_leaves_no_process() -> Result<()> {
    let home = TempDir::new()?;
    let output = naru(home.path(), &["start"])?;
    assert_ne!(output.status.code(), Some(0));
    let said = text(&output.stderr);
    assert_eq!(said.lines().filter(|line| line.starts_with("naru: ")).count(), 1, "{said}");
    // The background process holds the lock until it ends.
    std::fs::File::open(home.path().join("run/owner.lock"))?.lock()?;
    assert!(!home.path().join("run/control.sock").exists());
    Ok(())
}

#[test]
fn a_reset_has_to_be_meant() -> Result<()> {
    let home = TempDir::new()?;
    let disk = home.path().join("data/data.img");
    std::fs::create_dir_all(home.path().join("data"))?;
    std::fs::write(&disk, "all that there was")?;
    let output = naru(home.path(), &["reset"])?;
    assert_eq!(output.status.code(), Some(2));
    for lost in ["images", "containers", "volumes", "--yes"] {
        assert!(text(&output.stderr).contains(lost), "{lost} is not in {output:?}");
    }
    assert!(disk.exists());
    let output = naru(home.path(), &["reset", "--yes"])?;
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    assert!(!disk.exists());
    Ok(())
}

#[test]
fn what_runs_is_asked_after_and_stopped_without_the_images() -> Result<()> {
    let home = TempDir::new()?;
    for (word, code) in [("status", 3), ("stop", 0)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_naru"));
        command.arg(word).env("NARU_HOME", home.path()).env_remove("NARU_VM_IMAGES");
        let output = command.output()?;
        assert_eq!(output.status.code(), Some(code), "{word}: {}", text(&output.stderr));
    }
    Ok(())
}

#[test]
fn stopping_what_is_off_is_no_error() -> Result<()> {
    let home = TempDir::new()?;
    assert!(naru(home.path(), &["stop"])?.status.success());
    Ok(())
}

#[test]
fn the_demo_needs_the_machine_and_says_how_to_start_it() -> Result<()> {
    let home = TempDir::new()?;
    let output = naru(home.path(), &["run-demo"])?;
    assert_eq!(output.status.code(), Some(5));
    assert!(text(&output.stderr).contains("naru start"), "{}", text(&output.stderr));
    Ok(())
}

#[test]
fn settings_are_read_and_changed_by_their_names() -> Result<()> {
    let home = TempDir::new()?;
    let config = |arguments: &[&str]| naru(home.path(), &[&["config"], arguments].concat());
    assert_eq!(text(&config(&["get", "theme"])?.stdout), "system\n");
    let output = config(&["set", "cpus", "3"])?;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "3\n");
    assert!(config(&["set", "registries.no_proxy", "localhost,.example.com"])?.status.success());
    let all: Settings = serde_json::from_slice(&config(&["get"])?.stdout)?;
    assert_eq!((all.cpus, all.registries.no_proxy.as_str()), (3, "localhost,.example.com"));
    Ok(())
}

#[test]
fn a_registrys_certificate_and_key_are_set_together_from_files_and_forgotten() -> Result<()> {
    let home = TempDir::new()?;
    let config = |arguments: &[&str]| naru(home.path(), &[&["config"], arguments].concat());
    for name in ["cert", "key"] {
        std::fs::write(home.path().join(name), format!("-----BEGIN {name}"))?;
    }
    let file = |name: &str| format!("@{}", home.path().join(name).display());
    let (cert, key) = (file("cert"), file("key"));
    let certificate = "registries.hosts.ghcr.io.client_certificate";
    let alone = config(&["set", certificate, &cert])?;
    assert_eq!(alone.status.code(), Some(2), "{}", text(&alone.stderr));
    let both = ["set", certificate, &cert, "--and", "registries.hosts.ghcr.io.client_key", &key];
    let output = config(&both)?;
    assert_eq!(text(&output.stdout), "-----BEGIN cert\n", "{}", text(&output.stderr));
    let all: Settings = serde_json::from_slice(&config(&["get"])?.stdout)?;
    assert_eq!(all.registries.hosts["ghcr.io"].client_key, "-----BEGIN key");
    assert!(config(&["unset", "registries.hosts.ghcr.io"])?.status.success());
    assert_eq!(text(&config(&["get", "registries.hosts"])?.stdout).trim(), "{}");
    assert_eq!(config(&["set", certificate, "@/nosuch"])?.status.code(), Some(3));
    Ok(())
}

#[test]
fn a_setting_that_is_none_or_cannot_work_is_refused_by_its_name() -> Result<()> {
    let home = TempDir::new()?;
    for (name, value, code) in [("cpu", "3", 3), ("cpus", "-1", 2), ("theme", "pink", 2)] {
        let output = naru(home.path(), &["config", "set", name, value])?;
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(name), "{said}");
    }
    let output = naru(home.path(), &["config", "get", "cpu"])?;
    assert_eq!(output.status.code(), Some(3));
    Ok(())
}

#[test]
fn diagnostics_are_written_of_a_machine_that_is_off() -> Result<()> {
    let home = TempDir::new()?;
    let file = home.path().join("seen.tar");
    let output = naru(home.path(), &["diagnostics", &file.display().to_string()])?;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).trim_end(), file.display().to_string());
    assert!(std::fs::metadata(&file)?.len() > 1024);
    Ok(())
}

#[test]
fn the_settings_have_a_schema() -> Result<()> {
    let home = TempDir::new()?;
    let output = naru(home.path(), &["config", "schema"])?;
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(schema["properties"]["cpus"]["minimum"], 1);
    Ok(())
}

#[test]
fn a_log_that_is_not_there_yet_is_not_found() -> Result<()> {
    let home = TempDir::new()?;
    assert_eq!(naru(home.path(), &["logs"])?.status.code(), Some(3));
    Ok(())
}
