//! The part of a container's settings that is the host's, with other ones in their place.

use bollard::models::{HostConfig, PortBinding};
use naru_ipc::{ContainerRun, RunMount};

use super::made::published;
use crate::commands::container::{mount, restart};

/// Changes what was changed, and nothing else.
pub(super) fn change(host: &mut HostConfig, before: &ContainerRun, wanted: &ContainerRun) {
    change_ports(host, wanted);
    change_mounts(host, before, wanted);
    if wanted.memory != before.memory {
        host.memory = i64::try_from(wanted.memory).ok();
        // It counts memory too, and may be less than the new limit.
        host.memory_swap = None;
    }
    if wanted.nano_cpus != before.nano_cpus {
        host.nano_cpus = i64::try_from(wanted.nano_cpus).ok();
        // The same said otherwise; both at once are refused.
        (host.cpu_period, host.cpu_quota) = (None, None);
    }
    if wanted.restart != before.restart {
        host.restart_policy = Some(restart(wanted.restart));
    }
    if wanted.network != before.network {
        host.network_mode = Some(wanted.network.clone()).filter(|network| !network.is_empty());
    }
    host.auto_remove = Some(wanted.auto_remove);
}

fn change_ports(host: &mut HostConfig, wanted: &ContainerRun) {
    let mut bindings = host.port_bindings.take().unwrap_or_default();
    for (key, of_port) in &mut bindings {
        if let Some(of_port) = of_port {
            of_port.retain(|binding| published(key, binding).is_none());
        }
    }
    bindings.retain(|_, of_port| of_port.as_ref().is_some_and(|of_port| !of_port.is_empty()));
    for port in &wanted.ports {
        let binding = PortBinding {
            host_ip: Some(port.host_ip.clone()),
            host_port: Some(port.host_port.to_string()),
        };
        let of_port = bindings.entry(format!("{}/tcp", port.container_port)).or_default();
        of_port.get_or_insert_default().push(binding);
    }
    host.port_bindings = Some(bindings);
}

/// What stays stays as it was asked for, with options that the form does not have. A volume that
/// had no name is asked for by the one that it was given: the new container gets the same.
fn change_mounts(host: &mut HostConfig, before: &ContainerRun, wanted: &ContainerRun) {
    let stays = |target: &str| {
        let here = |mount: &&RunMount| mount.target == target;
        before.mounts.iter().find(here).is_some_and(|mount| wanted.mounts.contains(mount))
    };
    let is_shown = |target: &str| before.mounts.iter().any(|mount| mount.target == target);
    let mut said = Vec::new();
    let mut binds = host.binds.take().unwrap_or_default();
    binds.retain(|bind| match bind.split(':').nth(1) {
        Some(target) if stays(target) => {
            said.push(target.to_owned());
            true
        }
        _ => false,
    });
    let mut mounts = host.mounts.take().unwrap_or_default();
    mounts.retain(|mount| {
        let target = mount.target.as_deref().unwrap_or_default();
        let is_named = mount.source.as_ref().is_some_and(|source| !source.is_empty());
        if is_named && stays(target) {
            said.push(target.to_owned());
            return true;
        }
        !is_shown(target)
    });
    let asked = wanted.mounts.iter().filter(|mount| !said.contains(&mount.target));
    mounts.extend(asked.cloned().map(mount));
    (host.binds, host.mounts) = (Some(binds), Some(mounts));
    // Theirs are among the mounts.
    host.volumes_from = None;
}
