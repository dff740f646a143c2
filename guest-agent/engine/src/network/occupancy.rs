//! Who is in a network, by which names, and which addresses are in use.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use naru_network::{AddressPool, NetworkError};

use super::record::Pool;
use crate::container::{Endpoint, EndpointAddress};
use crate::error::EngineError;

/// A container in a network.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) container_name: String,
    pub(crate) endpoint: Endpoint,
    /// By which others find it; there are none in the default bridge.
    pub(super) names: Vec<String>,
}

/// What changes of a network.
#[derive(Debug)]
pub(super) struct Occupancy {
    /// It is gone: nobody comes in any more.
    pub(super) removed: bool,
    pub(super) pools: Vec<AddressPool>,
    /// By the container's id.
    pub(super) members: BTreeMap<String, Member>,
    /// Addresses of containers that have ended, until the kernel has taken them down.
    pub(super) leaving: HashMap<String, Vec<EndpointAddress>>,
    /// Names in small letters, and who has them.
    pub(super) names: HashMap<String, Vec<String>>,
}

/// Why somebody cannot come in.
#[derive(Debug)]
pub(super) enum JoinError {
    /// Somebody who has just ended is still in the way.
    Leaving,
    Refused(EngineError),
}

impl From<EngineError> for JoinError {
    fn from(error: EngineError) -> Self {
        Self::Refused(error)
    }
}

impl Occupancy {
    /// Nobody's, of these pools.
    pub(super) fn new(pools: &[Pool]) -> Self {
        Self {
            removed: false,
            pools: pools.iter().map(address_pool).collect(),
            members: BTreeMap::new(),
            leaving: HashMap::new(),
            names: HashMap::new(),
        }
    }

    pub(super) fn enter(&mut self, container_id: &str, member: Member) {
        for name in &member.names {
            self.names.entry(name.to_lowercase()).or_default().push(container_id.to_owned());
        }
        self.members.insert(container_id.to_owned(), member);
    }

    pub(super) fn exit(&mut self, container_id: &str) -> Option<Member> {
        let member = self.members.remove(container_id)?;
        for name in &member.names {
            let name = name.to_lowercase();
            if let Some(holders) = self.names.get_mut(&name) {
                holders.retain(|holder| holder != container_id);
                if holders.is_empty() {
                    self.names.remove(&name);
                }
            }
        }
        Some(member)
    }

    /// What it means that an address could not be had: the one `wanted`, or any.
    pub(super) fn refusal(&self, wanted: Option<IpAddr>, error: NetworkError) -> JoinError {
        let mut leaving = self.leaving.values().flatten();
        if leaving.any(|address| wanted.is_none_or(|wanted| wanted == address.address)) {
            return JoinError::Leaving;
        }
        JoinError::Refused(match error {
            NetworkError::AddressTaken(_) | NetworkError::AddressUnusable { .. } => {
                EngineError::Forbidden("Address already in use".to_owned())
            }
            other => other.into(),
        })
    }

    pub(super) fn release(&mut self, addresses: &[EndpointAddress]) {
        for address in addresses {
            for pool in &mut self.pools {
                if pool.subnet().contains(address.address) {
                    pool.release(address.address);
                }
            }
        }
    }
}

fn address_pool(pool: &Pool) -> AddressPool {
    let reserved = pool.auxiliary.values().copied().chain([pool.gateway]);
    AddressPool::new(pool.subnet, pool.range, reserved)
}
