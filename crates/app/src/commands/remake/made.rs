//! What a container was made with, and the same with other settings. Sends nothing.

use std::collections::HashMap;

use bollard::models::{
    ContainerConfig, ContainerCreateBody, ContainerInspectResponse, ContainerStateStatusEnum,
    EndpointSettings, HostConfig, ImageConfig, MountPoint, NetworkingConfig, PortBinding,
    RestartPolicyNameEnum,
};
use naru_ipc::{ContainerRun, PublishedPort, Restart, RunMount, RunMountKind};

use super::host::change;

/// The network that is meant when none is named.
const USUAL: &str = "bridge";

/// A container, and what of it was its image's.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) container: ContainerInspectResponse,
    /// What its image says; nothing when that is gone.
    pub(super) image: ImageConfig,
    /// Whether the name of its image is another image's by now.
    pub(super) image_moved: bool,
}

impl Made {
    pub(super) fn id(&self) -> &str {
        self.container.id.as_deref().unwrap_or_default()
    }

    pub(super) fn name(&self) -> &str {
        self.container.name.as_deref().unwrap_or_default().trim_start_matches('/')
    }

    pub(super) fn is_live(&self) -> bool {
        let status = self.container.state.as_ref().and_then(|state| state.status);
        matches!(
            status,
            Some(
                ContainerStateStatusEnum::RUNNING
                    | ContainerStateStatusEnum::PAUSED
                    | ContainerStateStatusEnum::RESTARTING
            )
        )
    }

    /// Whether it could not be kept until another one runs.
    pub(super) fn goes_when_it_ends(&self) -> bool {
        self.host().is_some_and(|host| host.auto_remove == Some(true))
    }

    fn host(&self) -> Option<&HostConfig> {
        self.container.host_config.as_ref()
    }

    /// What it was made with, as the run form has it.
    pub(super) fn settings(&self) -> ContainerRun {
        let config = self.container.config.clone().unwrap_or_default();
        let host = self.host().cloned().unwrap_or_default();
        ContainerRun {
            image: config.image.clone().unwrap_or_default(),
            name: self.name().to_owned(),
            command: self.own_command(&config).unwrap_or_default(),
            env: without(config.env, self.image.env.as_deref()).unwrap_or_default(),
            ports: ports(&host),
            interactive: config.tty == Some(true) && config.open_stdin == Some(true),
            mounts: self.container.mounts.iter().flatten().filter_map(run_mount).collect(),
            memory: host.memory.and_then(|limit| u64::try_from(limit).ok()).unwrap_or_default(),
            nano_cpus: host.nano_cpus.and_then(|limit| limit.try_into().ok()).unwrap_or_default(),
            restart: restarts(&host),
            network: network(&host),
            auto_remove: host.auto_remove.unwrap_or_default(),
        }
    }

    /// None where it is the image's own.
    fn own_command(&self, config: &ContainerConfig) -> Option<Vec<String>> {
        let same = config.cmd == self.image.cmd && config.entrypoint == self.image.entrypoint;
        if same { None } else { config.cmd.clone() }
    }

    /// The same with `wanted` in the place of its settings.
    pub(super) fn with(self, wanted: ContainerRun) -> ContainerCreateBody {
        let before = self.settings();
        let id = self.id().to_owned();
        let command = self.own_command(&self.container.config.clone().unwrap_or_default());
        let Self { container, image, .. } = self;
        let config = container.config.unwrap_or_default();
        let mut host = container.host_config.unwrap_or_default();
        let networks = container.network_settings.and_then(|settings| settings.networks);
        let networking_config = networking(networks.unwrap_or_default(), &id, &before, &wanted);
        let exposed = exposed(
            without(config.exposed_ports, image.exposed_ports.as_deref()),
            &before,
            &wanted,
        );
        let kept =
            |is: bool, value: Option<bool>| if is { value } else { Some(wanted.interactive) };
        let same_input = before.interactive == wanted.interactive;
        let command =
            if wanted.command == before.command { command } else { Some(wanted.command.clone()) };
        change(&mut host, &before, &wanted);
        ContainerCreateBody {
            // By itself it is the beginning of the id, which is another one now.
            hostname: config.hostname.filter(|name| !name.is_empty() && !id.starts_with(name)),
            domainname: config.domainname.filter(|name| !name.is_empty()),
            user: unless(config.user, image.user.as_ref()),
            exposed_ports: Some(exposed),
            tty: kept(same_input, config.tty),
            open_stdin: kept(same_input, config.open_stdin),
            stdin_once: if same_input { config.stdin_once } else { None },
            env: Some(wanted.env),
            cmd: command.filter(|command| !command.is_empty()),
            healthcheck: unless(config.healthcheck, image.healthcheck.as_ref()),
            image: Some(wanted.image),
            working_dir: unless(config.working_dir, image.working_dir.as_ref()),
            entrypoint: unless(config.entrypoint, image.entrypoint.as_ref()),
            labels: config.labels.map(|labels| {
                let images = image.labels.unwrap_or_default();
                labels.into_iter().filter(|(name, value)| images.get(name) != Some(value)).collect()
            }),
            stop_signal: unless(config.stop_signal, image.stop_signal.as_ref()),
            stop_timeout: config.stop_timeout,
            host_config: Some(host),
            networking_config,
            ..ContainerCreateBody::default()
        }
    }
}

/// Nothing where it is what the image says: another image may say otherwise.
fn unless<T: PartialEq>(value: Option<T>, images: Option<&T>) -> Option<T> {
    value.filter(|value| images != Some(value))
}

fn without(values: Option<Vec<String>>, images: Option<&[String]>) -> Option<Vec<String>> {
    let images = images.unwrap_or_default();
    values.map(|values| values.into_iter().filter(|value| !images.contains(value)).collect())
}

/// Those of TCP with one number, in order: others have no place in the form.
fn ports(host: &HostConfig) -> Vec<PublishedPort> {
    let bindings = host.port_bindings.iter().flatten();
    let all = bindings.flat_map(|(key, bindings)| {
        bindings.iter().flatten().filter_map(move |binding| published(key, binding))
    });
    let mut ports: Vec<_> = all.collect();
    ports.sort_unstable_by(|one, other| {
        let key = |port: &PublishedPort| (port.container_port, port.host_port);
        key(one).cmp(&key(other)).then_with(|| one.host_ip.cmp(&other.host_ip))
    });
    ports
}

pub(super) fn published(key: &str, binding: &PortBinding) -> Option<PublishedPort> {
    let (number, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
    let host_port = binding.host_port.as_deref().filter(|port| !port.is_empty()).unwrap_or("0");
    if protocol != "tcp" {
        return None;
    }
    Some(PublishedPort {
        host_ip: binding.host_ip.clone().unwrap_or_default(),
        host_port: host_port.parse().ok()?,
        container_port: number.parse().ok()?,
    })
}

fn run_mount(mount: &MountPoint) -> Option<RunMount> {
    let (kind, source) = match mount.typ.as_deref() {
        Some("volume") => (RunMountKind::Volume, mount.name.clone()),
        Some("bind") => (RunMountKind::Bind, mount.source.clone()),
        _ => return None,
    };
    Some(RunMount {
        kind,
        source: source?,
        target: mount.destination.clone()?,
        read_only: mount.rw == Some(false),
    })
}

fn restarts(host: &HostConfig) -> Restart {
    match host.restart_policy.as_ref().and_then(|policy| policy.name) {
        Some(RestartPolicyNameEnum::ON_FAILURE) => Restart::OnFailure,
        Some(RestartPolicyNameEnum::UNLESS_STOPPED) => Restart::UnlessStopped,
        Some(RestartPolicyNameEnum::ALWAYS) => Restart::Always,
        Some(RestartPolicyNameEnum::NO | RestartPolicyNameEnum::EMPTY) | None => Restart::No,
    }
}

/// Empty for the usual one.
fn network(host: &HostConfig) -> String {
    let mode = host.network_mode.clone().unwrap_or_default();
    if mode == "default" || mode == USUAL { String::new() } else { mode }
}

fn exposed(own: Option<Vec<String>>, before: &ContainerRun, wanted: &ContainerRun) -> Vec<String> {
    let key = |port: &PublishedPort| format!("{}/tcp", port.container_port);
    let were: Vec<_> = before.ports.iter().map(key).collect();
    let mut keys: Vec<_> =
        own.unwrap_or_default().into_iter().filter(|port| !were.contains(port)).collect();
    keys.extend(wanted.ports.iter().map(key));
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The networks it is in besides the first one, and how it is called in each.
fn networking(
    networks: HashMap<String, EndpointSettings>,
    id: &str,
    before: &ContainerRun,
    wanted: &ContainerRun,
) -> Option<NetworkingConfig> {
    let is_alone = |mode: &str| matches!(mode, "host" | "none") || mode.starts_with("container:");
    if is_alone(&before.network) || is_alone(&wanted.network) {
        return None;
    }
    let first = if before.network.is_empty() { USUAL } else { &before.network };
    let stays = before.network == wanted.network;
    let endpoints = networks.into_iter().filter(|(name, _)| stays || name != first);
    let endpoints = endpoints.map(|(name, endpoint)| {
        // Docker adds the beginning of the id to what was asked for.
        let aliases = endpoint.aliases.map(|aliases| {
            aliases.into_iter().filter(|alias| !id.starts_with(alias)).collect::<Vec<_>>()
        });
        let endpoint = EndpointSettings {
            aliases: aliases.filter(|aliases| !aliases.is_empty()),
            ipam_config: endpoint.ipam_config,
            links: endpoint.links,
            driver_opts: endpoint.driver_opts,
            gw_priority: endpoint.gw_priority,
            ..EndpointSettings::default()
        };
        (name, endpoint)
    });
    Some(NetworkingConfig { endpoints_config: Some(endpoints.collect()) })
}

#[cfg(test)]
mod tests;
