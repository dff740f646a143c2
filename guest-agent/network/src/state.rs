//! What the table is to say: the bridges, and who publishes which ports.

use std::collections::{BTreeMap, HashMap};

use crate::bridge::BridgeConfig;
use crate::error::NetworkError;
use crate::nftables::{Ruleset, Table};
use crate::port::{PortMapping, PublishedPort, reserve_pair};

/// What the table says.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) bridges: BTreeMap<String, BridgeConfig>,
    pub(crate) published: HashMap<String, Vec<PublishedPort>>,
}

impl State {
    pub(crate) fn ruleset(&self) -> Ruleset<'_> {
        Ruleset {
            bridges: self.bridges.values().collect(),
            ports: self.published.values().flatten().collect(),
        }
    }

    /// Writes the whole table after a change to it was refused: somebody has flushed
    /// the host's rules, ours among them.
    pub(crate) fn replace(
        &self,
        table: &mut Table,
        refusal: &NetworkError,
    ) -> Result<(), NetworkError> {
        tracing::warn!(table = table.name(), error = %refusal, "writing the nftables table anew");
        table.replace(&self.ruleset())
    }

    pub(crate) fn reserve(
        &self,
        key: &str,
        mappings: &[PortMapping],
    ) -> Result<Vec<PublishedPort>, NetworkError> {
        if self.published.contains_key(key) {
            return Err(NetworkError::AlreadyPublished(key.to_owned()));
        }
        let mut ports: Vec<PublishedPort> = Vec::with_capacity(mappings.len());
        let mut rest = mappings;
        while let [mapping, others @ ..] = rest {
            let mut taken = self.published.values().flatten().chain(&ports);
            if taken.any(|port| port.mapping.clashes_with(mapping)) {
                return Err(NetworkError::PortAllocated {
                    host_ip: mapping.host_ip,
                    port: mapping.host_port,
                });
            }
            rest = others;
            match rest {
                [counterpart, others @ ..] if mapping.is_counterpart_of(counterpart) => {
                    ports.extend(reserve_pair(mapping, counterpart)?);
                    rest = others;
                }
                _ => ports.push(PublishedPort::reserve(mapping)?),
            }
        }
        Ok(ports)
    }
}
