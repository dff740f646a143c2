//! docker's own Python library, and Testcontainers with its reaper, over the scripts in `python/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use naru_test_framework::{Engine, Output, Running, clients};
use serde_json::json;

/// Testcontainers asks for this image by name and version.
const REAPER: &str = "docker.io/testcontainers/ryuk:0.8.1";

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}

/// A script's case against an engine.
fn run(engine: &Engine, script: &str, case: &str) -> anyhow::Result<Output> {
    let mut python = outside_of_containers(engine, &clients::python()?);
    python.arg("-B").arg(scripts().join(script)).arg(case);
    // How long the reaper waits for its clients to come back.
    python.env("RYUK_RECONNECTION_TIMEOUT", "3s");
    Running::start(python)?.finish()
}

/// A program as it is run on a person's machine. Testcontainers takes the file `/.dockerenv` for a
/// sign that it is itself in one of the engine's containers; a machine that tests may be one of
/// another engine's. There the program sees all directories, but not this file.
pub(crate) fn outside_of_containers(engine: &Engine, program: &Path) -> Command {
    const HIDE: &str = r#"
        mount -t tmpfs root /mnt
        for path in /*; do
            if [ -L "$path" ]; then cp -P "$path" /mnt
            elif [ "$path" != /mnt ] && [ -d "$path" ]; then
                mkdir "/mnt$path"; mount --rbind "$path" "/mnt$path"
            fi
        done
        exec chroot /mnt "$@""#;
    if !Path::new("/.dockerenv").exists() {
        return engine.client(program);
    }
    let mut hidden = engine.client("unshare");
    hidden.args(["--mount", "sh", "-euc", HIDE, "sh"]).arg(program);
    hidden
}

fn library(case: &str) -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    run(&engine, "library.py", case)?.success()?;
    Ok(())
}

#[test]
fn the_library_runs_and_looks_after_containers() -> anyhow::Result<()> {
    library("containers")
}

#[test]
fn the_library_executes_commands() -> anyhow::Result<()> {
    library("execs")
}

#[test]
fn the_library_copies_files() -> anyhow::Result<()> {
    library("files")
}

#[test]
fn the_library_names_images() -> anyhow::Result<()> {
    library("images")
}

#[test]
fn the_library_builds_images() -> anyhow::Result<()> {
    library("builds")
}

#[test]
fn the_library_connects_networks() -> anyhow::Result<()> {
    library("networks")
}

#[test]
fn the_library_keeps_volumes() -> anyhow::Result<()> {
    library("volumes")
}

#[test]
fn the_library_hears_events() -> anyhow::Result<()> {
    library("events")
}

/// An engine with the reaper's image.
fn with_reaper() -> anyhow::Result<Engine> {
    let engine = Engine::with_busybox()?;
    let program = fs::read(scripts().join("ryuk.py"))?;
    let settings = json!({ "Entrypoint": ["python3", "-I", "-S", "-B", "/ryuk.py"] });
    engine.load(&clients::image("python", &[("ryuk.py", &program)], &settings)?, REAPER)?;
    Ok(engine)
}

#[test]
fn testcontainers_starts_containers_and_takes_them_away() -> anyhow::Result<()> {
    let engine = with_reaper()?;
    for case in ["starts", "finds"] {
        run(&engine, "containers.py", case)?.success().context(case)?;
        assert_eq!(engine.docker(&["ps", "-aq"])?.success()?, "");
    }
    Ok(())
}

#[test]
fn testcontainers_reaper_removes_what_a_killed_test_has_left() -> anyhow::Result<()> {
    let engine = with_reaper()?;
    // The script has looked what is there.
    run(&engine, "containers.py", "dies")?.failure(137)?;
    let label = "label=org.testcontainers.session-id";
    let list = |what: &[&str]| -> anyhow::Result<String> {
        let list = [what, &["--filter", label]].concat();
        Ok(engine.docker(&list)?.success()?.to_owned())
    };
    // It removes itself. One whose client came too early was stopped, with another code.
    let format = "{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.exitCode}}";
    let events = ["events", "--since", engine.since(), "--format", format];
    let filters = ["--filter", "event=die", "--filter", "event=destroy"];
    let mut events = engine.spawn(&[&events[..], &filters].concat())?;
    let mut is_told = |action: &str, end: &str| -> anyhow::Result<()> {
        let start = format!("{action} testcontainers-ryuk-");
        loop {
            let event = events.line().with_context(|| format!("the reaper's {action}"))?;
            if event.starts_with(&start) && event.ends_with(end) {
                return Ok(());
            }
        }
    };
    is_told("die", " 0")?;
    is_told("destroy", "")?;
    assert_eq!(list(&["ps", "-aq"])?, "");
    assert_eq!(list(&["network", "ls", "-q"])?, "");
    Ok(())
}
