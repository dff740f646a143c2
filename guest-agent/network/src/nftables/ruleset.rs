//! What Naru's tables say. That of IPv4:
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
//! That of IPv6, which there is while a bridge speaks it, says the same of its addresses,
//! but for 127.0.0.0/8. Instead its `output` leaves `::1` alone, from which the kernel
//! routes nothing to others, and internal networks may use the bridge's link-local address.
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
//!   connection or goes to a published port. It keeps others, other bridges among them,
//!   from unpublished ports. It accepts nothing on behalf of other tables: a host whose own
//!   rules drop forwarded packets, as Docker's do, drops these too until the user excepts
//!   them there.
//! - The second rule of `postrouting` makes a container's answer to one on its own
//!   bridge, who asked through a published port, come back through the host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::batch::{Batch, Hook};
use super::expression::{DESTINATION_PORT, Expression, Field, Verdict, WORD_0, word};
use super::family::Family;
use super::maps::{address_ports, elements, ports};
use super::matches::{
    destination_translated, established_or_related, from_subnet, incoming, incoming_elsewhere,
    outgoing, outgoing_elsewhere, to_local_address, to_others_than, to_outside, to_subnet,
};
use crate::bridge::{BridgeAddress, BridgeConfig};
use crate::port::PublishedPort;
use crate::subnet::Subnet;

const LOOPBACK: Subnet = Subnet::containing(IpAddr::V4(Ipv4Addr::LOCALHOST), 8);
const LOOPBACK_IPV6: Subnet = Subnet::containing(IpAddr::V6(Ipv6Addr::LOCALHOST), 128);
const LINK_LOCAL: Subnet =
    Subnet::containing(IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10);

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

/// All that the tables have to say.
#[derive(Debug)]
pub(crate) struct Ruleset<'a> {
    pub(crate) bridges: Vec<&'a BridgeConfig>,
    pub(crate) ports: Vec<&'a PublishedPort>,
}

impl Ruleset<'_> {
    /// Whether there is anything to say of IPv6.
    pub(crate) fn has_ipv6(&self) -> bool {
        self.bridges.iter().any(|bridge| bridge.v6.is_some())
    }

    /// Makes the table of this family, which the batch is at, say its part of it.
    pub(crate) fn write(&self, family: Family, batch: &mut Batch<'_>) {
        let of_family: Vec<_> = self
            .bridges
            .iter()
            .filter_map(|bridge| Some((*bridge, place(bridge, family)?)))
            .collect();
        batch.replace_table();
        batch.add_map(&ports(family));
        batch.add_map(&address_ports(family));
        batch.add_chain(PUBLISH, None);
        for (name, hook) in HOOKS {
            batch.add_chain(name, Some(hook));
        }
        for (bridge, place) in of_family.iter().filter(|(bridge, _)| bridge.internal) {
            add_internal_rules(batch, &bridge.name, *place);
        }
        add_general_rules(family, batch);
        for (bridge, place) in of_family {
            add_bridge_rules(batch, bridge, place);
        }
        for (map, elements) in elements(family, &self.ports) {
            batch.add_elements(&map, &elements);
        }
    }
}

fn place(bridge: &BridgeConfig, family: Family) -> Option<BridgeAddress> {
    match family {
        Family::Ipv4 => bridge.v4,
        Family::Ipv6 => bridge.v6,
    }
}

fn add_general_rules(family: Family, batch: &mut Batch<'_>) {
    let publish = || vec![Expression::Verdict(Verdict::Jump(PUBLISH))];
    let accept = || vec![Expression::Verdict(Verdict::Accept)];
    let leave = vec![Expression::Verdict(Verdict::Return)];
    let address_words = family.address_words();
    batch.add_rule(
        PUBLISH,
        &[
            Expression::Load(Field::DestinationAddress(family), WORD_0),
            Expression::Load(Field::TransportProtocol, word(address_words)),
            Expression::Load(Field::Port(DESTINATION_PORT), word(address_words + 1)),
            Expression::Lookup(address_ports(family).name),
            Expression::TranslateDestination(family),
        ],
    );
    batch.add_rule(
        PUBLISH,
        &[
            Expression::Load(Field::TransportProtocol, WORD_0),
            Expression::Load(Field::Port(DESTINATION_PORT), word(1)),
            Expression::Lookup(ports(family).name),
            Expression::TranslateDestination(family),
        ],
    );
    match family {
        Family::Ipv4 => batch.add_rule(PREROUTING, &[to_subnet(LOOPBACK), leave].concat()),
        Family::Ipv6 => batch.add_rule(OUTPUT, &[to_subnet(LOOPBACK_IPV6), leave].concat()),
    }
    batch.add_rule(PREROUTING, &[to_local_address(), publish()].concat());
    batch.add_rule(OUTPUT, &[to_local_address(), publish()].concat());
    batch.add_rule(FORWARD, &[established_or_related(), accept()].concat());
    batch.add_rule(FORWARD, &[destination_translated(), accept()].concat());
}

/// What sets an internal network apart, ahead of all that accepts.
fn add_internal_rules(batch: &mut Batch<'_>, name: &str, place: BridgeAddress) {
    let drop = || vec![Expression::Verdict(Verdict::Drop)];
    batch.add_rule(FORWARD, &[incoming(name), outgoing_elsewhere(name), drop()].concat());
    batch.add_rule(FORWARD, &[incoming_elsewhere(name), outgoing(name), drop()].concat());
    let mut to_host = [incoming(name), to_local_address(), to_others_than(place.gateway)].concat();
    if place.gateway.is_ipv6() {
        to_host.extend(to_outside(LINK_LOCAL));
    }
    batch.add_rule(GUARD, &[to_host, drop()].concat());
}

fn add_bridge_rules(batch: &mut Batch<'_>, bridge: &BridgeConfig, place: BridgeAddress) {
    let name = bridge.name.as_str();
    let subnet = place.subnet;
    let masquerade = || vec![Expression::Masquerade];
    let drop = || vec![Expression::Verdict(Verdict::Drop)];
    if !subnet.is_ipv6() {
        batch.add_rule(GUARD, &[incoming(name), to_subnet(LOOPBACK), drop()].concat());
        let from_host = [outgoing(name), from_subnet(LOOPBACK), masquerade()];
        batch.add_rule(POSTROUTING, &from_host.concat());
    }
    // Ports of the bridge that are isolated from each other still reach it, and by it all
    // that is routed to it.
    let within = if bridge.inter_container { Verdict::Accept } else { Verdict::Drop };
    let within = vec![Expression::Verdict(within)];
    batch.add_rule(FORWARD, &[incoming(name), outgoing(name), within].concat());
    batch.add_rule(FORWARD, &[outgoing(name), drop()].concat());
    let to_neighbour = [outgoing(name), from_subnet(subnet), destination_translated()];
    batch.add_rule(POSTROUTING, &[to_neighbour.concat(), masquerade()].concat());
    if bridge.masquerade && !bridge.internal {
        let to_others = [outgoing_elsewhere(name), from_subnet(subnet), masquerade()];
        batch.add_rule(POSTROUTING, &to_others.concat());
    }
}
