//! docker compose over the projects in `compose/`, each of which says what it is there to show.

mod addresses;
mod changes;
mod commands;
mod context;
mod environment;
mod files;
mod logs;
mod names;
mod networks;
mod order;
mod ports;
mod restart;
mod services;
mod stopping;
mod volumes;
mod watching;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use naru_test_framework::{DockerHost, Engine, Output, Running, clients};

/// Makes compose a plugin of the engine's `docker`.
pub(crate) fn install(engine: &DockerHost) -> anyhow::Result<()> {
    let plugins = engine.scratch().join("docker/cli-plugins");
    fs::create_dir(&plugins)?;
    Ok(symlink(clients::compose()?, plugins.join("docker-compose"))?)
}

/// A copy of a folder beside these tests, which the case may write to.
pub(crate) fn copy_of(folder: &str, engine: &DockerHost) -> anyhow::Result<PathBuf> {
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let name = original.file_name().context("a folder has a name")?;
    let copy = engine.scratch().join(name);
    let done = Command::new("cp").arg("-r").arg(&original).arg(&copy).status()?;
    ensure!(done.success(), "cannot copy {}", original.display());
    Ok(copy)
}

/// A line of a log without the sequence that clears the terminal's line before it, which compose
/// writes wherever it goes.
fn plain(line: &str) -> &str {
    line.trim_start_matches("\u{1b}[2K")
}

/// A copy of a project, on an engine that has the busybox image.
pub(crate) struct Project {
    engine: Engine,
    directory: PathBuf,
}

impl Project {
    /// The project of this name; nothing of it is up.
    pub(crate) fn new(name: &str) -> anyhow::Result<Self> {
        let engine = Engine::with_busybox()?;
        install(&engine)?;
        let directory = copy_of(&format!("compose/{name}"), &engine)?;
        Ok(Self { engine, directory })
    }

    /// The project's files.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The engine.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// `docker compose` with `arguments` in the project's directory, not yet started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.engine.command(&["compose"]);
        command.args(arguments).current_dir(&self.directory);
        command
    }

    /// Starts `docker compose` with pipes.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> anyhow::Result<Running> {
        Running::start(self.command(arguments))
    }

    /// Runs `docker compose` to its end, without input.
    pub(crate) fn compose(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        self.spawn(arguments)?.finish()
    }

    /// The same, which succeeds; gives what it said on standard output.
    pub(crate) fn said(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.compose(arguments)?;
        let said = output.success().with_context(|| arguments.join(" "));
        Ok(said?.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// What a service has written to its log.
    pub(crate) fn log(&self, service: &str) -> anyhow::Result<String> {
        let logs = self.said(&["logs", "--no-log-prefix", service])?;
        Ok(logs.lines().map(plain).collect::<Vec<_>>().join("\n"))
    }

    /// What a shell's script says in a service's container.
    pub(crate) fn shell(&self, service: &str, script: &str) -> anyhow::Result<String> {
        self.said(&["exec", "-T", service, "sh", "-c", script])
    }

    /// What a shell's script that fails says in a service's container.
    pub(crate) fn shell_failure(&self, service: &str, script: &str) -> anyhow::Result<String> {
        let output = self.compose(&["exec", "-T", service, "sh", "-c", script])?;
        ensure!(output.code != 0, "{script:?} succeeds in {service}: {output:?}");
        Ok(output.stderr)
    }

    /// What `docker` says, which succeeds.
    pub(crate) fn docker(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.engine.docker(arguments)?;
        Ok(output.success().with_context(|| arguments.join(" "))?.to_owned())
    }

    /// What `docker inspect` shows of something.
    pub(crate) fn inspect(&self, name: &str, format: &str) -> anyhow::Result<String> {
        self.docker(&["inspect", "-f", format, name])
    }

    /// The names of what `docker TYPE ls` lists of the project, in order.
    pub(crate) fn names(&self, list: &[&str], format: &str) -> anyhow::Result<Vec<String>> {
        let name = self.directory.file_name().unwrap_or_default().display();
        let label = format!("label=com.docker.compose.project={name}");
        let listed = self.docker(&[list, &["--filter", &label, "--format", format]].concat())?;
        let mut names: Vec<String> = listed.lines().map(str::to_owned).collect();
        names.sort();
        Ok(names)
    }

    /// Holds if neither containers, networks nor volumes are left of it.
    pub(crate) fn is_gone(&self) -> anyhow::Result<()> {
        for (list, format) in [
            (["ps", "-a"], "{{.Names}}"),
            (["network", "ls"], "{{.Name}}"),
            (["volume", "ls"], "{{.Name}}"),
        ] {
            let left = self.names(&list, format)?;
            ensure!(left.is_empty(), "docker {}: {left:?}", list.join(" "));
        }
        Ok(())
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        // The engine may not be the project's own. What the case made beside the project is
        // the case's; the next one finds what is left, and says so.
        let down = ["--profile", "*", "down", "-v", "--remove-orphans", "-t", "0"];
        drop(self.compose(&down));
        drop(self.docker(&["network", "prune", "-f"]));
        drop(self.docker(&["volume", "rm", "-f", "naru-theirs"]));
    }
}
