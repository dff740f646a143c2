//! Containers come into their networks when they start, and leave them at their end.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use naru_network::{
    Attachment, DefaultRoute, Interface, InterfaceAddress, IpvlanMode, MacAddress, NetworkError,
};

use super::ContainerNetwork;
use super::attachment::mtu;
use super::live::Network;
use super::record::HOST;
use crate::container::{Endpoint, EndpointAddress, Membership, Record};
use crate::error::{EngineError, Result};

impl ContainerNetwork {
    /// Where a container's own network namespace is, unless it has the host's or another's.
    pub(crate) fn namespace(&self, record: &Record) -> Option<PathBuf> {
        let own = record.network_mode() != HOST && record.joined_network().is_none();
        own.then(|| self.namespace_path(&record.id))
    }

    /// Gives a container its namespace, its place in each of its networks, and its ports: they
    /// are in `record` then. What was done is undone when it fails.
    #[tracing::instrument(name = "network", level = "debug", skip_all)]
    pub(crate) async fn attach(&self, record: &mut Record) -> Result<()> {
        if record.joined_network().is_some() {
            return Ok(());
        }
        let attached = self.attach_all(record).await;
        if attached.is_err() {
            self.depart(record).await;
            self.detach(record).await;
            record.forget_endpoints();
        }
        attached
    }

    async fn attach_all(&self, record: &mut Record) -> Result<()> {
        // All addresses first, for the way out is chosen among all networks.
        for index in 0..record.networks.len() {
            self.join(record, index).await?;
        }
        let Some(path) = self.namespace(record) else { return Ok(()) };
        // Also with no network, for the loopback interface to be up in it.
        self.kernel.create_namespace(&path).await?;
        for index in 0..record.networks.len() {
            self.plug(record, index).await?;
        }
        self.serve_names(record).await?;
        record.ports = self.publish_wanted(record).await?;
        Ok(())
    }

    /// Closes a container's published ports, and takes it off the lists of its networks. What
    /// fails is logged.
    pub(crate) async fn depart(&self, record: &Record) {
        if !record.ports.is_empty() {
            self.unpublish(&record.id).await;
        }
        self.name_servers.end(&record.id);
        // Of all: it may have been connected to another since the record was read.
        for network in self.all() {
            network.depart(&record.id);
        }
    }

    /// Takes its places in its networks down, once it has departed. What fails is logged: the
    /// container is gone, and the next start of the engine sweeps.
    pub(crate) async fn detach(&self, record: &Record) {
        for membership in &record.networks {
            let Some(endpoint) = &membership.endpoint else { continue };
            if !endpoint.host_interface.is_empty() {
                let disconnected = self.kernel.disconnect(&endpoint.host_interface).await;
                logged(&record.id, "disconnecting", disconnected);
            }
        }
        if let Some(path) = self.namespace(record) {
            let removed = self.kernel.remove_namespace(&path).await;
            logged(&record.id, "removing the namespace", removed);
        }
        for network in self.all() {
            network.leave(&record.id);
        }
    }

    /// Connects a running container to a network that it is not in yet.
    pub(crate) async fn connect(&self, record: &mut Record, membership: Membership) -> Result<()> {
        let name = membership.network.clone();
        record.add_membership(membership);
        let index = record.networks.iter().position(|membership| membership.network == name);
        let Some(index) = index else { return Ok(()) };
        if let Err(error) = self.join(record, index).await {
            record.networks.remove(index);
            return Err(error);
        }
        let network = self.network_of(&record.networks[index])?;
        let connected = match self.plug(record, index).await {
            Ok(()) => self.lead_out(record).await,
            Err(error) => Err(error),
        };
        if connected.is_err() {
            let membership = record.networks.remove(index);
            self.unplug(record, &membership).await;
            network.leave(&record.id);
            self.serve_names(record).await?;
        }
        connected
    }

    /// Takes a running container out of the network at `index` of its own.
    pub(crate) async fn disconnect(&self, record: &mut Record, index: usize) -> Result<()> {
        let membership = record.networks.remove(index);
        self.unplug(record, &membership).await;
        if let Ok(network) = self.network_of(&membership) {
            network.leave(&record.id);
        }
        self.lead_out(record).await
    }

    /// A container has another name from now on.
    pub(crate) fn renamed(&self, record: &Record) {
        for membership in &record.networks {
            if let Ok(network) = self.network_of(membership) {
                network.rename(record, membership);
            }
        }
    }

    /// Reserves a place in the network at `index`.
    async fn join(&self, record: &mut Record, index: usize) -> Result<()> {
        let network = self.network_of(&record.networks[index])?;
        let mut endpoint = network.join(record, &record.networks[index]).await?;
        endpoint.interface = network.attachment.as_ref().map(|_| free_interface(record));
        let membership = &mut record.networks[index];
        membership.network_id = Some(network.record.id.clone());
        membership.endpoint = Some(endpoint);
        Ok(())
    }

    /// Makes the interface in the network at `index`.
    async fn plug(&self, record: &mut Record, index: usize) -> Result<()> {
        let network = self.network_of(&record.networks[index])?;
        let Some(attachment) = &network.attachment else { return Ok(()) };
        let path = self.namespace_path(&record.id);
        let Some(interface) = interface(record, index, &network)? else { return Ok(()) };
        let host_interface = self.kernel.connect(&path, attachment, &interface).await?;
        if let Some(endpoint) = &mut record.networks[index].endpoint {
            endpoint.host_interface = host_interface;
        }
        Ok(())
    }

    async fn unplug(&self, record: &Record, membership: &Membership) {
        let Some(endpoint) = &membership.endpoint else { return };
        let unplugged = match &endpoint.interface {
            _ if !endpoint.host_interface.is_empty() => {
                self.kernel.disconnect(&endpoint.host_interface).await
            }
            Some(interface) => {
                let path = self.namespace_path(&record.id);
                self.kernel.remove_interface(&path, interface).await
            }
            None => Ok(()),
        };
        logged(&record.id, "disconnecting", unplugged);
    }

    /// Leads a running container's packets and its published ports by the way out that it has
    /// now, and has it find the names that there are now.
    async fn lead_out(&self, record: &mut Record) -> Result<()> {
        let mut routes = Vec::new();
        for v6 in [false, true] {
            let Some((membership, address)) = record.way_out(v6) else { continue };
            let network = self.network_of(membership)?;
            let interface = membership.endpoint.as_ref().and_then(|e| e.interface.clone());
            if let (Some(interface), Some(gateway)) = (interface, gateway(&network, address)) {
                routes.push(DefaultRoute { interface, gateway });
            }
        }
        let path = self.namespace_path(&record.id);
        self.kernel.set_default_routes(&path, &routes).await?;
        record.ports = self.republish(record).await?;
        self.serve_names(record).await?;
        Ok(())
    }

    pub(super) fn namespace_path(&self, container_id: &str) -> PathBuf {
        self.directory.join(container_id)
    }
}

/// The interface that a container is to have in a network.
fn interface(record: &Record, index: usize, network: &Network) -> Result<Option<Interface>> {
    let membership = &record.networks[index];
    let Some(endpoint) = &membership.endpoint else { return Ok(None) };
    let Some(name) = endpoint.interface.clone() else { return Ok(None) };
    let mut default_routes = Vec::new();
    for v6 in [false, true] {
        if let Some((way, address)) = record.way_out(v6)
            && way.network == membership.network
        {
            default_routes.extend(gateway(network, address));
        }
    }
    let addresses = endpoint.addresses.iter();
    Ok(Some(Interface {
        name,
        addresses: addresses
            .map(|own| InterfaceAddress { address: own.address, prefix_len: own.prefix_len })
            .collect(),
        mac: mac(endpoint)?,
        mtu: mtu(&network.record)?,
        default_routes,
    }))
}

/// The way out as the kernel is to be told of it. On layer 3 there is no neighbour to ask:
/// the interface itself is it.
fn gateway(network: &Network, address: &EndpointAddress) -> Option<IpAddr> {
    match &network.attachment {
        Some(Attachment::Ipvlan { mode: IpvlanMode::L3 | IpvlanMode::L3s, .. }) => {
            Some(if address.address.is_ipv6() {
                Ipv6Addr::UNSPECIFIED.into()
            } else {
                Ipv4Addr::UNSPECIFIED.into()
            })
        }
        _ => address.gateway,
    }
}

fn mac(endpoint: &Endpoint) -> Result<MacAddress> {
    endpoint.mac.parse().map_err(|error: NetworkError| EngineError::from(error))
}

/// The first interface's name that the container does not have: `eth0`, `eth1`, …
fn free_interface(record: &Record) -> String {
    let taken: Vec<&str> = record
        .networks
        .iter()
        .filter_map(|membership| membership.endpoint.as_ref()?.interface.as_deref())
        .collect();
    (0..=taken.len())
        .map(|number| format!("eth{number}"))
        .find(|name| !taken.contains(&name.as_str()))
        .unwrap_or_default()
}

fn logged(container_id: &str, what: &'static str, result: Result<(), NetworkError>) {
    if let Err(error) = result {
        tracing::warn!(container_id, %error, "{what} failed");
    }
}
