//! Connections that the kernel remembers, and forgetting some of them.
//!
//! The rules for addresses are asked for the first packet of a connection only. A UDP
//! sender that goes on sending keeps its connection alive, and so goes on to be led where
//! the rules led it once: past a port that has been published since, or to a container
//! that has gone. Constants are those of `linux/netfilter/nfnetlink_conntrack.h`.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use libc::{AF_INET, AF_INET6};
use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP};

use crate::attributes::{Attributes, find};
use crate::error::NetworkError;
use crate::netlink::{HEADER_LEN, Refusal, Requests, Socket};
use crate::port::{PortMapping, Protocol};

const SUBSYSTEM: u16 = 1 << 8;
const GET: u16 = SUBSYSTEM | 1;
const DELETE: u16 = SUBSYSTEM | 2;
/// `struct nfgenmsg`, which stands before the attributes.
const FAMILY_LEN: usize = 4;

const UDP: u8 = Protocol::Udp.number();

const ORIGINAL: u16 = 1;
const ID: u16 = 12;
const ZONE: u16 = 18;
const FILTER: u16 = 25;
const ADDRESSES: u16 = 1;
const PORTS: u16 = 2;
const PROTOCOL_NUMBER: u16 = 1;
const DESTINATION_PORT: u16 = 3;

/// A remembered connection, in the kernel's own words for its deletion.
#[derive(Debug)]
struct Entry {
    original: Vec<u8>,
    id: Vec<u8>,
    zone: Option<Vec<u8>>,
}

/// Makes the kernel forget what was sent to these ports by UDP, so that the next packet is
/// led by the rules as they stand. Ports of other protocols are passed over.
pub(crate) fn forget_udp<'a>(
    mappings: impl IntoIterator<Item = &'a PortMapping>,
) -> Result<(), NetworkError> {
    let udp: Vec<_> =
        mappings.into_iter().filter(|mapping| mapping.protocol == Protocol::Udp).collect();
    for (family, ipv6) in [(AF_INET, false), (AF_INET6, true)] {
        let of_family: Vec<_> =
            udp.iter().copied().filter(|mapping| mapping.host_ip.is_ipv6() == ipv6).collect();
        if !of_family.is_empty() {
            forget(u8::try_from(family).unwrap_or_default(), &of_family).map_err(|refusal| {
                NetworkError::Netlink {
                    operation: refusal.operation,
                    subject: "UDP".to_owned(),
                    source: refusal.source,
                }
            })?;
        }
    }
    Ok(())
}

fn forget(family: u8, mappings: &[&PortMapping]) -> Result<(), Refusal> {
    let open = |source| Refusal { operation: "open a netlink socket", source };
    let socket = Socket::netfilter().map_err(open)?;
    let mut local = LocalAddresses::default();
    let mut entries = Vec::new();
    socket.dump(&listing(family), |message| {
        let attributes = message.get(HEADER_LEN + FAMILY_LEN..).unwrap_or_default();
        if destination(attributes).is_some_and(|to| local.is_led_by(to, mappings)) {
            entries.extend(Entry::read(attributes));
        }
    })?;
    for entry in entries {
        match socket.send(&entry.deletion(family)) {
            // It has ended by itself meanwhile.
            Err(refusal) if refusal.source.raw_os_error() == Some(libc::ENOENT) => {}
            result => result?,
        }
    }
    Ok(())
}

/// Asks for all connections of UDP. Kernels before 5.8 give those of other protocols too.
fn listing(family: u8) -> Requests {
    const BY_PROTOCOL_NUMBER: u32 = 1 << 3;
    let mut requests = Requests::default();
    requests.push("list the connections", GET, NLM_F_DUMP, |bytes| {
        bytes.extend_from_slice(&[family, 0, 0, 0]);
        let mut attributes = Attributes::new(bytes);
        attributes.nest(ORIGINAL, |tuple| {
            tuple.nest(PORTS, |ports| ports.bytes(PROTOCOL_NUMBER, &[UDP]));
        });
        attributes.nest(FILTER, |filter| filter.bytes(1, &BY_PROTOCOL_NUMBER.to_ne_bytes()));
    });
    requests
}

/// Where a connection of UDP was sent to before addresses were translated.
fn destination(attributes: &[u8]) -> Option<(IpAddr, u16)> {
    const V4: u16 = 2;
    const V6: u16 = 4;
    let tuple = find(attributes, ORIGINAL)?;
    let (addresses, ports) = (find(tuple, ADDRESSES)?, find(tuple, PORTS)?);
    if find(ports, PROTOCOL_NUMBER) != Some(&[UDP]) {
        return None;
    }
    let port = u16::from_be_bytes(*find(ports, DESTINATION_PORT)?.first_chunk()?);
    let address = match find(addresses, V4) {
        Some(address) => Ipv4Addr::from(*address.first_chunk::<4>()?).into(),
        None => Ipv6Addr::from(*find(addresses, V6)?.first_chunk::<16>()?).into(),
    };
    Some((address, port))
}

impl Entry {
    fn read(attributes: &[u8]) -> Option<Self> {
        Some(Self {
            original: find(attributes, ORIGINAL)?.to_vec(),
            id: find(attributes, ID)?.to_vec(),
            zone: find(attributes, ZONE).map(<[u8]>::to_vec),
        })
    }

    fn deletion(&self, family: u8) -> Requests {
        let mut requests = Requests::default();
        requests.push("forget a connection", DELETE, NLM_F_ACK, |bytes| {
            bytes.extend_from_slice(&[family, 0, 0, 0]);
            let mut attributes = Attributes::new(bytes);
            attributes.nest_bytes(ORIGINAL, &self.original);
            // Not one that has taken its place.
            attributes.bytes(ID, &self.id);
            if let Some(zone) = &self.zone {
                attributes.bytes(ZONE, zone);
            }
        });
        requests
    }
}

/// Which addresses are the host's, asked once for each.
#[derive(Debug, Default)]
struct LocalAddresses(HashMap<IpAddr, bool>);

impl LocalAddresses {
    /// Whether what is sent there concerns one of the mappings. A port that is published
    /// on all addresses is so on the host's own, not where its containers ask others.
    fn is_led_by(&mut self, (address, port): (IpAddr, u16), mappings: &[&PortMapping]) -> bool {
        mappings.iter().any(|mapping| {
            mapping.host_port == port
                && (mapping.host_ip == address
                    || mapping.host_ip.is_unspecified() && self.contains(address))
        })
    }

    fn contains(&mut self, address: IpAddr) -> bool {
        let is_local = |address: &IpAddr| UdpSocket::bind((*address, 0)).is_ok();
        *self.0.entry(address).or_insert_with_key(is_local)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(protocol: u8, address: [u8; 4], port: u16) -> Vec<u8> {
        let mut bytes = Vec::new();
        Attributes::new(&mut bytes).nest(ORIGINAL, |tuple| {
            tuple.nest(ADDRESSES, |addresses| addresses.bytes(2, &address));
            tuple.nest(PORTS, |ports| {
                ports.bytes(PROTOCOL_NUMBER, &[protocol]);
                ports.bytes(DESTINATION_PORT, &port.to_be_bytes());
            });
        });
        bytes
    }

    #[test]
    fn destination_of_a_udp_connection_is_read() {
        let to = destination(&message(UDP, [192, 0, 2, 1], 53));
        assert_eq!(to, Some((Ipv4Addr::new(192, 0, 2, 1).into(), 53)));
        assert_eq!(destination(&message(6, [192, 0, 2, 1], 53)), None);
        assert_eq!(destination(&[]), None);
    }

    #[test]
    fn what_goes_to_others_is_not_led_by_a_published_port() {
        let mapping = PortMapping {
            host_ip: Ipv4Addr::UNSPECIFIED.into(),
            host_port: 53,
            container_address: Ipv4Addr::new(172, 17, 0, 2).into(),
            container_port: 53,
            protocol: Protocol::Udp,
        };
        let one = PortMapping { host_ip: Ipv4Addr::LOCALHOST.into(), ..mapping };
        let mut local = LocalAddresses::default();
        let (own, others) = (Ipv4Addr::LOCALHOST.into(), Ipv4Addr::new(203, 0, 113, 77).into());
        assert!(local.is_led_by((own, 53), &[&mapping]));
        assert!(local.is_led_by((own, 53), &[&one]));
        assert!(!local.is_led_by((own, 54), &[&mapping, &one]));
        assert!(!local.is_led_by((others, 53), &[&mapping, &one]));
    }
}
