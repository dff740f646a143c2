//! A network as it is now: which addresses are in use, and who is in it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use naru_network::{Attachment, MacAddress};
use tokio::sync::Notify;

use super::attachment::attachment;
use super::occupancy::{JoinError, Member, Occupancy};
use super::record::{NetworkRecord, Pool};
use crate::container::{Endpoint, EndpointAddress, Membership, Record, random_id};
use crate::error::{EngineError, Result};

/// A network of the engine.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) record: NetworkRecord,
    /// How the kernel connects its containers; not at all to the host's, or to none.
    pub(super) attachment: Option<Attachment>,
    occupancy: Mutex<Occupancy>,
    /// Tells that somebody has left.
    left: Notify,
}

impl Network {
    pub(super) fn new(record: NetworkRecord) -> Result<Self> {
        let attachment = attachment(&record)?;
        let occupancy = Mutex::new(Occupancy::new(&record.pools));
        Ok(Self { record, attachment, occupancy, left: Notify::new() })
    }

    /// Gives a container a place, and addresses: those that it asks for, or any. Addresses of
    /// containers that have ended are waited for until the kernel has taken them down.
    pub(super) async fn join(&self, record: &Record, membership: &Membership) -> Result<Endpoint> {
        self.check(membership)?;
        loop {
            // Made before the look, so that a leave in between is not missed.
            let left = self.left.notified();
            match self.join_now(record, membership) {
                Err(JoinError::Leaving) => left.await,
                Err(JoinError::Refused(error)) => return Err(error),
                Ok(endpoint) => return Ok(endpoint),
            }
        }
    }

    fn join_now(&self, record: &Record, membership: &Membership) -> Result<Endpoint, JoinError> {
        let mut occupancy = self.occupancy();
        if occupancy.removed {
            return Err(EngineError::NoSuchNetwork(self.record.id.clone()).into());
        }
        if occupancy.members.contains_key(&record.id) {
            return Err(self.already_in_it(record).into());
        }
        let addresses = self.take_addresses(&mut occupancy, membership)?;
        let mac = membership.wanted_mac()?.or_else(|| mac_for(&addresses));
        let endpoint = Endpoint {
            id: random_id(),
            interface: None,
            addresses,
            mac: mac.map(|mac| mac.to_string()).unwrap_or_default(),
            host_interface: String::new(),
        };
        let member = self.member(record, membership, endpoint.clone());
        occupancy.enter(&record.id, member);
        Ok(endpoint)
    }

    fn take_addresses(
        &self,
        occupancy: &mut Occupancy,
        membership: &Membership,
    ) -> Result<Vec<EndpointAddress>, JoinError> {
        let (v4, v6) = membership.wanted_addresses()?;
        let mut addresses: Vec<EndpointAddress> = Vec::new();
        for (index, pool) in self.record.pools.iter().enumerate() {
            let wanted =
                if pool.gateway.is_ipv6() { v6.map(IpAddr::V6) } else { v4.map(IpAddr::V4) };
            let taken = match wanted {
                Some(address) => occupancy.pools[index].reserve(address).map(|()| address),
                None => occupancy.pools[index].allocate(),
            };
            match taken {
                Ok(address) => addresses.push(self.endpoint_address(address, pool)),
                Err(error) => {
                    occupancy.release(&addresses);
                    return Err(occupancy.refusal(wanted, error));
                }
            }
        }
        Ok(addresses)
    }

    pub(crate) fn already_in_it(&self, record: &Record) -> EngineError {
        EngineError::Forbidden(format!(
            "endpoint with name {} already exists in network {}",
            record.name, self.record.name
        ))
    }

    /// Takes in a container that is there already, after a restart of the engine.
    pub(super) fn rejoin(&self, record: &Record, membership: &Membership, endpoint: &Endpoint) {
        let mut occupancy = self.occupancy();
        for address in &endpoint.addresses {
            for pool in &mut occupancy.pools {
                if pool.subnet().contains(address.address)
                    && let Err(error) = pool.reserve(address.address)
                {
                    tracing::warn!(container_id = record.id, %error, "an address is not its own");
                }
            }
        }
        let member = self.member(record, membership, endpoint.clone());
        occupancy.enter(&record.id, member);
    }

    /// Takes a container off the list; its addresses stay its own until it has left. One that is
    /// not in it is no error.
    pub(super) fn depart(&self, container_id: &str) {
        let mut occupancy = self.occupancy();
        if let Some(member) = occupancy.exit(container_id) {
            occupancy.leaving.insert(container_id.to_owned(), member.endpoint.addresses);
        }
    }

    /// Takes a container out, and its addresses back. One that is not in it is no error.
    pub(super) fn leave(&self, container_id: &str) {
        self.depart(container_id);
        let mut occupancy = self.occupancy();
        if let Some(addresses) = occupancy.leaving.remove(container_id) {
            occupancy.release(&addresses);
            drop(occupancy);
            self.left.notify_waiters();
        }
    }

    /// A container in it has another name from now on.
    pub(super) fn rename(&self, record: &Record, membership: &Membership) {
        let mut occupancy = self.occupancy();
        if let Some(member) = occupancy.exit(&record.id) {
            let member = self.member(record, membership, member.endpoint);
            occupancy.enter(&record.id, member);
        }
    }

    /// Lets nobody in any more, unless somebody is in it.
    pub(super) fn close(&self) -> Result<()> {
        let mut occupancy = self.occupancy();
        if occupancy.removed {
            return Err(EngineError::NoSuchNetwork(self.record.id.clone()));
        }
        if !occupancy.members.is_empty() {
            let members = occupancy.members.values().map(|member| {
                let id = member.endpoint.id.get(..12).unwrap_or_default();
                format!("name:{:?} id:{id:?}", member.container_name)
            });
            return Err(EngineError::Forbidden(format!(
                "error while removing network: network {} has active endpoints ({})",
                self.record.name,
                members.collect::<Vec<_>>().join(", ")
            )));
        }
        occupancy.removed = true;
        Ok(())
    }

    /// After a [`Self::close`] that came to nothing.
    pub(super) fn reopen(&self) {
        self.occupancy().removed = false;
    }

    /// Who is in it, by the containers' ids.
    pub(crate) fn members(&self) -> BTreeMap<String, Member> {
        self.occupancy().members.clone()
    }

    /// The addresses of one family of all who have this name, in small letters; none if nobody
    /// has it.
    pub(super) fn addresses(&self, name: &str, v6: bool) -> Option<Vec<IpAddr>> {
        let occupancy = self.occupancy();
        let holders = occupancy.names.get(name)?.iter();
        let members = holders.filter_map(|id| occupancy.members.get(id));
        Some(members.filter_map(|m| Some(m.endpoint.address(v6)?.address)).collect())
    }

    /// The name of the container that has this address.
    pub(super) fn container_at(&self, address: IpAddr) -> Option<String> {
        let occupancy = self.occupancy();
        let mut members = occupancy.members.values();
        let has_it =
            |member: &&Member| member.endpoint.addresses.iter().any(|own| own.address == address);
        members.find(has_it).map(|member| member.container_name.clone())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.occupancy().members.is_empty()
    }

    fn endpoint_address(&self, address: IpAddr, pool: &Pool) -> EndpointAddress {
        EndpointAddress {
            address,
            prefix_len: pool.subnet.prefix_len(),
            gateway: (!self.record.internal).then_some(pool.gateway),
        }
    }

    fn member(&self, record: &Record, membership: &Membership, endpoint: Endpoint) -> Member {
        let names =
            if self.record.is_user_defined() { membership.dns_names(record) } else { Vec::new() };
        Member { container_name: record.name.clone(), endpoint, names }
    }

    fn occupancy(&self) -> MutexGuard<'_, Occupancy> {
        self.occupancy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A hardware address that goes with the address, as Docker makes them.
fn mac_for(addresses: &[EndpointAddress]) -> Option<MacAddress> {
    let first = addresses.first()?;
    Some(MacAddress::for_address(first.address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::tests_support::record;
    use crate::network::tests_support::live;

    fn wants(address: &str) -> Membership {
        let asked = format!(r#"{{"IPAMConfig":{{"IPv4Address":"{address}"}}}}"#);
        Membership::asked("web", serde_json::from_str(&asked).unwrap())
    }

    #[tokio::test]
    async fn an_address_that_was_asked_for_is_given_once() {
        let network = live("web", &["10.9.0.0/24"]);
        let (first, mut second) = (record(), record());
        second.id = "f".repeat(64);
        let endpoint = network.join(&first, &wants("10.9.0.5")).await.unwrap();
        assert_eq!(endpoint.addresses[0].address.to_string(), "10.9.0.5");
        assert_eq!(endpoint.mac, "02:42:0a:09:00:05");
        let error = network.join(&second, &wants("10.9.0.5")).await.unwrap_err();
        assert_eq!(error.to_string(), "Address already in use");
        let error = network.join(&first, &wants("10.9.0.6")).await.unwrap_err();
        assert!(error.to_string().contains("already exists in network web"), "{error}");
        let error = network.close().unwrap_err();
        assert!(error.to_string().contains("network web has active endpoints (name:\"test\""));
    }

    #[tokio::test]
    async fn an_address_that_is_taken_down_is_waited_for() {
        let network = live("web", &["10.9.0.0/24"]);
        let (first, mut second) = (record(), record());
        second.id = "f".repeat(64);
        network.join(&first, &wants("10.9.0.5")).await.unwrap();
        network.depart(&first.id);
        assert!(network.is_empty());
        let wanted = wants("10.9.0.5");
        let join = network.join(&second, &wanted);
        let leave = async { network.leave(&first.id) };
        let (joined, ()) = tokio::join!(join, leave);
        joined.unwrap();
        network.leave(&second.id);
        network.close().unwrap();
        let error = network.join(&first, &wanted).await.unwrap_err();
        assert!(matches!(error, EngineError::NoSuchNetwork(_)), "{error}");
    }
}
