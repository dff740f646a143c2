//! `network.*`.

use std::collections::HashMap;

use bollard::models::{
    BollardDate, ContainerSummary, EndpointSettings, Ipam, IpamConfig, Network,
    NetworkConnectRequest, NetworkCreateRequest, NetworkDisconnectRequest,
};
use bollard::query_parameters::{
    InspectNetworkOptions, ListContainersOptionsBuilder, ListNetworksOptions,
};
use naru_ipc::{
    Inspection, IpcError, NetworkCreate, NetworkLink, NetworkRef, NetworkSubnet, NetworkSummary,
    NetworkUser,
};

use super::{check_container, check_name, container_name, inspection, runs};
use crate::{App, AppError};

/// The networks that every engine has and none gives away.
const BUILT_IN: [&str; 3] = ["bridge", "host", "none"];

impl App {
    /// `network.list`: all of them, with the containers that are in them.
    pub async fn network_list(&self, (): ()) -> Result<Vec<NetworkSummary>, IpcError> {
        Ok(self.networks().await?)
    }

    async fn networks(&self) -> Result<Vec<NetworkSummary>, AppError> {
        let docker = self.inner.docker()?;
        let containers = ListContainersOptionsBuilder::new().all(true).build();
        let (networks, containers) = tokio::try_join!(
            docker.list_networks(None::<ListNetworksOptions>),
            docker.list_containers(Some(containers))
        )?;
        let mut users = users_of(&containers);
        Ok(networks
            .into_iter()
            .map(|network| {
                let name = network.name.clone().unwrap_or_default();
                let users = users.remove(&name).unwrap_or_default();
                summary(network, users)
            })
            .collect())
    }

    /// `network.inspect`.
    pub async fn network_inspect(&self, request: NetworkRef) -> Result<Inspection, IpcError> {
        check_name("network name", &request.id)?;
        let docker = self.inner.docker()?;
        let options = None::<InspectNetworkOptions>;
        let network = docker.inspect_network(&request.id, options).await.map_err(AppError::from)?;
        Ok(inspection(&network)?)
    }

    /// `network.create`: a bridge.
    pub async fn network_create(&self, request: NetworkCreate) -> Result<NetworkRef, IpcError> {
        check_name("network name", &request.name)?;
        let docker = self.inner.docker()?;
        let created = docker.create_network(body(request)).await.map_err(AppError::from)?;
        Ok(NetworkRef { id: created.id })
    }

    /// `network.remove`: one that a running container is in is refused.
    pub async fn network_remove(&self, request: NetworkRef) -> Result<(), IpcError> {
        check_name("network name", &request.id)?;
        let docker = self.inner.docker()?;
        Ok(docker.remove_network(&request.id).await.map_err(AppError::from)?)
    }

    /// `network.connect`.
    pub async fn network_connect(&self, request: NetworkLink) -> Result<(), IpcError> {
        check_name("network name", &request.id)?;
        check_container(&request.container_id)?;
        let docker = self.inner.docker()?;
        let body = NetworkConnectRequest {
            container: request.container_id,
            ..NetworkConnectRequest::default()
        };
        Ok(docker.connect_network(&request.id, body).await.map_err(AppError::from)?)
    }

    /// `network.disconnect`.
    pub async fn network_disconnect(&self, request: NetworkLink) -> Result<(), IpcError> {
        check_name("network name", &request.id)?;
        check_container(&request.container_id)?;
        let docker = self.inner.docker()?;
        let body = NetworkDisconnectRequest {
            container: request.container_id,
            ..NetworkDisconnectRequest::default()
        };
        Ok(docker.disconnect_network(&request.id, body).await.map_err(AppError::from)?)
    }
}

fn body(request: NetworkCreate) -> NetworkCreateRequest {
    let ipam = (!request.subnet.is_empty()).then(|| Ipam {
        config: Some(vec![IpamConfig { subnet: Some(request.subnet), ..IpamConfig::default() }]),
        ..Ipam::default()
    });
    NetworkCreateRequest {
        name: request.name,
        internal: request.internal.then_some(true),
        ipam,
        ..NetworkCreateRequest::default()
    }
}

/// The containers of each network, by the network's name.
fn users_of(containers: &[ContainerSummary]) -> HashMap<String, Vec<NetworkUser>> {
    let mut users: HashMap<String, Vec<NetworkUser>> = HashMap::new();
    for container in containers {
        let settings = container.network_settings.as_ref();
        for (network, endpoint) in
            settings.and_then(|it| it.networks.as_ref()).into_iter().flatten()
        {
            users.entry(network.clone()).or_default().push(NetworkUser {
                container_id: container.id.clone().unwrap_or_default(),
                container_name: container_name(container),
                running: runs(container),
                addresses: addresses(endpoint),
            });
        }
    }
    users
}

fn addresses(endpoint: &EndpointSettings) -> Vec<String> {
    [&endpoint.ip_address, &endpoint.global_ipv6_address]
        .into_iter()
        .flatten()
        .filter(|address| !address.is_empty())
        .cloned()
        .collect()
}

fn summary(network: Network, users: Vec<NetworkUser>) -> NetworkSummary {
    let name = network.name.unwrap_or_default();
    let configs = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let subnets = configs.into_iter().filter_map(|config| {
        let gateway = config.gateway.unwrap_or_default();
        config.subnet.map(|subnet| NetworkSubnet { subnet, gateway })
    });
    NetworkSummary {
        id: network.id.unwrap_or_default(),
        built_in: BUILT_IN.contains(&name.as_str()),
        name,
        driver: network.driver.unwrap_or_default(),
        internal: network.internal.unwrap_or_default(),
        created: network.created.map_or(0, BollardDate::unix_timestamp),
        subnets: subnets.collect(),
        labels: network.labels.unwrap_or_default().into_iter().collect(),
        users,
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ContainerSummaryNetworkSettings;

    use super::*;

    #[test]
    fn a_container_that_does_not_run_is_in_its_network_without_an_address() {
        let endpoint =
            EndpointSettings { ip_address: Some(String::new()), ..EndpointSettings::default() };
        let container = ContainerSummary {
            names: Some(vec!["/web".to_owned()]),
            network_settings: Some(ContainerSummaryNetworkSettings {
                networks: Some(HashMap::from([("front".to_owned(), endpoint)])),
            }),
            ..ContainerSummary::default()
        };
        let users = users_of(&[container]);
        assert_eq!(users["front"][0].container_name, "web");
        assert!(users["front"][0].addresses.is_empty());
        assert!(!users["front"][0].running);
    }

    #[test]
    fn the_engine_chooses_the_range_unless_one_is_given() {
        let request = NetworkCreate { name: "n".to_owned(), ..NetworkCreate::default() };
        assert_eq!(body(request.clone()).ipam, None);
        let given = body(NetworkCreate { subnet: "10.9.0.0/24".to_owned(), ..request });
        let config = given.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
        assert_eq!(config[0].subnet.as_deref(), Some("10.9.0.0/24"));
    }
}
