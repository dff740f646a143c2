//! The table inside a container's namespace that leads to its name server.
//!
//! ```text
//! table ip naru_resolver {
//!   chain questions { filter, mangle; ip daddr ADDRESS udp dport 53 udp dport set UDP_PORT
//!                                     ip daddr ADDRESS tcp dport 53 tcp dport set TCP_PORT }
//!   chain answers   { filter, raw;    ip saddr ADDRESS udp sport UDP_PORT udp sport set 53
//!                                     ip saddr ADDRESS tcp sport TCP_PORT tcp sport set 53
//!                                     ip saddr ADDRESS meta l4proto icmp @th,240,16 UDP_PORT
//!                                                                        @th,240,16 set 53 }
//! }
//! ```
//!
//! The server itself listens on other ports, so that port 53 is the container's own.
//! Ports are written over packet by packet and not translated by connection: one rule of
//! `nat` would have every packet of the namespace tracked, a tenth of what two containers
//! can exchange. The last rule is for refusals, which quote the question: while no server is
//! there, who asks is told at once. A container that tracks connections itself sees port 53 both ways: its
//! tracking stands between the priorities of the two chains.

use std::io;
use std::net::Ipv4Addr;

use super::batch::{Batch, Hook};
use super::expression::{DESTINATION_PORT, Expression, Field, SOURCE_PORT, WORD_0};
use super::family::Family;
use crate::error::NetworkError;
use crate::netlink::{Refusal, Socket};

const TABLE: &str = "naru_resolver";
const QUESTIONS: &str = "questions";
const ANSWERS: &str = "answers";
const DNS_PORT: u16 = 53;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Where in an ICMP refusal the destination port of the quoted datagram stands: behind the headers
/// of ICMP and of IPv4, which has no options here.
const REFUSED_PORT: u32 = 8 + 20 + DESTINATION_PORT;
const ICMP_CHECKSUM: u32 = 2;

/// Makes the namespace of this thread send questions for `address` to these ports of
/// it. Rules for other ports are replaced in the same step.
pub(crate) fn lead_to_resolver(
    address: Ipv4Addr,
    udp_port: u16,
    tcp_port: u16,
) -> Result<(), NetworkError> {
    let ports = [(UDP, 6, udp_port), (TCP, 16, tcp_port)];
    let mut creation = Batch::new(TABLE);
    // Where something has been deleted, the kernel lets nobody close the socket before it
    // is out of every processor's sight: many times the cost of all else.
    creation.create_table();
    let refusal = match send(creation, address, ports) {
        Err(refusal) if refusal.source.kind() == io::ErrorKind::AlreadyExists => {
            let mut replacement = Batch::new(TABLE);
            replacement.replace_table();
            send(replacement, address, ports).err()
        }
        result => result.err(),
    };
    match refusal {
        Some(Refusal { operation, source }) => {
            Err(NetworkError::Netlink { operation, subject: TABLE.to_owned(), source })
        }
        None => Ok(()),
    }
}

/// Sends the transaction with all that stands in the table. Ports come with their protocol
/// and where its header has the checksum.
fn send(
    mut batch: Batch<'_>,
    address: Ipv4Addr,
    ports: [(u8, u32, u16); 2],
) -> Result<(), Refusal> {
    const OUTPUT: u32 = 3;
    batch.add_chain(QUESTIONS, Some(Hook { kind: "filter", number: OUTPUT, priority: -150 }));
    batch.add_chain(ANSWERS, Some(Hook { kind: "filter", number: OUTPUT, priority: -300 }));
    for (protocol, checksum, number) in ports {
        let write = |port, number: u16| {
            let value = Expression::Value(number.to_be_bytes().to_vec(), WORD_0);
            [value, Expression::WritePort { port, checksum }]
        };
        let mut question = packets(protocol, Field::DestinationAddress(Family::Ipv4), address);
        question.extend(port_is(Field::Port(DESTINATION_PORT), DNS_PORT));
        question.extend(write(DESTINATION_PORT, number));
        batch.add_rule(QUESTIONS, &question);
        let mut answer = packets(protocol, Field::SourceAddress(Family::Ipv4), address);
        answer.extend(port_is(Field::Port(SOURCE_PORT), number));
        answer.extend(write(SOURCE_PORT, DNS_PORT));
        batch.add_rule(ANSWERS, &answer);
    }
    let [(_, _, udp_port), _] = ports;
    let mut refusal = packets(ICMP, Field::SourceAddress(Family::Ipv4), address);
    refusal.extend(port_is(Field::Port(REFUSED_PORT), udp_port));
    refusal.extend([
        Expression::Value(DNS_PORT.to_be_bytes().to_vec(), WORD_0),
        Expression::WritePort { port: REFUSED_PORT, checksum: ICMP_CHECKSUM },
    ]);
    batch.add_rule(ANSWERS, &refusal);
    // Not used for more: further answers may be queued in one that has had a refusal.
    let socket = Socket::netfilter()
        .map_err(|source| Refusal { operation: "open a netlink socket", source })?;
    socket.send(&batch.finish())
}

fn packets(protocol: u8, field: Field, address: Ipv4Addr) -> Vec<Expression> {
    vec![
        Expression::Load(field, WORD_0),
        Expression::Equal(address.octets().to_vec()),
        Expression::Load(Field::TransportProtocol, WORD_0),
        Expression::Equal(vec![protocol]),
    ]
}

fn port_is(field: Field, port: u16) -> Vec<Expression> {
    vec![Expression::Load(field, WORD_0), Expression::Equal(port.to_be_bytes().to_vec())]
}
