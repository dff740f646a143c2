//! How the peers are started, each as its own documentation has it.

use std::env::{split_paths, var_os};
use std::fs;
use std::path::Path;

use anyhow::Result;
use tokio::process::Command;

use super::host;

/// dockerd with what comes with it: containerd and runc.
const DOCKERD: &str = "dockerd";
/// podman's service, with crun.
const PODMAN: &str = "podman";
/// All of them, in the order of the table.
pub(crate) const PEERS: [&str; 2] = [DOCKERD, PODMAN];

/// crun refuses cgroup v2 beside v1: podman does without where both are.
const PODMAN_SERVICE: &str = r#"! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified
exec podman system service --time 0 "$0""#;
const POLICY: &str = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;

type Start = Box<dyn FnOnce(&Path) -> Result<Command>>;

/// The peers on the `PATH`, and what starts each in its directory.
pub(super) fn installed(registry: &str) -> Vec<(&'static str, Start)> {
    let podman_registry = registry.to_owned();
    let all: [(&'static str, Start); 2] = [
        (DOCKERD, Box::new(dockerd)),
        (PODMAN, Box::new(move |directory| podman(directory, &podman_registry))),
    ];
    all.into_iter().filter(|(name, _)| is_installed(name)).collect()
}

/// Whether there is such a program.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = var_os("PATH").unwrap_or_default();
    split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Registries on the loopback it takes for insecure by itself.
fn dockerd(directory: &Path) -> Result<Command> {
    let config = directory.join("daemon.json");
    fs::write(&config, "{}")?;
    let mut command = Command::new(DOCKERD);
    command.arg("--config-file").arg(config).arg("--host").arg(host(directory));
    command.arg("--data-root").arg(directory.join("data"));
    command.arg("--exec-root").arg(directory.join("exec"));
    command.arg("--pidfile").arg(directory.join("pid"));
    Ok(command)
}

fn podman(directory: &Path, registry: &str) -> Result<Command> {
    let containers = directory.join("containers.conf");
    let networks = directory.join("networks").display().to_string();
    fs::write(
        &containers,
        format!(
            "[engine]\nruntime = \"crun\"\ncgroup_manager = \"cgroupfs\"\n\
             events_logger = \"file\"\n[network]\nnetwork_config_dir = {networks:?}\n",
        ),
    )?;
    let storage = directory.join("storage.conf");
    let [data, exec] = ["data", "exec"].map(|name| directory.join(name).display().to_string());
    fs::write(
        &storage,
        format!("[storage]\ndriver = \"overlay\"\ngraphroot = {data:?}\nrunroot = {exec:?}\n"),
    )?;
    let registries = directory.join("registries.conf");
    fs::write(&registries, format!("[[registry]]\nlocation = \"{registry}\"\ninsecure = true\n"))?;
    fs::create_dir_all(directory.join(".config/containers"))?;
    fs::write(directory.join(".config/containers/policy.json"), POLICY)?;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--", "sh", "-ec", PODMAN_SERVICE]).arg(host(directory));
    command
        .env("HOME", directory)
        .env("CONTAINERS_CONF", containers)
        .env("CONTAINERS_STORAGE_CONF", storage)
        .env("CONTAINERS_REGISTRIES_CONF", registries)
        .env("PODMAN_IGNORE_CGROUPSV1_WARNING", "1");
    Ok(command)
}
