//! Networks, and the containers in them: addresses, namespaces, published ports.
//!
//! The bookkeeping is here, the kernel's part in `naru-network`. A network's record is in the
//! database ([`record`]); who is in it now, and with which addresses, is in memory ([`live`])
//! and found again from the running containers' records.
//!
//! ```text
//! Record.networks ──join──► Network (addresses, names) ──plug──► namespace, veth, routes
//!                                                     └─publish─► nftables, or the VM's host
//! ```

mod attach;
mod attachment;
mod create;
mod database;
mod ipam;
mod live;
mod name_servers;
mod names;
mod occupancy;
mod open;
mod ports;
mod publish;
mod record;
mod registry;
mod remove;
mod requests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use naru_network::{BridgeConfig, Networks, Subnet, SubnetClaim};
use tokio::sync::Mutex as AsyncMutex;

pub(crate) use live::Network;
pub(crate) use names::HOST_NAMES;
pub(crate) use open::OpenRequest;
pub(crate) use ports::published_ports;
pub(crate) use publish::target;
pub(crate) use record::{BRIDGE, BRIDGE_ID, HOST, NONE, NetworkRecord, is_predefined};

use crate::container::{Membership, Record};
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::ports::PortHost;
use name_servers::NameServers;
use registry::Registry;

/// Who listens on published ports.
#[derive(Debug)]
enum Publisher {
    /// nftables, on this very host.
    Kernel,
    /// The host of the VM.
    Host(PortHost),
}

/// All networks, and who is in them.
#[derive(Debug)]
pub(crate) struct ContainerNetwork {
    kernel: Networks,
    networks: Registry,
    publisher: Publisher,
    name_servers: NameServers,
    /// Where namespaces are mounted.
    directory: PathBuf,
    /// Held while a network is made or removed. An async lock: both wait for the kernel and the
    /// database in between.
    changing: AsyncMutex<()>,
}

impl ContainerNetwork {
    /// All networks, the oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<Network>> {
        self.networks.all()
    }

    /// Finds a network by full id, name, or beginning of an id, in this order.
    pub(crate) fn find(&self, wanted: &str) -> Result<Arc<Network>> {
        self.networks.find(wanted)
    }

    /// The network that a container is in: by the id, if it is known, for another may have the
    /// name by now.
    pub(crate) fn network_of(&self, membership: &Membership) -> Result<Arc<Network>> {
        let wanted = membership.network_id.as_deref().unwrap_or(&membership.network);
        self.networks.find(wanted)
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
        let on_bridge = !matches!(record.network_mode(), HOST | NONE);
        if let (Publisher::Host(host), true) = (&self.publisher, publishes && on_bridge) {
            host.connected().await;
        }
    }

    fn changing(&self) -> &AsyncMutex<()> {
        &self.changing
    }

    fn named(&self, name: &str) -> Option<Arc<Network>> {
        self.networks.named(name)
    }

    fn insert(&self, network: Arc<Network>) {
        self.networks.insert(network);
    }

    fn subnets(&self) -> Vec<Subnet> {
        create::subnets_of(self.all().iter().map(|network| &network.record))
    }

    async fn claim_subnets(&self) -> Result<SubnetClaim> {
        Ok(self.kernel.claim_subnets().await?)
    }

    async fn free_subnet(&self, candidates: &[Subnet], record: &NetworkRecord) -> Result<Subnet> {
        let bridge = attachment::bridge_name(record);
        self.kernel.free_subnet(candidates, &bridge).await?.ok_or_else(|| {
            EngineError::Invalid(
                "all predefined address pools have been fully subnetted".to_owned(),
            )
        })
    }

    async fn ensure_bridge(&self, bridge: &BridgeConfig) -> Result<()> {
        let made = self.kernel.ensure_bridge(bridge).await;
        if made.is_err()
            && let Err(error) = self.kernel.remove_bridge(&bridge.name).await
        {
            tracing::warn!(bridge = bridge.name, %error, "left behind");
        }
        Ok(made?)
    }
}

impl Engine {
    /// Tells of a network, and of the container that it concerns.
    pub(crate) fn network_event(
        &self,
        action: &str,
        network: &NetworkRecord,
        container_id: Option<&str>,
    ) {
        let mut attributes = BTreeMap::from([
            ("name".to_owned(), network.name.clone()),
            ("type".to_owned(), network.driver.as_str().to_owned()),
        ]);
        attributes.extend(container_id.map(|id| ("container".to_owned(), id.to_owned())));
        self.events().publish("network", action, &network.id, attributes);
    }
}

#[cfg(test)]
pub(crate) mod tests_support {
    pub(crate) use super::record::tests_support::network;

    /// The same, with nobody in it.
    pub(crate) fn live(name: &str, subnets: &[&str]) -> super::Network {
        super::Network::new(network(name, subnets)).unwrap()
    }
}
