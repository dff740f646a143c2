//! What Naru's table says.
//!
//! ```text
//! table ip naru {
//!   map ports   { inet_proto . inet_service : ipv4_addr . inet_service }
//!   map address_ports { ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service }
//!
//!   chain publish {                                    # where published ports lead
//!     dnat to ip daddr . meta l4proto . th dport map @address_ports
//!     dnat to meta l4proto . th dport map @ports
//!   }
//!   chain prerouting  { nat, dstnat;  ip daddr 127.0.0.0/8 return
//!                                     fib daddr type local jump publish }
//!   chain output      { nat, dstnat;  fib daddr type local jump publish }
//!   chain guard       { filter, raw;  iifname BRIDGE ip daddr 127.0.0.0/8 drop
//!                                     iifname INTERNAL fib daddr type local
//!                                       ip daddr != GATEWAY drop }
//!   chain forward     { filter;       iifname INTERNAL oifname != INTERNAL drop
//!                                     iifname != INTERNAL oifname INTERNAL drop
//!                                     ct state established,related accept
//!                                     ct status dnat accept
//!                                     iifname BRIDGE oifname BRIDGE accept
//!                                     oifname BRIDGE drop }
//!   chain postrouting { nat, srcnat;  oifname BRIDGE ip saddr 127.0.0.0/8 masquerade
//!                                     oifname BRIDGE ip saddr SUBNET ct status dnat masquerade
//!                                     oifname != BRIDGE ip saddr SUBNET masquerade }
//! }
//! ```
//!
//! The rules that name a bridge stand once per bridge, those that name an internal one once
//! for each of these, which are not masqueraded either. Where endpoints are not to reach
//! each other directly, the rule from a bridge to itself drops. Publishing a port only adds
//! an element to a map, so its cost does not grow with the number of ports.
//!
//! - `prerouting` leaves 127.0.0.0/8 alone: by it, a neighbour on the LAN could reach
//!   a port that is published on 127.0.0.1 only.
//! - `guard` closes what `route_localnet` on the bridge opens: containers could reach
//!   the host's own loopback services. `raw` comes before connection tracking, where
//!   answers still carry the bridge's address. Members of an internal network reach the
//!   host by its address there and by no other.
//! - `forward` lets nothing into or out of an internal network, not even what belongs to a
//!   connection or goes to a published port. It keeps others, other bridges among them, from unpublished ports. It
//!   accepts nothing on behalf of other tables: a host whose own rules drop forwarded
//!   packets, as Docker's do, drops these too.
//! - The second rule of `postrouting` makes a container's answer to one on its own
//!   bridge, who asked through a published port, come back through the host.

use std::net::{IpAddr, Ipv4Addr};

use super::batch::{Batch, Element, Hook, Map};
use super::expression::{
    Expression, Field, Verdict, WORD_0, WORD_1, WORD_2, destination_translated,
    established_or_related, from_subnet, incoming, incoming_elsewhere, octets, outgoing,
    outgoing_elsewhere, to_local_address, to_others_than, to_subnet,
};
use crate::bridge::{BridgeAddress, BridgeConfig};
use crate::error::NetworkError;
use crate::netlink::{Refusal, Requests, Socket};
use crate::port::PublishedPort;
use crate::subnet::Subnet;

const LOOPBACK: Subnet = Subnet::containing(IpAddr::V4(Ipv4Addr::LOCALHOST), 8);

// How `nft` names the types of what it shows; each further one of a concatenation is
// six bits on.
const IPV4_ADDRESS: u32 = 7;
const INET_PROTOCOL: u32 = 12;
const INET_SERVICE: u32 = 13;
const ADDRESS_AND_PORT: u32 = IPV4_ADDRESS << 6 | INET_SERVICE;

/// Ports published on all addresses.
const PORTS: Map = Map {
    name: "ports",
    id: 1,
    key_type: INET_PROTOCOL << 6 | INET_SERVICE,
    key_len: 8,
    value_type: ADDRESS_AND_PORT,
    value_len: 8,
};

/// Ports published on one address.
const ADDRESS_PORTS: Map = Map {
    name: "address_ports",
    id: 2,
    key_type: IPV4_ADDRESS << 12 | INET_PROTOCOL << 6 | INET_SERVICE,
    key_len: 12,
    value_type: ADDRESS_AND_PORT,
    value_len: 8,
};

const PUBLISH: &str = "publish";
const PREROUTING: &str = "prerouting";
const OUTPUT: &str = "output";
const GUARD: &str = "guard";
const FORWARD: &str = "forward";
const POSTROUTING: &str = "postrouting";

const HOOKS: [(&str, Hook); 5] = [
    (PREROUTING, Hook { kind: "nat", number: 0, priority: -100 }),
    (OUTPUT, Hook { kind: "nat", number: 3, priority: -100 }),
    (GUARD, Hook { kind: "filter", number: 0, priority: -300 }),
    (FORWARD, Hook { kind: "filter", number: 2, priority: 0 }),
    (POSTROUTING, Hook { kind: "nat", number: 4, priority: 100 }),
];

/// All that the table has to say.
#[derive(Debug)]
pub(crate) struct Ruleset<'a> {
    pub(crate) bridges: Vec<&'a BridgeConfig>,
    pub(crate) ports: Vec<&'a PublishedPort>,
}

/// Naru's table in the kernel.
#[derive(Debug)]
pub(crate) struct Table {
    name: String,
    /// Stays open: when one closes, the kernel first waits until what its
    /// transactions deleted is out of every processor's sight.
    socket: Option<Socket>,
}

impl Table {
    /// The table of this name. Nothing is asked of the kernel yet.
    pub(crate) fn new(name: String) -> Self {
        Self { name, socket: None }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Makes the table say this and nothing else, in one step.
    pub(crate) fn replace(&mut self, ruleset: &Ruleset<'_>) -> Result<(), NetworkError> {
        let mut batch = Batch::new(&self.name);
        batch.replace_table();
        batch.add_map(&PORTS);
        batch.add_map(&ADDRESS_PORTS);
        batch.add_chain(PUBLISH, None);
        for (name, hook) in HOOKS {
            batch.add_chain(name, Some(hook));
        }
        for bridge in ruleset.bridges.iter().filter(|bridge| bridge.internal) {
            add_internal_rules(&mut batch, bridge);
        }
        add_general_rules(&mut batch);
        for bridge in &ruleset.bridges {
            add_bridge_rules(&mut batch, bridge);
        }
        let (ports, address_ports) = elements(&ruleset.ports);
        batch.add_elements(&PORTS, &ports);
        batch.add_elements(&ADDRESS_PORTS, &address_ports);
        self.commit(&batch.finish())
    }

    /// Adds published ports to the table as it stands.
    pub(crate) fn add_ports(&mut self, published: &[&PublishedPort]) -> Result<(), NetworkError> {
        let (ports, address_ports) = elements(published);
        let mut batch = Batch::new(&self.name);
        batch.add_elements(&PORTS, &ports);
        batch.add_elements(&ADDRESS_PORTS, &address_ports);
        self.commit(&batch.finish())
    }

    /// Deletes published ports from the table as it stands.
    pub(crate) fn delete_ports(
        &mut self,
        published: &[&PublishedPort],
    ) -> Result<(), NetworkError> {
        let (ports, address_ports) = elements(published);
        let mut batch = Batch::new(&self.name);
        batch.delete_elements(&PORTS, &ports);
        batch.delete_elements(&ADDRESS_PORTS, &address_ports);
        self.commit(&batch.finish())
    }

    /// Deletes the table.
    pub(crate) fn remove(&mut self) -> Result<(), NetworkError> {
        let mut batch = Batch::new(&self.name);
        batch.remove_table();
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

fn add_general_rules(batch: &mut Batch<'_>) {
    let publish = || vec![Expression::Verdict(Verdict::Jump(PUBLISH))];
    let accept = || vec![Expression::Verdict(Verdict::Accept)];
    batch.add_rule(
        PUBLISH,
        &[
            Expression::Load(Field::DestinationAddress, WORD_0),
            Expression::Load(Field::TransportProtocol, WORD_1),
            Expression::Load(Field::DestinationPort, WORD_2),
            Expression::Lookup(ADDRESS_PORTS.name),
            Expression::TranslateDestination,
        ],
    );
    batch.add_rule(
        PUBLISH,
        &[
            Expression::Load(Field::TransportProtocol, WORD_0),
            Expression::Load(Field::DestinationPort, WORD_1),
            Expression::Lookup(PORTS.name),
            Expression::TranslateDestination,
        ],
    );
    let leave = vec![Expression::Verdict(Verdict::Return)];
    batch.add_rule(PREROUTING, &[to_subnet(LOOPBACK), leave].concat());
    batch.add_rule(PREROUTING, &[to_local_address(), publish()].concat());
    batch.add_rule(OUTPUT, &[to_local_address(), publish()].concat());
    batch.add_rule(FORWARD, &[established_or_related(), accept()].concat());
    batch.add_rule(FORWARD, &[destination_translated(), accept()].concat());
}

/// What sets an internal network apart, ahead of all that accepts.
fn add_internal_rules(batch: &mut Batch<'_>, bridge: &BridgeConfig) {
    let name = bridge.name.as_str();
    let drop = || vec![Expression::Verdict(Verdict::Drop)];
    batch.add_rule(FORWARD, &[incoming(name), outgoing_elsewhere(name), drop()].concat());
    batch.add_rule(FORWARD, &[incoming_elsewhere(name), outgoing(name), drop()].concat());
    if let Some(BridgeAddress { gateway, .. }) = bridge.v4 {
        let to_host = [incoming(name), to_local_address(), to_others_than(gateway)];
        batch.add_rule(GUARD, &[to_host.concat(), drop()].concat());
    }
}

fn add_bridge_rules(batch: &mut Batch<'_>, bridge: &BridgeConfig) {
    let name = bridge.name.as_str();
    let masquerade = || vec![Expression::Masquerade];
    let drop = || vec![Expression::Verdict(Verdict::Drop)];
    batch.add_rule(GUARD, &[incoming(name), to_subnet(LOOPBACK), drop()].concat());
    // Ports of the bridge that are isolated from each other still reach it, and by it all
    // that is routed to it.
    let within = if bridge.inter_container { Verdict::Accept } else { Verdict::Drop };
    let within = vec![Expression::Verdict(within)];
    batch.add_rule(FORWARD, &[incoming(name), outgoing(name), within].concat());
    batch.add_rule(FORWARD, &[outgoing(name), drop()].concat());
    batch.add_rule(POSTROUTING, &[outgoing(name), from_subnet(LOOPBACK), masquerade()].concat());
    let Some(BridgeAddress { subnet, .. }) = bridge.v4 else { return };
    let to_neighbour = [outgoing(name), from_subnet(subnet), destination_translated()];
    batch.add_rule(POSTROUTING, &[to_neighbour.concat(), masquerade()].concat());
    if bridge.masquerade && !bridge.internal {
        let to_outside = [outgoing_elsewhere(name), from_subnet(subnet), masquerade()];
        batch.add_rule(POSTROUTING, &to_outside.concat());
    }
}

/// The elements of the two maps.
fn elements(published: &[&PublishedPort]) -> (Vec<Element>, Vec<Element>) {
    let (all, one): (Vec<&PublishedPort>, Vec<&PublishedPort>) =
        published.iter().copied().partition(|port| port.mapping.host_ip.is_unspecified());
    let element = |port: &PublishedPort, address: &[u8]| Element {
        key: [
            address,
            &[port.mapping.protocol.number(), 0, 0, 0],
            &padded_port(port.mapping.host_port),
        ]
        .concat(),
        value: [
            octets(port.mapping.container_address),
            padded_port(port.mapping.container_port).to_vec(),
        ]
        .concat(),
    };
    let all = all.into_iter().map(|port| element(port, &[])).collect();
    let one = one.into_iter().map(|port| element(port, &octets(port.mapping.host_ip))).collect();
    (all, one)
}

/// A port as it stands in a register's word.
fn padded_port(port: u16) -> [u8; 4] {
    let [high, low] = port.to_be_bytes();
    [high, low, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::{PortMapping, Protocol};

    fn published(host_ip: Ipv4Addr) -> PublishedPort {
        let mapping = PortMapping {
            host_ip: host_ip.into(),
            host_port: 0,
            container_address: Ipv4Addr::new(172, 17, 0, 2).into(),
            container_port: 80,
            protocol: Protocol::Tcp,
        };
        PublishedPort::reserve(&mapping).unwrap()
    }

    #[test]
    fn ports_are_keyed_by_protocol_and_port_and_only_if_asked_by_address() {
        let (any, local) = (published(Ipv4Addr::UNSPECIFIED), published(Ipv4Addr::LOCALHOST));
        let (ports, address_ports) = elements(&[&any, &local]);
        let value = vec![172, 17, 0, 2, 0, 80, 0, 0];
        let [high, low] = any.mapping.host_port.to_be_bytes();
        let key = vec![6, 0, 0, 0, high, low, 0, 0];
        assert_eq!(ports, [Element { key, value: value.clone() }]);
        let [high, low] = local.mapping.host_port.to_be_bytes();
        let key = vec![127, 0, 0, 1, 6, 0, 0, 0, high, low, 0, 0];
        assert_eq!(address_ports, [Element { key, value }]);
    }
}
