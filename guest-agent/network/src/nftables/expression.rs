//! What a rule looks at and does, and how that is written.
//!
//! Everything is loaded into the registers from the first on, and compared there. They have
//! 16 bytes each and can be addressed in words of 4 as well; the concatenation of several
//! values is one word-aligned value after the other.

use super::family::Family;
use crate::attributes::Attributes;

/// The only register in use, by its first word.
pub(crate) const WORD_0: u32 = 1;

/// Where the ports stand in the header of TCP and of UDP, in bytes.
pub(crate) const SOURCE_PORT: u32 = 0;
pub(crate) const DESTINATION_PORT: u32 = 2;
const PORT_LENGTH: u32 = 2;

const TRANSPORT_HEADER: u32 = 2;

/// A word of the registers, counted from the first. An address of IPv6 fills the first
/// register, so that what follows lies in the next.
pub(crate) fn word(number: u32) -> u32 {
    const FIRST: u32 = 8;
    if number == 0 { WORD_0 } else { FIRST + number }
}

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
    SourceAddress(Family),
    DestinationAddress(Family),
    /// The port so many bytes into the transport header.
    Port(u32),
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
    /// Sends the packet to the address in the first words and the port in the next.
    TranslateDestination(Family),
    /// Writes the first word over a port of the packet. Where in the transport header the
    /// port and the checksum stand, in bytes.
    WritePort { port: u32, checksum: u32 },
    /// Gives the packet the outgoing interface's address as source.
    Masquerade,
    /// Ends the rule.
    Verdict(Verdict),
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
            Self::TranslateDestination(family) => expression(element, "nat", |nat| {
                const DESTINATION: u32 = 1;
                nat.number(1, DESTINATION);
                nat.number(2, family.number().into());
                nat.number(3, WORD_0);
                nat.number(5, word(family.address_words()));
            }),
            Self::WritePort { port, checksum } => {
                expression(element, "payload", |payload| {
                    const INTERNET_CHECKSUM: u32 = 1;
                    payload.number(2, TRANSPORT_HEADER);
                    payload.number(3, *port);
                    payload.number(4, PORT_LENGTH);
                    payload.number(5, WORD_0);
                    payload.number(6, INTERNET_CHECKSUM);
                    payload.number(7, *checksum);
                });
            }
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
        match self {
            Self::SourceAddress(family) => {
                let place = if family == Family::Ipv4 { (12, 4) } else { (8, 16) };
                payload(element, register, NETWORK_HEADER, place);
            }
            Self::DestinationAddress(family) => {
                let place = if family == Family::Ipv4 { (16, 4) } else { (24, 16) };
                payload(element, register, NETWORK_HEADER, place);
            }
            Self::Port(offset) => {
                payload(element, register, TRANSPORT_HEADER, (offset, PORT_LENGTH));
            }
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
}
