//! The containers' name servers: one for each container in a network that has names.
//!
//! A server begins before the container's process, and ends with its membership; an engine that
//! starts anew opens its sockets anew.

use std::collections::HashMap;
use std::fs::read_to_string;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use naru_dns::{Dialer, Server, Sockets, serve};

use super::ContainerNetwork;
use super::names::{ContainerNames, KnownNetwork, View};
use crate::container::{Record, Resolving};
use crate::error::Result;

/// Where the host says whom it asks for names.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// All of them, by their containers' ids.
#[derive(Debug)]
pub(super) struct NameServers {
    dialer: Dialer,
    /// Where the host is, if not where a container's packets leave.
    host: Option<IpAddr>,
    running: Mutex<HashMap<String, NameServer>>,
}

#[derive(Debug)]
struct NameServer {
    names: Arc<ContainerNames>,
    /// Ends when it is dropped.
    _server: Server,
}

impl NameServers {
    pub(super) fn new(host: Option<IpAddr>) -> Result<Self> {
        Ok(Self { dialer: Dialer::start()?, host, running: Mutex::default() })
    }

    /// Ends a container's, if it has one.
    pub(super) fn end(&self, container_id: &str) {
        self.running().remove(container_id);
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, NameServer>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ContainerNetwork {
    /// Has a container find the names of the networks that it is in now; begins its server if
    /// it is to have one and has none. One that it has it keeps.
    pub(super) async fn serve_names(&self, record: &Record) -> Result<()> {
        let host_file = read_to_string(RESOLV_CONF).unwrap_or_default();
        let resolving = Resolving::of(record, &host_file);
        let view = self.view(record, &resolving);
        if let Some(server) = self.name_servers.running().get(&record.id) {
            server.names.change(view);
            return Ok(());
        }
        if !resolving.is_embedded() {
            return Ok(());
        }
        let path = self.namespace_path(&record.id);
        let sockets = self.kernel.resolver_sockets(&path).await?;
        let sockets = Sockets { udp: sockets.udp, tcp: sockets.tcp, namespace: sockets.namespace };
        let names = Arc::new(ContainerNames::new(view));
        let server = serve(sockets, Arc::clone(&names) as _, &self.name_servers.dialer)?;
        let server = NameServer { names, _server: server };
        self.name_servers.running().insert(record.id.clone(), server);
        Ok(())
    }

    fn view(&self, record: &Record, resolving: &Resolving) -> View {
        let networks = record.networks.iter().filter_map(|membership| {
            membership.endpoint.as_ref()?;
            let network = self.network_of(membership).ok()?;
            let has_names = network.record.is_user_defined();
            has_names.then(|| KnownNetwork::new(network, membership))
        });
        let way_out = record.way_out(false).or_else(|| record.way_out(true));
        View {
            networks: networks.collect(),
            host: way_out.and_then(|(_, address)| self.name_servers.host.or(address.gateway)),
            upstreams: resolving.upstreams(),
        }
    }
}
