//! What one container is: `container.details`, `container.inspect`, `container.processes`.

use bollard::models::{
    ContainerInspectResponse, ContainerState, EndpointSettings, HostConfig, MountPoint,
    PortBinding, RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::{InspectContainerOptions, TopOptions};
use naru_ipc::{
    ContainerDetails, ContainerEndpoint, ContainerHealth, ContainerMount, ContainerPort,
    ContainerProcesses, ContainerRef, Inspection, IpcError,
};

use super::{check_container, inspection};
use crate::{App, AppError};

/// The engine's word for a time that has not come.
const NEVER: &str = "0001-01-01T00:00:00Z";

impl App {
    /// `container.details`.
    pub async fn container_details(
        &self,
        request: ContainerRef,
    ) -> Result<ContainerDetails, IpcError> {
        Ok(details(self.inspected(&request.id).await?))
    }

    /// `container.inspect`.
    pub async fn container_inspect(&self, request: ContainerRef) -> Result<Inspection, IpcError> {
        Ok(inspection(&self.inspected(&request.id).await?)?)
    }

    pub(super) async fn inspected(&self, id: &str) -> Result<ContainerInspectResponse, AppError> {
        check_container(id)?;
        let docker = self.inner.docker()?;
        Ok(docker.inspect_container(id, None::<InspectContainerOptions>).await?)
    }

    /// `container.processes`.
    pub async fn container_processes(
        &self,
        request: ContainerRef,
    ) -> Result<ContainerProcesses, IpcError> {
        check_container(&request.id)?;
        let docker = self.inner.docker()?;
        let top = docker.top_processes(&request.id, None::<TopOptions>).await;
        let top = top.map_err(AppError::from)?;
        let titles = top.titles.unwrap_or_default();
        let mut rows = top.processes.unwrap_or_default();
        // A row is as long as the titles, whatever the engine says.
        for row in &mut rows {
            row.resize(titles.len(), String::new());
        }
        Ok(ContainerProcesses { titles, rows })
    }
}

fn details(container: ContainerInspectResponse) -> ContainerDetails {
    let state = container.state.unwrap_or_default();
    let config = container.config.unwrap_or_default();
    let host = container.host_config.unwrap_or_default();
    let networks = container.network_settings.unwrap_or_default();
    let program = container.path.into_iter().filter(|path| !path.is_empty());
    let mut ports = ports(networks.ports.unwrap_or_default());
    ports.sort_unstable();
    let endpoints = networks.networks.unwrap_or_default().into_iter();
    let mut endpoints: Vec<_> = endpoints.map(|(name, at)| endpoint(name, at)).collect();
    endpoints.sort_unstable_by(|one, other| one.network.cmp(&other.network));
    ContainerDetails {
        id: container.id.unwrap_or_default(),
        name: container.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        image: config.image.unwrap_or_default(),
        image_id: container.image.unwrap_or_default(),
        state: state.status.map(|status| status.to_string()).unwrap_or_default(),
        exit_code: state.exit_code.unwrap_or_default(),
        error: state.error.clone().unwrap_or_default(),
        out_of_memory: state.oom_killed.unwrap_or_default(),
        started_at: time(state.started_at.as_ref()),
        finished_at: time(state.finished_at.as_ref()),
        restarts: container.restart_count.unwrap_or_default(),
        health: health(&state),
        command: program.chain(container.args.unwrap_or_default()).collect(),
        working_dir: config.working_dir.unwrap_or_default(),
        user: config.user.unwrap_or_default(),
        hostname: config.hostname.unwrap_or_default(),
        env: config.env.unwrap_or_default(),
        ports,
        mounts: mounts(container.mounts.unwrap_or_default(), &host),
        networks: endpoints,
        restart_policy: restart_policy(host.restart_policy),
        memory_bytes: host.memory.unwrap_or_default(),
        nano_cpus: host.nano_cpus.unwrap_or_default(),
        pids: host.pids_limit.unwrap_or_default().max(0),
        privileged: host.privileged.unwrap_or_default(),
        read_only: host.readonly_rootfs.unwrap_or_default(),
        tty: config.tty.unwrap_or_default(),
        auto_remove: host.auto_remove.unwrap_or_default(),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
    }
}

/// Empty when it has not come.
fn time(said: Option<&String>) -> String {
    said.filter(|time| *time != NEVER).cloned().unwrap_or_default()
}

fn health(state: &ContainerState) -> Option<ContainerHealth> {
    let health = state.health.as_ref()?;
    let status = health.status.map(|status| status.to_string()).unwrap_or_default();
    if status.is_empty() || status == "none" {
        return None;
    }
    let last = health.log.iter().flatten().next_back();
    Some(ContainerHealth {
        status,
        failing: health.failing_streak.unwrap_or_default(),
        output: last.and_then(|check| check.output.clone()).unwrap_or_default(),
    })
}

fn ports(map: impl IntoIterator<Item = (String, Option<Vec<PortBinding>>)>) -> Vec<ContainerPort> {
    let mut ports = Vec::new();
    for (key, bindings) in map {
        let (number, protocol) = key.split_once('/').unwrap_or((&key, "tcp"));
        let Ok(container_port) = number.parse() else { continue };
        let port = ContainerPort {
            container_port,
            protocol: protocol.to_owned(),
            ..ContainerPort::default()
        };
        let bindings = bindings.unwrap_or_default();
        if bindings.is_empty() {
            ports.push(port.clone());
        }
        for PortBinding { host_ip, host_port } in bindings {
            let host_port = host_port.unwrap_or_default().parse().unwrap_or_default();
            ports.push(ContainerPort {
                host_ip: host_ip.unwrap_or_default(),
                host_port,
                ..port.clone()
            });
        }
    }
    ports
}

/// Those of the container, and file systems in memory, which Docker lists elsewhere.
fn mounts(mounts: Vec<MountPoint>, host: &HostConfig) -> Vec<ContainerMount> {
    let mut all: Vec<_> = mounts.into_iter().map(mount).collect();
    for destination in host.tmpfs.iter().flatten().map(|(path, _)| path) {
        if all.iter().all(|mount| mount.destination != *destination) {
            let (kind, destination) = ("tmpfs".to_owned(), destination.clone());
            all.push(ContainerMount { kind, destination, ..ContainerMount::default() });
        }
    }
    all.sort_unstable_by(|one, other| one.destination.cmp(&other.destination));
    all
}

fn mount(mount: MountPoint) -> ContainerMount {
    let name = mount.name.filter(|name| !name.is_empty());
    ContainerMount {
        kind: mount.typ.unwrap_or_default(),
        source: name.or(mount.source).unwrap_or_default(),
        destination: mount.destination.unwrap_or_default(),
        read_only: mount.rw == Some(false),
    }
}

fn endpoint(network: String, endpoint: EndpointSettings) -> ContainerEndpoint {
    let address = endpoint.ip_address.filter(|address| !address.is_empty());
    let length = endpoint.ip_prefix_len.unwrap_or_default();
    ContainerEndpoint {
        network,
        address: address.map(|address| format!("{address}/{length}")).unwrap_or_default(),
        gateway: endpoint.gateway.unwrap_or_default(),
        names: endpoint.dns_names.or(endpoint.aliases).unwrap_or_default(),
    }
}

fn restart_policy(policy: Option<RestartPolicy>) -> String {
    let policy = policy.unwrap_or_default();
    let retries = policy.maximum_retry_count.unwrap_or_default();
    match policy.name.unwrap_or(RestartPolicyNameEnum::NO) {
        RestartPolicyNameEnum::EMPTY => RestartPolicyNameEnum::NO.to_string(),
        RestartPolicyNameEnum::ON_FAILURE if retries > 0 => format!("on-failure:{retries}"),
        name => name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_says_becomes_what_a_person_reads() {
        let said = r#"{
            "Id": "ab", "Name": "/web", "Image": "sha256:1", "Path": "nginx", "Args": ["-g", "x"],
            "RestartCount": 2,
            "State": { "Status": "running", "StartedAt": "2026-11-26T10:00:00Z",
                "FinishedAt": "0001-01-01T00:00:00Z",
                "Health": { "Status": "unhealthy", "FailingStreak": 3,
                    "Log": [{ "Output": "old" }, { "Output": "refused" }] } },
            "Config": { "Image": "nginx:1", "Env": ["A=b"], "Labels": { "l": "v" } },
            "HostConfig": { "Memory": 7, "NanoCpus": 5, "PidsLimit": -1, "Tmpfs": { "/t": "" },
                "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 3 } },
            "Mounts": [{ "Type": "volume", "Name": "data", "Source": "/somewhere",
                "Destination": "/data", "RW": false }],
            "NetworkSettings": {
                "Ports": { "80/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "8080" }], "53/udp": null },
                "Networks": { "bridge": { "IPAddress": "172.17.0.2", "IPPrefixLen": 16,
                    "Gateway": "172.17.0.1" } } }
        }"#;
        let details = details(serde_json::from_str(said).unwrap());
        assert_eq!((details.name.as_str(), details.image.as_str()), ("web", "nginx:1"));
        assert_eq!(details.command, ["nginx", "-g", "x"]);
        assert_eq!(details.started_at, "2026-11-26T10:00:00Z");
        assert_eq!(details.finished_at, "");
        assert_eq!(details.health.unwrap().output, "refused");
        assert_eq!(details.restart_policy, "on-failure:3");
        assert_eq!((details.memory_bytes, details.nano_cpus, details.pids), (7, 5, 0));
        let ports: Vec<_> =
            details.ports.iter().map(|port| (port.container_port, port.host_port)).collect();
        assert_eq!(ports, [(53, 0), (80, 8080)]);
        let mounts: Vec<_> = details
            .mounts
            .iter()
            .map(|mount| (mount.kind.as_str(), mount.source.as_str(), mount.read_only))
            .collect();
        assert_eq!(mounts, [("volume", "data", true), ("tmpfs", "", false)]);
        assert_eq!(details.networks[0].address, "172.17.0.2/16");
    }
}
