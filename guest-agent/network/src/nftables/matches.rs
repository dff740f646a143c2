//! Which packets a rule is about.

use std::net::IpAddr;

use super::expression::{Expression, Field, WORD_0};
use super::family::Family;
use crate::subnet::Subnet;

const LOCAL_ADDRESS: u32 = 2;
const DESTINATION_TRANSLATED: u32 = 0x20;
const ESTABLISHED_OR_RELATED: u32 = 0x2 | 0x4;
const INTERFACE_NAME_LEN: usize = 16;

/// Packets that come in by the interface.
pub(crate) fn incoming(interface: &str) -> Vec<Expression> {
    vec![
        Expression::Load(Field::IncomingInterface, WORD_0),
        Expression::Equal(interface_name(interface)),
    ]
}

/// Packets that leave by the interface.
pub(crate) fn outgoing(interface: &str) -> Vec<Expression> {
    vec![
        Expression::Load(Field::OutgoingInterface, WORD_0),
        Expression::Equal(interface_name(interface)),
    ]
}

/// Packets that come in by any other interface.
pub(crate) fn incoming_elsewhere(interface: &str) -> Vec<Expression> {
    vec![
        Expression::Load(Field::IncomingInterface, WORD_0),
        Expression::NotEqual(interface_name(interface)),
    ]
}

/// Packets that leave by any other interface.
pub(crate) fn outgoing_elsewhere(interface: &str) -> Vec<Expression> {
    vec![
        Expression::Load(Field::OutgoingInterface, WORD_0),
        Expression::NotEqual(interface_name(interface)),
    ]
}

/// Packets to any address but this.
pub(crate) fn to_others_than(address: IpAddr) -> Vec<Expression> {
    vec![
        Expression::Load(Field::DestinationAddress(Family::of(address)), WORD_0),
        Expression::NotEqual(octets(address)),
    ]
}

/// Packets from the subnet.
pub(crate) fn from_subnet(subnet: Subnet) -> Vec<Expression> {
    in_subnet(Field::SourceAddress(Family::of(subnet.network())), subnet)
}

/// Packets to the subnet.
pub(crate) fn to_subnet(subnet: Subnet) -> Vec<Expression> {
    in_subnet(Field::DestinationAddress(Family::of(subnet.network())), subnet)
}

/// Packets to any address outside of the subnet.
pub(crate) fn to_outside(subnet: Subnet) -> Vec<Expression> {
    vec![
        Expression::Load(Field::DestinationAddress(Family::of(subnet.network())), WORD_0),
        Expression::Mask(octets(subnet.mask())),
        Expression::NotEqual(octets(subnet.network())),
    ]
}

/// Packets to one of the host's own addresses.
pub(crate) fn to_local_address() -> Vec<Expression> {
    vec![
        Expression::Load(Field::DestinationAddressType, WORD_0),
        Expression::Equal(LOCAL_ADDRESS.to_ne_bytes().to_vec()),
    ]
}

/// Packets of connections that go to a published port.
pub(crate) fn destination_translated() -> Vec<Expression> {
    has_bit(Field::ConnectionStatus, DESTINATION_TRANSLATED)
}

/// Answers, and errors that belong to a connection.
pub(crate) fn established_or_related() -> Vec<Expression> {
    has_bit(Field::ConnectionState, ESTABLISHED_OR_RELATED)
}

fn in_subnet(field: Field, subnet: Subnet) -> Vec<Expression> {
    vec![
        Expression::Load(field, WORD_0),
        Expression::Mask(octets(subnet.mask())),
        Expression::Equal(octets(subnet.network())),
    ]
}

fn has_bit(field: Field, bits: u32) -> Vec<Expression> {
    vec![
        Expression::Load(field, WORD_0),
        Expression::Mask(bits.to_ne_bytes().to_vec()),
        Expression::NotEqual(vec![0; 4]),
    ]
}

/// The address as it stands in a packet and in a register.
pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// Zeros up to the register's end make the comparison one of whole names.
fn interface_name(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(INTERFACE_NAME_LEN, 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::Attributes;

    fn bytes_of(subnet: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        for expression in from_subnet(subnet.parse().unwrap()) {
            expression.write(&mut Attributes::new(&mut bytes));
        }
        bytes
    }

    #[test]
    fn subnet_is_compared_under_its_mask() {
        let bytes = bytes_of("172.16.0.0/12");
        let contains = |part: [u8; 4]| bytes.windows(4).any(|window| window == part);
        assert!(contains([255, 240, 0, 0]) && contains([172, 16, 0, 0]));
        let bytes = bytes_of("fd00:1::/32");
        let contains = |part: [u8; 16]| bytes.windows(16).any(|window| window == part);
        let [mask, network] = [[255, 255, 255, 255], [0xfd, 0, 0, 1]];
        let padded = |start: [u8; 4]| {
            let mut address = [0; 16];
            address[..4].copy_from_slice(&start);
            address
        };
        assert!(contains(padded(mask)) && contains(padded(network)));
    }
}
