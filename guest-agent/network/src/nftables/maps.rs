//! The maps in which published ports stand.

use super::batch::{Element, Map};
use super::family::Family;
use super::matches::octets;
use crate::port::{PortMapping, PublishedPort};

// How `nft` names the types of what it shows; each further one of a concatenation is
// six bits on.
const INET_PROTOCOL: u32 = 12;
const INET_SERVICE: u32 = 13;
const WORD_LEN: u32 = 4;

/// Ports published on all addresses of a family.
pub(crate) fn ports(family: Family) -> Map {
    Map {
        name: "ports",
        id: u32::from(family.number()),
        key_type: INET_PROTOCOL << 6 | INET_SERVICE,
        key_len: 2 * WORD_LEN,
        value_type: address_type(family) << 6 | INET_SERVICE,
        value_len: (family.address_words() + 1) * WORD_LEN,
    }
}

/// Ports published on one address.
pub(crate) fn address_ports(family: Family) -> Map {
    let ports = ports(family);
    Map {
        name: "address_ports",
        id: ports.id + 1,
        key_type: address_type(family) << 12 | ports.key_type,
        key_len: ports.key_len + family.address_words() * WORD_LEN,
        ..ports
    }
}

fn address_type(family: Family) -> u32 {
    match family {
        Family::Ipv4 => 7,
        Family::Ipv6 => 8,
    }
}

/// The elements of a family's two maps.
pub(crate) fn elements(family: Family, published: &[&PublishedPort]) -> [(Map, Vec<Element>); 2] {
    let of_family = published.iter().map(|port| &port.mapping);
    let of_family = of_family.filter(|mapping| Family::of(mapping.host_ip) == family);
    let (all, one): (Vec<&PortMapping>, Vec<&PortMapping>) =
        of_family.partition(|mapping| mapping.host_ip.is_unspecified());
    let element = |mapping: &PortMapping, mut key: Vec<u8>| {
        key.extend([mapping.protocol.number(), 0, 0, 0]);
        key.extend(padded_port(mapping.host_port));
        let mut value = octets(mapping.container_address);
        value.extend(padded_port(mapping.container_port));
        Element { key, value }
    };
    let all = all.into_iter().map(|mapping| element(mapping, Vec::new()));
    let one = one.into_iter().map(|mapping| element(mapping, octets(mapping.host_ip)));
    [(ports(family), all.collect()), (address_ports(family), one.collect())]
}

/// A port as it stands in a register's word.
fn padded_port(port: u16) -> [u8; 4] {
    let [high, low] = port.to_be_bytes();
    [high, low, 0, 0]
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::*;
    use crate::port::Protocol;

    fn published(host_ip: impl Into<IpAddr>, container: impl Into<IpAddr>) -> PublishedPort {
        let mapping = PortMapping {
            host_ip: host_ip.into(),
            host_port: 0,
            container_address: container.into(),
            container_port: 80,
            protocol: Protocol::Tcp,
        };
        PublishedPort::reserve(&mapping).unwrap()
    }

    #[test]
    fn ports_are_keyed_by_protocol_and_port_and_only_if_asked_by_address() {
        let container = Ipv4Addr::new(172, 17, 0, 2);
        let any = published(Ipv4Addr::UNSPECIFIED, container);
        let local = published(Ipv4Addr::LOCALHOST, container);
        let [(_, ports), (_, address_ports)] = elements(Family::Ipv4, &[&any, &local]);
        let value = vec![172, 17, 0, 2, 0, 80, 0, 0];
        let [high, low] = any.mapping.host_port.to_be_bytes();
        let key = vec![6, 0, 0, 0, high, low, 0, 0];
        assert_eq!(ports, [Element { key, value: value.clone() }]);
        let [high, low] = local.mapping.host_port.to_be_bytes();
        let key = vec![127, 0, 0, 1, 6, 0, 0, 0, high, low, 0, 0];
        assert_eq!(address_ports, [Element { key, value }]);
        assert!(elements(Family::Ipv6, &[&any, &local]).iter().all(|(_, found)| found.is_empty()));
    }

    #[test]
    fn elements_are_as_long_as_their_map_says() {
        for (family, any, container) in
            [(Family::Ipv4, "0.0.0.0", "172.17.0.2"), (Family::Ipv6, "::", "fd00::2")]
        {
            let any: IpAddr = any.parse().unwrap();
            let container: IpAddr = container.parse().unwrap();
            let any = published(any, container);
            let mut one = published(Ipv6Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED);
            one.mapping = PortMapping { host_ip: container, ..any.mapping };
            for (map, elements) in elements(family, &[&any, &one]) {
                let [Element { key, value }] = &elements[..] else { panic!("{elements:?}") };
                assert_eq!(key.len(), map.key_len as usize, "{}", map.name);
                assert_eq!(value.len(), map.value_len as usize, "{}", map.name);
            }
        }
    }
}
