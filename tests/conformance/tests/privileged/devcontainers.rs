//! The command of Dev Containers over the folders in `devcontainers/`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use naru_test_framework::{Engine, Running, clients};
use serde_json::Value;

use crate::compose;

/// A folder that is developed in a container, on an engine that has the busybox image.
struct Workspace {
    engine: Engine,
    folder: PathBuf,
}

impl Workspace {
    fn new(name: &str) -> anyhow::Result<Self> {
        let engine = Engine::with_busybox()?;
        compose::install(&engine)?;
        let folder = compose::copy_of(&format!("devcontainers/{name}"), &engine)?;
        Ok(Self { engine, folder })
    }

    /// What `devcontainer` says of the folder on standard output.
    fn devcontainer(&self, command: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let mut devcontainer = self.engine.client(clients::devcontainer()?);
        devcontainer.args([command, "--workspace-folder"]).arg(&self.folder).args(arguments);
        // It leaves files of its own in both.
        devcontainer.env("HOME", self.engine.scratch()).env("TMPDIR", self.engine.scratch());
        let output = Running::start(devcontainer)?.finish()?;
        Ok(output.success().context(command.to_owned())?.to_owned())
    }

    /// Brings it up; gives the container's id.
    fn up(&self) -> anyhow::Result<String> {
        let said = self.devcontainer("up", &[])?;
        let outcome: Value = serde_json::from_str(said.lines().next_back().unwrap_or_default())?;
        assert_eq!(outcome["outcome"], "success", "{outcome}");
        Ok(outcome["containerId"].as_str().context("a container")?.to_owned())
    }

    /// What a shell's script says in the container.
    fn shell(&self, script: &str) -> anyhow::Result<String> {
        self.devcontainer("exec", &["sh", "-c", script])
    }

    fn docker(&self, arguments: &[&str]) -> anyhow::Result<String> {
        Ok(self.engine.docker(arguments)?.success()?.to_owned())
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

#[test]
fn a_folder_is_developed_in_a_container_of_an_image() -> anyhow::Result<()> {
    let workspace = Workspace::new("image")?;
    fs::write(workspace.folder.join("file"), "of the host\n")?;
    let container = workspace.up()?;
    for (script, said) in [
        ("pwd; cat file", "/workspaces/image\nof the host"),
        ("echo $IN_CONTAINER, $IN_REMOTE, $COMBINED", "container, remote, container too"),
        ("cat /tmp/commands /tmp/remote", "created\nstarted\nremote"),
        ("grep -c '^tmpfs /scratch ' /proc/mounts; touch /cache/kept", "1"),
        ("grep printer.example /etc/hosts | awk '{ print $1 }'", "192.0.2.7"),
    ] {
        assert_eq!(workspace.shell(script)?, said, "{script}");
    }
    workspace.shell("echo of the container > made")?;
    assert_eq!(read(&workspace.folder.join("made"))?, "of the container\n");

    // Once more it is the same one, started again where it has ended.
    assert_eq!(workspace.up()?, container);
    workspace.docker(&["stop", "-t", "0", &container])?;
    assert_eq!(workspace.up()?, container);
    assert_eq!(workspace.shell("cat /tmp/commands")?, "created\nstarted\nstarted");
    let label = format!("label=devcontainer.local_folder={}", workspace.folder.display());
    let found = workspace.docker(&["ps", "-q", "--no-trunc", "--filter", &label])?;
    assert_eq!(found, container);
    workspace.docker(&["rm", "-f", &container])?;
    workspace.docker(&["volume", "rm", "naru-theirs"])?;
    Ok(())
}

#[test]
fn a_folder_is_developed_in_a_service_beside_others() -> anyhow::Result<()> {
    let workspace = Workspace::new("compose")?;
    workspace.up()?;
    let said = workspace.shell("pwd; cat /tmp/page; ls -d .devcontainer")?;
    assert_eq!(said, "/workspace\nstore-host\n.devcontainer");
    let mut names: Vec<String> = Vec::new();
    for name in workspace.docker(&["ps", "--format", "{{.Names}}"])?.lines() {
        names.push(name.to_owned());
    }
    names.sort();
    assert_eq!(names, ["compose_devcontainer-program-1", "compose_devcontainer-store-1"]);
    let down = ["compose", "-p", "compose_devcontainer", "down", "-t", "0"];
    workspace.docker(&down)?;
    assert_eq!(workspace.docker(&["ps", "-aq"])?, "");
    Ok(())
}
