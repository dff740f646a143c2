//! `container.*` except the logs.

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::{
    ContainerCreateBody, HostConfig, Mount, MountType, PortBinding, PortSummary, RestartPolicy,
    RestartPolicyNameEnum,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder,
    RemoveContainerOptionsBuilder, RestartContainerOptions, StartContainerOptions,
    StopContainerOptions,
};
use naru_ipc::{
    ContainerPort, ContainerRef, ContainerRemove, ContainerRun, ContainerSummary, IpcError,
    PublishedPort, Restart, RunMount, RunMountKind,
};

use super::{check_container, check_image, check_name, container_name};
use crate::{App, AppError, demo};

/// Where compose writes which project and service a container belongs to, and what that needs.
const PROJECT_LABEL: &str = "com.docker.compose.project";
const SERVICE_LABEL: &str = "com.docker.compose.service";
const NEEDS_LABEL: &str = "com.docker.compose.depends_on";

/// Whether the container has a terminal, so that its output has no frames.
pub(super) async fn has_terminal(docker: &Docker, id: &str) -> Result<bool, AppError> {
    let container = docker.inspect_container(id, None::<InspectContainerOptions>).await?;
    Ok(container.config.and_then(|config| config.tty).unwrap_or_default())
}

impl App {
    /// `container.list`: all of them, also those that do not run.
    pub async fn container_list(&self, (): ()) -> Result<Vec<ContainerSummary>, IpcError> {
        Ok(self.containers().await?)
    }

    async fn containers(&self) -> Result<Vec<ContainerSummary>, AppError> {
        let docker = self.inner.docker()?;
        let options = ListContainersOptionsBuilder::new().all(true).build();
        let containers = docker.list_containers(Some(options)).await?;
        Ok(containers.into_iter().map(summary).collect())
    }

    /// `container.run`: the image must be there already; only the bundled one is loaded.
    pub async fn container_run(&self, request: ContainerRun) -> Result<ContainerRef, IpcError> {
        check_image(&request.image)?;
        if !request.network.is_empty() {
            check_name("network name", &request.network)?;
        }
        if !request.name.is_empty() {
            check_container(&request.name)?;
        }
        let docker = self.inner.docker()?;
        let directories = &self.inner.directories;
        if demo::image(directories).await.is_ok_and(|demo| demo == request.image) {
            demo::ensure_loaded(&docker, directories, &request.image).await?;
        }
        Ok(run(&docker, request).await?)
    }

    /// `container.start`.
    pub async fn container_start(&self, request: ContainerRef) -> Result<(), IpcError> {
        check_container(&request.id)?;
        let options = None::<StartContainerOptions>;
        let docker = self.inner.docker()?;
        Ok(docker.start_container(&request.id, options).await.map_err(AppError::from)?)
    }

    /// `container.stop`: killed when it does not end within its own grace period.
    pub async fn container_stop(&self, request: ContainerRef) -> Result<(), IpcError> {
        check_container(&request.id)?;
        let options = None::<StopContainerOptions>;
        let docker = self.inner.docker()?;
        Ok(docker.stop_container(&request.id, options).await.map_err(AppError::from)?)
    }

    /// `container.restart`.
    pub async fn container_restart(&self, request: ContainerRef) -> Result<(), IpcError> {
        check_container(&request.id)?;
        let options = None::<RestartContainerOptions>;
        let docker = self.inner.docker()?;
        Ok(docker.restart_container(&request.id, options).await.map_err(AppError::from)?)
    }

    /// `container.remove`, with its anonymous volumes.
    pub async fn container_remove(&self, request: ContainerRemove) -> Result<(), IpcError> {
        check_container(&request.id)?;
        let options = RemoveContainerOptionsBuilder::new().force(request.force).v(true).build();
        let docker = self.inner.docker()?;
        Ok(docker.remove_container(&request.id, Some(options)).await.map_err(AppError::from)?)
    }
}

async fn run(docker: &Docker, request: ContainerRun) -> Result<ContainerRef, AppError> {
    let name = request.name.clone();
    let mut options = CreateContainerOptionsBuilder::new();
    if !name.is_empty() {
        options = options.name(&name);
    }
    let created = docker.create_container(Some(options.build()), body(request)).await?;
    if let Err(error) = docker.start_container(&created.id, None::<StartContainerOptions>).await {
        // What could not run is not left behind: its name would be taken at the next try.
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        if let Err(error) = docker.remove_container(&created.id, Some(options)).await {
            tracing::warn!(container_id = created.id, %error, "unstarted container not removed");
        }
        return Err(error.into());
    }
    Ok(ContainerRef { id: created.id })
}

fn body(request: ContainerRun) -> ContainerCreateBody {
    let key = |port: &PublishedPort| format!("{}/tcp", port.container_port);
    let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for port in &request.ports {
        let binding = PortBinding {
            host_ip: Some(port.host_ip.clone()),
            host_port: Some(port.host_port.to_string()),
        };
        bindings.entry(key(port)).or_default().get_or_insert_default().push(binding);
    }
    let limit = |wanted: u64| i64::try_from(wanted).ok().filter(|wanted| *wanted > 0);
    let host = HostConfig {
        port_bindings: Some(bindings.clone()),
        mounts: Some(request.mounts.into_iter().map(mount).collect()),
        memory: limit(request.memory),
        nano_cpus: limit(request.nano_cpus),
        restart_policy: Some(restart(request.restart)),
        network_mode: Some(request.network).filter(|network| !network.is_empty()),
        auto_remove: Some(request.auto_remove),
        ..HostConfig::default()
    };
    ContainerCreateBody {
        image: Some(request.image),
        cmd: (!request.command.is_empty()).then_some(request.command),
        env: (!request.env.is_empty()).then_some(request.env),
        exposed_ports: Some(bindings.into_keys().collect()),
        host_config: Some(host),
        tty: Some(request.interactive),
        open_stdin: Some(request.interactive),
        ..ContainerCreateBody::default()
    }
}

pub(super) fn mount(mount: RunMount) -> Mount {
    Mount {
        target: Some(mount.target),
        source: Some(mount.source),
        typ: Some(match mount.kind {
            RunMountKind::Volume => MountType::VOLUME,
            RunMountKind::Bind => MountType::BIND,
        }),
        read_only: Some(mount.read_only),
        ..Mount::default()
    }
}

pub(super) fn restart(restart: Restart) -> RestartPolicy {
    let name = match restart {
        Restart::No => RestartPolicyNameEnum::NO,
        Restart::OnFailure => RestartPolicyNameEnum::ON_FAILURE,
        Restart::UnlessStopped => RestartPolicyNameEnum::UNLESS_STOPPED,
        Restart::Always => RestartPolicyNameEnum::ALWAYS,
    };
    RestartPolicy { name: Some(name), ..RestartPolicy::default() }
}

fn summary(container: bollard::models::ContainerSummary) -> ContainerSummary {
    let name = container_name(&container);
    let mut labels = container.labels.unwrap_or_default();
    ContainerSummary {
        id: container.id.unwrap_or_default(),
        name,
        image: container.image.unwrap_or_default(),
        state: container.state.map(|state| state.to_string()).unwrap_or_default(),
        status: container.status.unwrap_or_default(),
        command: container.command.unwrap_or_default(),
        created: container.created.unwrap_or_default(),
        ports: published(container.ports.unwrap_or_default()),
        project: labels.remove(PROJECT_LABEL).unwrap_or_default(),
        service: labels.remove(SERVICE_LABEL).unwrap_or_default(),
        needs: needs(&labels.remove(NEEDS_LABEL).unwrap_or_default()),
    }
}

/// The services of `db:service_healthy:false,cache:service_started:true`, each once.
fn needs(label: &str) -> Vec<String> {
    let names = label.split(',').map(|each| each.split(':').next().unwrap_or_default().trim());
    let mut names: Vec<_> = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Without those that are only exposed. One that is open on all addresses of both families is
/// one port to a person, but not one that is a port of two protocols.
pub(crate) fn published(ports: Vec<PortSummary>) -> Vec<ContainerPort> {
    let mut shown: Vec<ContainerPort> = Vec::with_capacity(ports.len());
    for port in ports {
        let Some(host_port) = port.public_port else { continue };
        let port = ContainerPort {
            container_port: port.private_port,
            protocol: port.typ.map_or_else(|| "tcp".to_owned(), |protocol| protocol.to_string()),
            host_ip: port.ip.unwrap_or_default(),
            host_port,
        };
        let everywhere = |ip: &str| ip == "0.0.0.0" || ip == "::";
        let is_shown = shown.iter().any(|other| {
            let same_place = other.host_ip == port.host_ip
                || (everywhere(&other.host_ip) && everywhere(&port.host_ip));
            same_place
                && (other.host_port, other.container_port) == (host_port, port.container_port)
                && other.protocol == port.protocol
        });
        if !is_shown {
            shown.push(port);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use bollard::models::PortSummaryTypeEnum as Protocol;

    use super::*;

    #[test]
    fn what_a_service_needs_is_told_once_by_name() {
        let label = "db:service_healthy:false,cache:service_started:true,db:x:y,,:z";
        assert_eq!(needs(label), ["cache", "db"]);
        assert_eq!(needs(""), Vec::<String>::new());
    }

    #[test]
    fn a_port_of_all_addresses_is_shown_once_for_each_protocol() {
        let port = |ip: &str, public_port, typ| PortSummary {
            ip: Some(ip.to_owned()),
            private_port: 80,
            public_port,
            typ: Some(typ),
        };
        let open = |ip| port(ip, Some(8080), Protocol::TCP);
        let shown = published(vec![
            open("0.0.0.0"),
            open("::"),
            open("127.0.0.1"),
            open("127.0.0.1"),
            port("127.0.0.1", Some(8080), Protocol::UDP),
            port("", None, Protocol::TCP),
        ]);
        let shown: Vec<_> =
            shown.iter().map(|port| (port.host_ip.as_str(), port.protocol.as_str())).collect();
        assert_eq!(shown, [("0.0.0.0", "tcp"), ("127.0.0.1", "tcp"), ("127.0.0.1", "udp")]);
    }
}
