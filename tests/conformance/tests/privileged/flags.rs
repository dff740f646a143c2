//! `run`: one case a flag, its effect seen inside of the container or in `inspect`.
//!
//! What says nothing of its effect is `inspect`'s part; what has a whole story is told in a file
//! of its own beside this directory.

mod limits;
mod mounts;
mod network;
mod process;
mod rights;
mod running;

use naru_test_framework::Engine;

/// What `command` says in a container with these options.
fn said(options: &[&str], command: &[&str]) -> anyhow::Result<String> {
    let engine = Engine::with_busybox()?;
    let run = [&["run", "--rm"], options, &["busybox"], command].concat();
    Ok(engine.docker(&run)?.success()?.to_owned())
}

/// The same of a shell's script.
fn shell(options: &[&str], script: &str) -> anyhow::Result<String> {
    said(options, &["sh", "-c", script])
}

/// What `inspect` shows of a container that was created with these options.
fn shown(options: &[&str], format: &str) -> anyhow::Result<String> {
    let engine = Engine::with_busybox()?;
    let create = [&["create", "--name", "shown"], options, &["busybox"]].concat();
    engine.docker(&create)?.success()?;
    Ok(engine.docker(&["inspect", "-f", format, "shown"])?.success()?.to_owned())
}

/// What is said when a container with these options is refused.
fn refused(options: &[&str], code: i32) -> anyhow::Result<String> {
    let engine = Engine::with_busybox()?;
    let run = [&["run", "--rm"], options, &["busybox", "true"]].concat();
    let output = engine.docker(&run)?;
    assert_eq!(engine.docker(&["ps", "-aq"])?.success()?, "", "nothing is left of it");
    Ok(output.failure(code)?.to_owned())
}
