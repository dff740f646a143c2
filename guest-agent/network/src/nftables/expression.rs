//! What a rule looks at and does, and how that is written.
//!
//! Everything is loaded into register 1 and compared there. Registers have 16 bytes
//! and can be addressed in words of 4 as well; the concatenation of several values
//! is one word-aligned value after the other.

use std::net::IpAddr;

use crate::attributes::Attributes;
use crate::subnet::Subnet;

/// The first word of the only register in use, and its second and third.
pub(crate) const WORD_0: u32 = 1;
pub(crate) const WORD_1: u32 = 9;
pub(crate) const WORD_2: u32 = 10;

const LOCAL_ADDRESS: u32 = 2;
const DESTINATION_TRANSLATED: u32 = 0x20;
const ESTABLISHED_OR_RELATED: u32 = 0x2 | 0x4;
const INTERFACE_NAME_LEN: usize = 16;

/// What becomes of a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verdict {
    Drop,
    Accept,
    Jump(&'static str),
    Return,
}

impl Verdict {
    pub(crate) fn code(self) -> u32 {
        match self {
            Self::Drop => 0,
            Self::Accept => 1,
            Self::Jump(_) => (-3_i32).cast_unsigned(),
            Self::Return => (-5_i32).cast_unsigned(),
        }
    }
}

/// A field of a packet or of what the kernel knows of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Field {
    SourceAddress,
    DestinationAddress,
    SourcePort,
    DestinationPort,
    TransportProtocol,
    IncomingInterface,
    OutgoingInterface,
    ConnectionState,
    ConnectionStatus,
    DestinationAddressType,
}

/// One step of a rule.
#[derive(Clone, Debug)]
pub(crate) enum Expression {
    /// Loads a field into a register.
    Load(Field, u32),
    /// Keeps the bits of the register that `0` has.
    Mask(Vec<u8>),
    /// Goes on if the register holds this value.
    Equal(Vec<u8>),
    /// Goes on if it does not.
    NotEqual(Vec<u8>),
    /// Goes on if the map of this name has the register as key; loads the value.
    Lookup(&'static str),
    /// Loads a value into a register.
    Value(Vec<u8>, u32),
    /// Sends the packet to the address in the first word and the port in the second.
    TranslateDestination,
    /// Gives the packet the port in the first word as source.
    TranslateSourcePort,
    /// Gives the packet the outgoing interface's address as source.
    Masquerade,
    /// Ends the rule.
    Verdict(Verdict),
}

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
    vec![Expression::Load(Field::DestinationAddress, WORD_0), Expression::NotEqual(octets(address))]
}

/// Packets from the subnet.
pub(crate) fn from_subnet(subnet: Subnet) -> Vec<Expression> {
    in_subnet(Field::SourceAddress, subnet)
}

/// Packets to the subnet.
pub(crate) fn to_subnet(subnet: Subnet) -> Vec<Expression> {
    in_subnet(Field::DestinationAddress, subnet)
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

impl Expression {
    /// Writes the attributes of one list element.
    pub(crate) fn write(&self, element: &mut Attributes<'_>) {
        match self {
            Self::Load(field, register) => field.write(*register, element),
            Self::Mask(mask) => expression(element, "bitwise", |bitwise| {
                bitwise.number(1, WORD_0);
                bitwise.number(2, WORD_0);
                bitwise.number(3, u32::try_from(mask.len()).unwrap_or(u32::MAX));
                bitwise.data(4, mask);
                bitwise.data(5, &vec![0; mask.len()]);
            }),
            Self::Equal(value) => compare(element, 0, value),
            Self::NotEqual(value) => compare(element, 1, value),
            Self::Lookup(map) => expression(element, "lookup", |lookup| {
                lookup.text(1, map);
                lookup.number(2, WORD_0);
                lookup.number(3, WORD_0);
            }),
            Self::Value(value, register) => expression(element, "immediate", |immediate| {
                immediate.number(1, *register);
                immediate.data(2, value);
            }),
            Self::TranslateDestination => expression(element, "nat", |nat| {
                const DESTINATION: u32 = 1;
                const IPV4: u32 = 2;
                nat.number(1, DESTINATION);
                nat.number(2, IPV4);
                nat.number(3, WORD_0);
                nat.number(5, WORD_1);
            }),
            Self::TranslateSourcePort => expression(element, "nat", |nat| {
                const SOURCE: u32 = 0;
                const IPV4: u32 = 2;
                nat.number(1, SOURCE);
                nat.number(2, IPV4);
                nat.number(5, WORD_0);
            }),
            Self::Masquerade => expression(element, "masq", |_| {}),
            Self::Verdict(verdict) => expression(element, "immediate", |immediate| {
                immediate.number(1, 0);
                immediate.nest(2, |data| {
                    data.nest(2, |attributes| {
                        attributes.number(1, verdict.code());
                        if let Verdict::Jump(chain) = verdict {
                            attributes.text(2, chain);
                        }
                    });
                });
            }),
        }
    }
}

impl Field {
    fn write(self, register: u32, element: &mut Attributes<'_>) {
        const NETWORK_HEADER: u32 = 1;
        const TRANSPORT_HEADER: u32 = 2;
        match self {
            Self::SourceAddress => payload(element, register, NETWORK_HEADER, (12, 4)),
            Self::DestinationAddress => payload(element, register, NETWORK_HEADER, (16, 4)),
            Self::SourcePort => payload(element, register, TRANSPORT_HEADER, (0, 2)),
            Self::DestinationPort => payload(element, register, TRANSPORT_HEADER, (2, 2)),
            Self::IncomingInterface => load(element, "meta", register, 6),
            Self::OutgoingInterface => load(element, "meta", register, 7),
            Self::TransportProtocol => load(element, "meta", register, 16),
            Self::ConnectionState => load(element, "ct", register, 0),
            Self::ConnectionStatus => load(element, "ct", register, 2),
            Self::DestinationAddressType => expression(element, "fib", |fib| {
                const ADDRESS_TYPE: u32 = 3;
                const OF_DESTINATION: u32 = 2;
                fib.number(1, register);
                fib.number(2, ADDRESS_TYPE);
                fib.number(3, OF_DESTINATION);
            }),
        }
    }
}

fn expression(element: &mut Attributes<'_>, name: &str, write: impl FnOnce(&mut Attributes<'_>)) {
    element.text(1, name);
    element.nest(2, write);
}

fn load(element: &mut Attributes<'_>, name: &str, register: u32, key: u32) {
    expression(element, name, |attributes| {
        attributes.number(1, register);
        attributes.number(2, key);
    });
}

fn payload(element: &mut Attributes<'_>, register: u32, base: u32, (offset, length): (u32, u32)) {
    expression(element, "payload", |attributes| {
        attributes.number(1, register);
        attributes.number(2, base);
        attributes.number(3, offset);
        attributes.number(4, length);
    });
}

fn compare(element: &mut Attributes<'_>, operator: u32, value: &[u8]) {
    expression(element, "cmp", |attributes| {
        attributes.number(1, WORD_0);
        attributes.number(2, operator);
        attributes.data(3, value);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(expression: &Expression) -> Vec<u8> {
        let mut bytes = Vec::new();
        expression.write(&mut Attributes::new(&mut bytes));
        bytes
    }

    #[test]
    fn masquerade_is_a_name_and_an_empty_nest() {
        let expected = [9, 0, 1, 0, b'm', b'a', b's', b'q', 0, 0, 0, 0, 4, 0, 2, 0x80];
        assert_eq!(written(&Expression::Masquerade), expected);
    }

    #[test]
    fn jump_carries_code_and_chain() {
        let bytes = written(&Expression::Verdict(Verdict::Jump("ports")));
        let verdict = [
            24, 0, 2, 0x80, // verdict
            8, 0, 1, 0, 0xff, 0xff, 0xff, 0xfd, // code -3
            10, 0, 2, 0, b'p', b'o', b'r', b't', b's', 0, 0, 0, // chain
        ];
        assert_eq!(bytes.last_chunk(), Some(&verdict));
    }

    #[test]
    fn subnet_is_compared_under_its_mask() {
        let expressions = from_subnet("172.16.0.0/12".parse().unwrap());
        let mut bytes = Vec::new();
        for expression in &expressions {
            expression.write(&mut Attributes::new(&mut bytes));
        }
        let contains = |part: [u8; 4]| bytes.windows(4).any(|window| window == part);
        assert!(contains([255, 240, 0, 0]) && contains([172, 16, 0, 0]));
    }
}
