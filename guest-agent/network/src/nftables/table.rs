//! Naru's tables in the kernel, one of each family, which change together.

use super::batch::Batch;
use super::family::Family;
use super::maps::elements;
use super::ruleset::Ruleset;
use crate::error::NetworkError;
use crate::netlink::{Refusal, Requests, Socket};
use crate::port::PublishedPort;
use crate::sysctl;

const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];

/// Naru's tables of one name in the kernel.
#[derive(Debug)]
pub(crate) struct Table {
    name: String,
    /// Stays open: when one closes, the kernel first waits until what its
    /// transactions deleted is out of every processor's sight.
    socket: Option<Socket>,
}

impl Table {
    /// The tables of this name. Nothing is asked of the kernel yet.
    pub(crate) fn new(name: String) -> Self {
        Self { name, socket: None }
    }

    /// Their name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Makes the tables say this and nothing else, in one step.
    pub(crate) fn replace(&mut self, ruleset: &Ruleset<'_>) -> Result<(), NetworkError> {
        let mut batch = Batch::new(&self.name);
        ruleset.write(Family::Ipv4, &mut batch);
        batch.switch_to(Family::Ipv6);
        if ruleset.has_ipv6() {
            ruleset.write(Family::Ipv6, &mut batch);
        } else if sysctl::has_ipv6() {
            batch.remove_table();
        }
        self.commit(&batch.finish())
    }

    /// Adds published ports to the tables as they stand.
    pub(crate) fn add_ports(&mut self, published: &[&PublishedPort]) -> Result<(), NetworkError> {
        let mut batch = Batch::new(&self.name);
        for family in FAMILIES {
            batch.switch_to(family);
            for (map, elements) in elements(family, published) {
                batch.add_elements(&map, &elements);
            }
        }
        self.commit(&batch.finish())
    }

    /// Deletes published ports from the tables as they stand.
    pub(crate) fn delete_ports(
        &mut self,
        published: &[&PublishedPort],
    ) -> Result<(), NetworkError> {
        let mut batch = Batch::new(&self.name);
        for family in FAMILIES {
            batch.switch_to(family);
            for (map, elements) in elements(family, published) {
                batch.delete_elements(&map, &elements);
            }
        }
        self.commit(&batch.finish())
    }

    /// Deletes the tables.
    pub(crate) fn remove(&mut self) -> Result<(), NetworkError> {
        let mut batch = Batch::new(&self.name);
        batch.remove_table();
        if sysctl::has_ipv6() {
            batch.switch_to(Family::Ipv6);
            batch.remove_table();
        }
        self.commit(&batch.finish())
    }

    fn commit(&mut self, requests: &Requests) -> Result<(), NetworkError> {
        self.send(requests).map_err(|refusal| {
            // Further answers may be queued in it.
            self.socket = None;
            NetworkError::Netlink {
                operation: refusal.operation,
                subject: self.name.clone(),
                source: refusal.source,
            }
        })
    }

    fn send(&mut self, requests: &Requests) -> Result<(), Refusal> {
        let open = |source| Refusal { operation: "open a netlink socket", source };
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => Socket::netfilter().map_err(open)?,
        };
        self.socket.insert(socket).send(requests)
    }
}
