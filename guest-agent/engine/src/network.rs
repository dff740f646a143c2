//! Containers on the default bridge: addresses, namespaces, published ports.
//!
//! The bookkeeping is here, the kernel's part in `naru-network`. Where a published
//! port listens depends on the mode: natively nftables leads it to the container, in
//! the VM the host listens (see [`crate::ports`]).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bollard_stubs::models::{ContainerConfig, HostConfig};
use naru_network::{
    AddressPool, Attachment, BridgeAddress, BridgeConfig, Interface, InterfaceAddress, MacAddress,
    Networks, NetworksConfig, PortMapping, Protocol, Publication,
};

use crate::container::{Endpoint, PublishedPort, Record, random_id};
use crate::error::{EngineError, Result};
use crate::ports::PortHost;

/// The id under which the default bridge shows in `inspect`; it never changes.
pub(crate) const BRIDGE_ID: &str =
    "6272696467650000000000000000000000000000000000000000000000000000";
const HOST_ID: &str = "686f737400000000000000000000000000000000000000000000000000000000";
const NONE_ID: &str = "6e6f6e6500000000000000000000000000000000000000000000000000000000";

/// The id of the network that there is under a name.
pub(crate) fn network_id(name: &str) -> &'static str {
    match name {
        "bridge" => BRIDGE_ID,
        "host" => HOST_ID,
        "none" => NONE_ID,
        _ => "",
    }
}

const BRIDGE_MTU: u32 = 1500;
const CONTAINER_INTERFACE: &str = "eth0";

/// One port that a container wants published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WantedPort {
    pub(crate) host_ip: IpAddr,
    /// 0 for any.
    pub(crate) host_port: u16,
    pub(crate) container_port: u16,
}

/// The ports that `PortBindings` and `PublishAllPorts` ask for, checked.
pub(crate) fn published_ports(
    config: &ContainerConfig,
    host_config: &HostConfig,
) -> Result<Vec<WantedPort>> {
    let mut wanted = Vec::new();
    for (port, bindings) in host_config.port_bindings.iter().flatten() {
        let container_port = container_port(port)?;
        for binding in bindings.iter().flatten() {
            let host_ip = match binding.host_ip.as_deref().unwrap_or_default() {
                "" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                text => text.parse().map_err(|_| {
                    EngineError::Invalid(format!("invalid IP address in port mapping: {text}"))
                })?,
            };
            let host_port = match binding.host_port.as_deref().unwrap_or_default() {
                "" => 0,
                text if text.contains('-') => {
                    return Err(EngineError::Unsupported(format!(
                        "a range of host ports ({text}) is not supported yet"
                    )));
                }
                text => text.parse().map_err(|_| {
                    EngineError::Invalid(format!("invalid port specification: \"{text}\""))
                })?,
            };
            wanted.push(WantedPort { host_ip, host_port, container_port });
        }
    }
    if host_config.publish_all_ports.unwrap_or_default() {
        for port in config.exposed_ports.iter().flatten() {
            let container_port = container_port(port)?;
            if wanted.iter().all(|wanted| wanted.container_port != container_port) {
                let host_ip = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
                wanted.push(WantedPort { host_ip, host_port: 0, container_port });
            }
        }
    }
    wanted.sort_by_key(|port| (port.container_port, port.host_port));
    Ok(wanted)
}

/// `80/tcp`, or `80`.
fn container_port(text: &str) -> Result<u16> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    if protocol != "tcp" {
        return Err(EngineError::Unsupported(format!(
            "publishing {text} is not supported yet: only TCP ports are"
        )));
    }
    match port.parse() {
        Ok(port) if port != 0 => Ok(port),
        _ => Err(EngineError::Invalid(format!("invalid port specification: \"{port}\""))),
    }
}

/// Who listens on published ports.
#[derive(Debug)]
enum Publisher {
    /// nftables, on this very host.
    Kernel,
    /// The host of the VM.
    Host(PortHost),
}

/// The default bridge and who is on it.
#[derive(Debug)]
pub(crate) struct ContainerNetwork {
    networks: Networks,
    bridge: BridgeConfig,
    place: BridgeAddress,
    addresses: Mutex<AddressPool>,
    publisher: Publisher,
    /// Where namespaces are mounted.
    directory: PathBuf,
}

impl ContainerNetwork {
    /// Brings the bridge up, with what the containers in `running` have on it.
    ///
    /// `host` takes the published ports in VM mode; without it the kernel does.
    pub(crate) async fn open(
        run_dir: &Path,
        bridge: &str,
        host: Option<PortHost>,
        running: &[Record],
    ) -> Result<Self> {
        let networks = Networks::open(NetworksConfig { table: bridge.to_owned() });
        let candidates = Networks::default_subnets();
        let in_use = running.iter().find_map(|record| record.endpoint.as_ref());
        // Containers that still run keep the network that they are in.
        let subnet = match in_use {
            Some(endpoint) => {
                candidates.into_iter().find(|subnet| subnet.contains(endpoint.address))
            }
            None => networks.free_subnet(&candidates, bridge).await?,
        };
        let subnet = subnet.ok_or_else(|| {
            EngineError::Invalid("no private subnet is free for the containers' bridge".to_owned())
        })?;
        let place = BridgeAddress { subnet, gateway: subnet.first_host() };
        let bridge = BridgeConfig {
            name: bridge.to_owned(),
            v4: Some(place),
            v6: None,
            mtu: BRIDGE_MTU,
            masquerade: true,
            inter_container: true,
            internal: false,
        };
        let mut addresses = AddressPool::new(subnet, None, [place.gateway]);
        let mut publications = Vec::new();
        for record in running {
            let Some(endpoint) = &record.endpoint else { continue };
            addresses.reserve(endpoint.address)?;
            publications
                .push(Publication { key: record.id.clone(), mappings: mappings_of(endpoint) });
        }
        let publisher = host.map_or(Publisher::Kernel, Publisher::Host);
        if let Publisher::Host(host) = &publisher {
            for publication in publications.drain(..) {
                host.restore(&publication.key, &publication.mappings);
            }
        }
        for (key, error) in networks.restore(vec![bridge.clone()], publications).await? {
            tracing::warn!(container_id = key, %error, "a port is no longer published");
        }
        let directory = run_dir.join("netns");
        let addresses = Mutex::new(addresses);
        Ok(Self { networks, bridge, place, addresses, publisher, directory })
    }

    /// The host's side of published ports, in VM mode.
    pub(crate) fn port_host(&self) -> Option<&PortHost> {
        match &self.publisher {
            Publisher::Kernel => None,
            Publisher::Host(host) => Some(host),
        }
    }

    /// Waits until a container's ports can be published: in the VM the host comes some
    /// time after the engine. Cancel safe.
    pub(crate) async fn ready_for(&self, record: &Record) {
        let publishes = published_ports(&record.config, &record.host_config)
            .is_ok_and(|ports| !ports.is_empty());
        if let (Publisher::Host(host), "bridge", true) =
            (&self.publisher, record.network_mode(), publishes)
        {
            host.connected().await;
        }
    }

    /// Where a container's own network namespace is, unless it has the host's or another's.
    pub(crate) fn namespace(&self, record: &Record) -> Option<PathBuf> {
        let own = record.network_mode() != "host" && record.joined_network().is_none();
        own.then(|| self.namespace_path(&record.id))
    }

    /// Gives a container its place on the bridge; none without a network of its own.
    /// What was done is undone when it fails.
    #[tracing::instrument(name = "network", level = "debug", skip_all)]
    pub(crate) async fn attach(&self, record: &Record) -> Result<Option<Endpoint>> {
        if record.joined_network().is_some() {
            return Ok(None);
        }
        match record.network_mode() {
            "host" => return Ok(None),
            // A namespace of its own even so, for the loopback interface to be up in it.
            "none" => {
                self.networks.create_namespace(&self.namespace_path(&record.id)).await?;
                return Ok(None);
            }
            "bridge" => {}
            unknown => return Err(EngineError::NoSuchNetwork(unknown.to_owned())),
        }
        let address = self.addresses().allocate()?;
        let mut endpoint = Endpoint {
            id: random_id(),
            address,
            prefix_len: self.place.subnet.prefix_len(),
            gateway: self.place.gateway,
            mac: MacAddress::for_address(address).to_string(),
            host_interface: String::new(),
            ports: Vec::new(),
        };
        match self.connect(record, &mut endpoint).await {
            Ok(()) => Ok(Some(endpoint)),
            Err(error) => {
                self.release(&record.id, &endpoint).await;
                Err(error)
            }
        }
    }

    async fn connect(&self, record: &Record, endpoint: &mut Endpoint) -> Result<()> {
        let path = self.namespace_path(&record.id);
        self.networks.create_namespace(&path).await?;
        let attachment = Attachment::Bridge(self.bridge.clone());
        let interface = Interface {
            name: CONTAINER_INTERFACE.to_owned(),
            addresses: vec![InterfaceAddress {
                address: endpoint.address,
                prefix_len: endpoint.prefix_len,
            }],
            mac: MacAddress::for_address(endpoint.address),
            mtu: self.bridge.mtu,
            default_routes: vec![endpoint.gateway],
        };
        endpoint.host_interface = self.networks.connect(&path, &attachment, &interface).await?;
        let wanted = published_ports(&record.config, &record.host_config)?;
        if wanted.is_empty() {
            return Ok(());
        }
        let mappings: Vec<_> = wanted
            .into_iter()
            .map(|port| PortMapping {
                host_ip: port.host_ip,
                host_port: port.host_port,
                container_address: endpoint.address,
                container_port: port.container_port,
                protocol: Protocol::Tcp,
            })
            .collect();
        let published = match &self.publisher {
            Publisher::Kernel => self.networks.publish(&record.id, &mappings).await?,
            Publisher::Host(host) => host.publish(&record.id, &mappings).await?,
        };
        endpoint.ports = published
            .into_iter()
            .map(|mapping| PublishedPort {
                host_ip: mapping.host_ip,
                host_port: mapping.host_port,
                container_port: mapping.container_port,
            })
            .collect();
        Ok(())
    }

    /// Closes a container's published ports. What fails is logged.
    pub(crate) async fn unpublish(&self, record: &Record) {
        if record.endpoint.as_ref().is_none_or(|endpoint| endpoint.ports.is_empty()) {
            return;
        }
        match &self.publisher {
            Publisher::Kernel => {
                if let Err(error) = self.networks.unpublish(&record.id).await {
                    tracing::warn!(container_id = record.id, %error, "unpublishing failed");
                }
            }
            Publisher::Host(host) => host.unpublish(&record.id),
        }
    }

    /// Takes a container off the bridge, once its ports are closed. What fails is logged: the
    /// container is gone, and the next start of the engine sweeps.
    pub(crate) async fn detach(&self, record: &Record) {
        match &record.endpoint {
            Some(endpoint) => self.release(&record.id, endpoint).await,
            None if record.network_mode() == "none" => {
                self.remove_namespace(&record.id).await;
            }
            None => {}
        }
    }

    async fn release(&self, container_id: &str, endpoint: &Endpoint) {
        if !endpoint.host_interface.is_empty()
            && let Err(error) = self.networks.disconnect(&endpoint.host_interface).await
        {
            tracing::warn!(container_id, %error, "disconnecting failed");
        }
        self.remove_namespace(container_id).await;
        self.addresses().release(endpoint.address);
    }

    async fn remove_namespace(&self, container_id: &str) {
        let path = self.namespace_path(container_id);
        if let Err(error) = self.networks.remove_namespace(&path).await {
            tracing::warn!(container_id, %error, "removing the namespace failed");
        }
    }

    /// Removes the namespaces of containers that are not `running`: what a crash left.
    pub(crate) async fn sweep(&self, running: &[Record]) {
        let Ok(entries) = std::fs::read_dir(&self.directory) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if running.iter().any(|record| name == *record.id) {
                continue;
            }
            if let Err(error) = self.networks.remove_namespace(&entry.path()).await {
                tracing::warn!(path = %entry.path().display(), %error, "left behind");
            }
        }
    }

    /// Takes the rules away; for the orderly end of a native engine.
    pub(crate) async fn close(&self) -> Result<()> {
        // In this order: removing a bridge writes the table anew.
        self.networks.remove_bridge(&self.bridge.name).await?;
        Ok(self.networks.clear().await?)
    }

    fn namespace_path(&self, container_id: &str) -> PathBuf {
        self.directory.join(container_id)
    }

    fn addresses(&self) -> MutexGuard<'_, AddressPool> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn mappings_of(endpoint: &Endpoint) -> Vec<PortMapping> {
    let mapping = |port: &PublishedPort| PortMapping {
        host_ip: port.host_ip,
        host_port: port.host_port,
        container_address: endpoint.address,
        container_port: port.container_port,
        protocol: Protocol::Tcp,
    };
    endpoint.ports.iter().map(mapping).collect()
}

/// Where a tunnel to this mapping leads, as the VM sees it.
pub(crate) fn target(mapping: &PortMapping) -> SocketAddr {
    SocketAddr::new(mapping.container_address, mapping.container_port)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use bollard_stubs::models::PortBinding;

    use super::*;

    fn host_config(port: &str, host_port: &str) -> HostConfig {
        let binding = PortBinding { host_ip: None, host_port: Some(host_port.to_owned()) };
        let bindings = HashMap::from([(port.to_owned(), Some(vec![binding]))]);
        HostConfig { port_bindings: Some(bindings), ..HostConfig::default() }
    }

    #[test]
    fn ports_are_checked_before_anything_is_made() {
        let config = ContainerConfig::default();
        let ports = published_ports(&config, &host_config("80/tcp", "8080")).unwrap();
        assert_eq!((ports[0].host_port, ports[0].container_port), (8080, 80));
        for (port, host_port, message) in [
            ("80/udp", "1", "only TCP"),
            ("80/tcp", "x", "invalid port specification: \"x\""),
            ("0/tcp", "1", "invalid port specification: \"0\""),
            ("80", "70000", "invalid port specification"),
        ] {
            let error = published_ports(&config, &host_config(port, host_port)).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
        }
    }

    #[test]
    fn all_exposed_ports_are_published_once() {
        let config =
            ContainerConfig { exposed_ports: Some(vec!["80/tcp".into()]), ..Default::default() };
        let mut host_config = host_config("80/tcp", "8080");
        host_config.publish_all_ports = Some(true);
        assert_eq!(published_ports(&config, &host_config).unwrap().len(), 1);
    }
}
