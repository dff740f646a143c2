//! The networks as an engine finds them when it starts, and their orderly end.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::iter;
use jiff::Timestamp;
use naru_network::{
    Attachment, BridgeConfig, Networks, NetworksConfig, Publication, Subnet, SubnetClaim,
};
use tokio::sync::Mutex as AsyncMutex;

use super::attachment::{
    BRIDGE_NAME, DEFAULT_BRIDGE, DEFAULT_MTU, ENABLE_ICC, ENABLE_MASQUERADE, HOST_BINDING, MTU,
};
use super::create::subnets_of;
use super::ipam::{candidates, found_pool};
use super::live::Network;
use super::name_servers::NameServers;
use super::publish::mapping;
use super::record::{BRIDGE, BRIDGE_ID, Driver, HOST, HOST_ID, NONE, NONE_ID, NetworkRecord};
use super::registry::Registry;
use super::{ContainerNetwork, Publisher};
use crate::container::Record;
use crate::error::{EngineError, Result};
use crate::ports::PortHost;

/// How many name servers begin at a time.
const AT_ONCE: usize = 16;

/// What there is when an engine starts.
#[derive(Debug)]
pub(crate) struct OpenRequest<'a> {
    pub(crate) run_dir: &'a Path,
    /// The default bridge's interface, and the table's name.
    pub(crate) bridge: &'a str,
    /// Takes the published ports in VM mode; without it the kernel does.
    pub(crate) host: Option<PortHost>,
    /// Where containers find the host; none if by their own way out.
    pub(crate) host_address: Option<IpAddr>,
    /// Those that users have made.
    pub(crate) networks: Vec<NetworkRecord>,
    pub(crate) running: &'a [Record],
}

impl ContainerNetwork {
    /// Brings all networks up, with what the running containers have in them.
    pub(crate) async fn open(request: OpenRequest<'_>) -> Result<Self> {
        let OpenRequest { run_dir, bridge, host, host_address, networks, running } = request;
        let kernel = Networks::open(NetworksConfig { table: bridge.to_owned() });
        let claim = kernel.claim_subnets().await?;
        let subnet = default_subnet(&kernel, bridge, &networks, running).await?;
        let registry = Registry::default();
        for record in predefined(bridge, subnet).into_iter().chain(networks) {
            let (id, name) = (record.id.clone(), record.name.clone());
            match Network::new(record) {
                Ok(network) => registry.insert(Arc::new(network)),
                // The others must be there all the same.
                Err(error) => tracing::error!(id, name, %error, "a network is not what it was"),
            }
        }
        let network = Self {
            kernel,
            networks: registry,
            publisher: host.map_or(Publisher::Kernel, Publisher::Host),
            name_servers: NameServers::new(host_address)?,
            directory: run_dir.join("netns"),
            changing: AsyncMutex::new(()),
        };
        network.restore(running, claim).await?;
        Ok(network)
    }

    async fn restore(&self, running: &[Record], claim: SubnetClaim) -> Result<()> {
        let mut publications = Vec::new();
        for record in running {
            for membership in &record.networks {
                let Some(endpoint) = &membership.endpoint else { continue };
                match self.network_of(membership) {
                    Ok(network) => network.rejoin(record, membership, endpoint),
                    Err(error) => tracing::warn!(container_id = record.id, %error, "no network"),
                }
            }
            let mappings: Vec<_> = record.ports.iter().map(mapping).collect();
            match &self.publisher {
                _ if mappings.is_empty() => {}
                Publisher::Kernel => {
                    publications.push(Publication { key: record.id.clone(), mappings });
                }
                Publisher::Host(host) => host.restore(&record.id, &mappings),
            }
        }
        let bridges = self.bridges();
        for (key, error) in self.kernel.restore(bridges, publications).await? {
            tracing::warn!(container_id = key, %error, "a port is no longer published");
        }
        // What was chosen is to be seen now.
        drop(claim);
        // The kernel takes its time for each, in which it can do others.
        let serve = async |record: &Record| {
            if let Err(error) = self.serve_names(record).await {
                tracing::warn!(container_id = record.id, %error, "it finds no names");
            }
        };
        iter(running.iter().map(serve)).buffer_unordered(AT_ONCE).collect::<()>().await;
        Ok(())
    }

    fn bridges(&self) -> Vec<BridgeConfig> {
        let bridge = |network: &Arc<Network>| match &network.attachment {
            Some(Attachment::Bridge(bridge)) => Some(bridge.clone()),
            _ => None,
        };
        self.all().iter().filter_map(bridge).collect()
    }

    /// Removes the namespaces of containers that are not `running`: what a crash left.
    pub(crate) async fn sweep(&self, running: &[Record]) {
        let Ok(entries) = std::fs::read_dir(&self.directory) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if running.iter().any(|record| name == *record.id) {
                continue;
            }
            if let Err(error) = self.kernel.remove_namespace(&entry.path()).await {
                tracing::warn!(path = %entry.path().display(), %error, "left behind");
            }
        }
    }

    /// Takes bridges and rules away; for the orderly end of a native engine.
    pub(crate) async fn close(&self) -> Result<()> {
        // In this order: removing a bridge writes the table anew.
        for bridge in self.bridges() {
            self.kernel.remove_bridge(&bridge.name).await?;
        }
        Ok(self.kernel.clear().await?)
    }
}

/// The default bridge's subnet: containers that still run keep the network that they are in.
async fn default_subnet(
    kernel: &Networks,
    bridge: &str,
    networks: &[NetworkRecord],
    running: &[Record],
) -> Result<Subnet> {
    let in_use = running.iter().find_map(|record| {
        let endpoint = record.membership(BRIDGE_ID)?.endpoint.as_ref()?;
        Some(endpoint.address(false)?.address)
    });
    let subnet = if let Some(address) = in_use {
        Networks::default_subnets().into_iter().find(|subnet| subnet.contains(address))
    } else {
        let taken = subnets_of(networks.iter());
        kernel.free_subnet(&candidates(&taken), bridge).await?
    };
    subnet.ok_or_else(|| {
        EngineError::Invalid("no private subnet is free for the containers' bridge".to_owned())
    })
}

fn predefined(bridge: &str, subnet: Subnet) -> [NetworkRecord; 3] {
    let record = |id: &str, name: &str, driver: Driver| NetworkRecord {
        id: id.to_owned(),
        name: name.to_owned(),
        created: Timestamp::now(),
        driver,
        enable_ipv4: true,
        enable_ipv6: false,
        internal: false,
        attachable: false,
        ipam_options: None,
        pools: Vec::new(),
        options: BTreeMap::new(),
        labels: BTreeMap::new(),
    };
    let mtu = DEFAULT_MTU.to_string();
    let options = [
        (DEFAULT_BRIDGE, "true"),
        (ENABLE_ICC, "true"),
        (ENABLE_MASQUERADE, "true"),
        (HOST_BINDING, "0.0.0.0"),
        (BRIDGE_NAME, bridge),
        (MTU, mtu.as_str()),
    ];
    let bridge = NetworkRecord {
        pools: vec![found_pool(subnet)],
        options: options.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        ..record(BRIDGE_ID, BRIDGE, Driver::Bridge)
    };
    [bridge, record(HOST_ID, HOST, Driver::Host), record(NONE_ID, NONE, Driver::Null)]
}
