//! The engine's handle on all of it.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::attachment::{Attachment, Interface};
use crate::bridge::BridgeConfig;
use crate::claim::{self, SubnetClaim};
use crate::connection::{self, Connection};
use crate::conntrack;
use crate::error::NetworkError;
use crate::namespace::{self, on_own_thread};
use crate::nftables::Table;
use crate::port::PortMapping;
use crate::routing::{self, DefaultRoute};
use crate::state::State;
use crate::subnet::Subnet;

/// How a set of networks differs from another engine's on the same host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworksConfig {
    /// The name of the nftables tables of the families `ip` and `ip6`. Nobody else's rules
    /// stand in them.
    pub table: String,
}

impl Default for NetworksConfig {
    fn default() -> Self {
        Self { table: "naru".to_owned() }
    }
}

/// Ports published under one key, to be published again after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The caller's name for them.
    pub key: String,
    /// The ports, with the host ports that were chosen.
    pub mappings: Vec<PortMapping>,
}

/// Bridges, namespaces and published ports of this host. Clones share their state.
///
/// It works in the network namespace of the threads it is called from. Every method
/// runs to its end even if its future is dropped; what it did can then be undone with
/// its counterpart.
#[derive(Clone, Debug)]
pub struct Networks {
    /// Held while the table changes, so that table and state agree. Only threads of
    /// [`on_own_thread`] take it.
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    table: Table,
    state: State,
}

impl Networks {
    /// Takes charge of the table. What an earlier process left in it stays in force
    /// until the first of `restore`, `ensure_bridge`, `publish`.
    pub fn open(config: NetworksConfig) -> Self {
        let shared = Shared { table: Table::new(config.table), state: State::default() };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Brings bridges and published ports back after a restart. The table is replaced
    /// in one step, so that ports which stay published never close. Returns the keys
    /// whose ports somebody else took meanwhile, and why; none of their ports is
    /// published.
    pub async fn restore(
        &self,
        bridges: Vec<BridgeConfig>,
        publications: Vec<Publication>,
    ) -> Result<Vec<(String, NetworkError)>, NetworkError> {
        self.locked(move |table, state| {
            for bridge in bridges {
                bridge.set_up()?;
                state.bridges.insert(bridge.name.clone(), bridge);
            }
            let mut failures = Vec::new();
            for Publication { key, mappings } in publications {
                match state.reserve(&key, &mappings) {
                    Ok(ports) => {
                        state.published.insert(key, ports);
                    }
                    Err(error) => failures.push((key, error)),
                }
            }
            table.replace(&state.ruleset())?;
            Ok(failures)
        })
        .await
    }

    /// Creates the bridge, or adjusts one of that name, with its address, forwarding
    /// and rules. It can be called again.
    pub async fn ensure_bridge(&self, bridge: &BridgeConfig) -> Result<(), NetworkError> {
        self.restore(vec![bridge.clone()], Vec::new()).await.map(|_no_failures| ())
    }

    /// Deletes the bridge and its rules. One that is not there is no error.
    pub async fn remove_bridge(&self, name: &str) -> Result<(), NetworkError> {
        let name = name.to_owned();
        self.locked(move |table, state| {
            state.bridges.remove(&name);
            table.replace(&state.ruleset())?;
            connection::delete_link(&name)
        })
        .await
    }

    /// Unpublishes everything and deletes the table. Bridges stay.
    pub async fn clear(&self) -> Result<(), NetworkError> {
        self.locked(|table, state| {
            *state = State::default();
            table.remove()
        })
        .await
    }

    /// Creates a network namespace with `lo` up and mounts it at `path`, where no file
    /// may be; missing directories are created. It lives without a process in it.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn create_namespace(&self, path: &Path) -> Result<(), NetworkError> {
        let path = path.to_owned();
        on_own_thread(move || namespace::create(&path)).await
    }

    /// Removes a namespace and its interfaces. One that is not there is no error.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn remove_namespace(&self, path: &Path) -> Result<(), NetworkError> {
        let path = path.to_owned();
        on_own_thread(move || namespace::remove(&path)).await
    }

    /// Gives the namespace at `netns` an interface with addresses and default routes, all
    /// up. The bridge or the parent must be there. Returns the name of the host's end,
    /// for `disconnect`; it is empty where there is none.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn connect(
        &self,
        netns: &Path,
        attachment: &Attachment,
        interface: &Interface,
    ) -> Result<String, NetworkError> {
        let connection = Connection {
            netns: netns.to_owned(),
            attachment: attachment.clone(),
            interface: interface.clone(),
        };
        on_own_thread(move || connection.make()).await
    }

    /// Deletes the interface pair at once. A pair that is not there, for instance
    /// because its namespace is gone, is no error.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn disconnect(&self, host_interface: &str) -> Result<(), NetworkError> {
        let name = host_interface.to_owned();
        on_own_thread(move || connection::delete_link(&name)).await
    }

    /// Deletes an interface of a namespace from inside, as those need it that have no end
    /// on the host. One that is not there is no error.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn remove_interface(
        &self,
        netns: &Path,
        interface: &str,
    ) -> Result<(), NetworkError> {
        let (netns, name) = (netns.to_owned(), interface.to_owned());
        on_own_thread(move || connection::remove_interface(&netns, &name)).await
    }

    /// Makes these the default routes of a namespace, at most one of each family, in
    /// place of those there are. A family that is not named has none any more.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn set_default_routes(
        &self,
        netns: &Path,
        routes: &[DefaultRoute],
    ) -> Result<(), NetworkError> {
        let (netns, routes) = (netns.to_owned(), routes.to_vec());
        on_own_thread(move || routing::set_default_routes(&netns, &routes)).await
    }

    /// Publishes ports under a key and returns them with the host ports that were
    /// chosen for port 0. Either all are published or none.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn publish(
        &self,
        key: &str,
        mappings: &[PortMapping],
    ) -> Result<Vec<PortMapping>, NetworkError> {
        let (key, mappings) = (key.to_owned(), mappings.to_vec());
        self.locked(move |table, state| {
            let ports = state.reserve(&key, &mappings)?;
            let filled: Vec<_> = ports.iter().map(|port| port.mapping).collect();
            let added = table.add_ports(&ports.iter().collect::<Vec<_>>());
            state.published.insert(key.clone(), ports);
            if let Err(error) = added.or_else(|error| state.replace(table, &error)) {
                state.published.remove(&key);
                return Err(error);
            }
            forget_udp(&filled);
            Ok(filled)
        })
        .await
    }

    /// Ends what `publish` did for this key. New connections are refused from then on, and
    /// packets of UDP too; connections of TCP that stand are left alone. An unknown key is
    /// no error.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn unpublish(&self, key: &str) -> Result<(), NetworkError> {
        let key = key.to_owned();
        self.locked(move |table, state| {
            let Some(ports) = state.published.remove(&key) else { return Ok(()) };
            table
                .delete_ports(&ports.iter().collect::<Vec<_>>())
                .or_else(|error| state.replace(table, &error))?;
            forget_udp(ports.iter().map(|port| &port.mapping));
            Ok(())
        })
        .await
    }

    /// Waits until no other engine of this host is between its choice of a subnet and the
    /// bridge that shows it, and keeps others waiting until it is dropped.
    pub async fn claim_subnets(&self) -> Result<SubnetClaim, NetworkError> {
        on_own_thread(claim::claim).await
    }

    /// The first of `candidates` that no network of this host overlaps. The network of
    /// `bridge` itself does not count: after a restart it is there already. It stays free
    /// as long as the caller has claimed subnets.
    pub async fn free_subnet(
        &self,
        candidates: &[Subnet],
        bridge: &str,
    ) -> Result<Option<Subnet>, NetworkError> {
        let (candidates, bridge) = (candidates.to_vec(), bridge.to_owned());
        on_own_thread(move || {
            let routed = routing::networks_beside(&bridge)?;
            let is_free =
                |candidate: &Subnet| !routed.iter().any(|subnet| subnet.overlaps(*candidate));
            Ok(candidates.into_iter().find(is_free))
        })
        .await
    }

    /// The subnets Docker tries for its bridges, in its order.
    pub fn default_subnets() -> Vec<Subnet> {
        let large = (17..32).map(|second| (Ipv4Addr::new(172, second, 0, 0), 16));
        let small = (0..16).map(|third| (Ipv4Addr::new(192, 168, third * 16, 0), 20));
        large
            .chain(small)
            .map(|(network, prefix)| Subnet::containing(IpAddr::V4(network), prefix))
            .collect()
    }

    /// Runs `work` on a thread of its own with table and state for itself.
    async fn locked<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Table, &mut State) -> Result<T, NetworkError> + Send + 'static,
    ) -> Result<T, NetworkError> {
        let shared = Arc::clone(&self.shared);
        on_own_thread(move || {
            // Every step leaves the state whole, so that a panic does not spoil it.
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let Shared { table, state } = &mut *shared;
            work(table, state)
        })
        .await
    }
}

/// Where the kernel cannot forget, senders that never pause are led as they were.
fn forget_udp<'a>(mappings: impl IntoIterator<Item = &'a PortMapping>) {
    if let Err(error) = conntrack::forget_udp(mappings) {
        tracing::warn!(%error, "what was sent to a UDP port before may go its old way");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_subnets_begin_as_dockers_do() {
        let subnets = Networks::default_subnets();
        assert_eq!(subnets.len(), 31);
        assert_eq!(subnets[0].to_string(), "172.17.0.0/16");
        assert_eq!(subnets[15].to_string(), "192.168.0.0/20");
        assert_eq!(subnets[30].to_string(), "192.168.240.0/20");
    }
}
