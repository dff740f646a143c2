//! What is published, and who is asked for it.

use std::collections::BTreeMap;

use naru_network::{NetworkError, PortMapping, Protocol};
use naru_protocol::ports::{PortProtocol, PortReply, PortRequest};
use tokio::sync::{mpsc, oneshot};

use crate::error::Result;
use crate::network::target;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) next_id: u64,
    pub(super) bindings: BTreeMap<u64, Binding>,
    /// The connected host, and which connection it is.
    pub(super) host: Option<(u64, mpsc::Sender<PortRequest>)>,
    pub(super) connections: u64,
}

#[derive(Debug)]
pub(super) struct Binding {
    pub(super) key: String,
    pub(super) mapping: PortMapping,
    /// Waits for the first answer.
    pub(super) answer: Option<oneshot::Sender<PortReply>>,
    /// Another program has the port, which was published before.
    pub(super) lost: bool,
}

impl Binding {
    /// Takes note of what has become of a port that was published before.
    pub(super) fn note(&mut self, reply: &PortReply) {
        let (container_id, port) = (&self.key, self.mapping.host_port);
        match reply {
            PortReply::Bound { .. } => {
                if self.lost {
                    tracing::info!(container_id, port, "a port is published again");
                }
                self.lost = false;
            }
            PortReply::Refused { message, .. } => {
                if !self.lost {
                    tracing::warn!(container_id, message, "a port is lost");
                }
                self.lost = true;
            }
            PortReply::NoFamily { .. } => {
                // It comes back with the host's next start, if at all, and then it is asked for.
                tracing::warn!(container_id, port, "the host has no IPv6 any more");
            }
        }
    }
}

impl State {
    /// Whether the host speaks on this connection.
    pub(super) fn is_current(&self, connection: u64) -> bool {
        self.host.as_ref().is_some_and(|(current, _)| *current == connection)
    }

    /// Whether the host has come anew since this connection was made.
    pub(super) fn is_after(&self, connection: u64) -> bool {
        self.host.as_ref().is_some_and(|(current, _)| *current > connection)
    }

    pub(super) fn add(
        &mut self,
        key: &str,
        mapping: PortMapping,
        answer: Option<oneshot::Sender<PortReply>>,
    ) -> u64 {
        self.next_id += 1;
        let binding = Binding { key: key.to_owned(), mapping, answer, lost: false };
        self.bindings.insert(self.next_id, binding);
        self.next_id
    }

    /// Refuses in Docker's words what another container has: the host would name its own program.
    pub(super) fn check_free(&self, wanted: &PortMapping) -> Result<()> {
        if self.bindings.values().any(|binding| binding.mapping.clashes_with(wanted)) {
            let PortMapping { host_ip, host_port: port, .. } = *wanted;
            return Err(NetworkError::PortAllocated { host_ip, port }.into());
        }
        Ok(())
    }

    /// The requests for what another program has.
    pub(super) fn lost(&self) -> Vec<PortRequest> {
        let lost = self.bindings.iter().filter(|(_, binding)| binding.lost);
        lost.map(|(id, _)| self.request(*id)).collect()
    }

    /// The request for a binding that is known.
    pub(super) fn request(&self, id: u64) -> PortRequest {
        let mapping = &self.bindings[&id].mapping;
        PortRequest::Bind {
            id,
            protocol: match mapping.protocol {
                Protocol::Tcp => PortProtocol::Tcp,
                Protocol::Udp => PortProtocol::Udp,
            },
            host_ip: mapping.host_ip,
            host_port: mapping.host_port,
            target: target(mapping),
        }
    }
}
