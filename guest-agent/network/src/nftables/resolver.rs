//! The table inside a container's namespace that leads to its name server.
//!
//! ```text
//! table ip naru_resolver {
//!   chain output      { nat, dstnat;  ip daddr ADDRESS udp dport 53 dnat to ADDRESS:UDP_PORT
//!                                     ip daddr ADDRESS tcp dport 53 dnat to ADDRESS:TCP_PORT }
//!   chain postrouting { nat, srcnat;  ip saddr ADDRESS udp sport UDP_PORT snat to :53
//!                                     ip saddr ADDRESS tcp sport TCP_PORT snat to :53 }
//! }
//! ```
//!
//! The server itself listens on other ports, so that port 53 is the container's own.
//! Answers find their way back by themselves; `postrouting` is for those that come
//! after the kernel has forgotten the question.

use std::io;
use std::net::Ipv4Addr;

use super::batch::{Batch, Hook};
use super::expression::{Expression, Field, WORD_0, word};
use super::family::Family;
use crate::error::NetworkError;
use crate::netlink::{Refusal, Socket};

const TABLE: &str = "naru_resolver";
const OUTPUT: &str = "output";
const POSTROUTING: &str = "postrouting";
const DNS_PORT: u16 = 53;

const UDP: u8 = 17;
const TCP: u8 = 6;

/// Makes the namespace of this thread send questions for `address` to these ports of
/// it. Rules for other ports are replaced in the same step.
pub(crate) fn lead_to_resolver(
    address: Ipv4Addr,
    udp_port: u16,
    tcp_port: u16,
) -> Result<(), NetworkError> {
    let ports = [(UDP, udp_port), (TCP, tcp_port)];
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

/// Sends the transaction with all that stands in the table.
fn send(mut batch: Batch<'_>, address: Ipv4Addr, ports: [(u8, u16); 2]) -> Result<(), Refusal> {
    batch.add_chain(OUTPUT, Some(Hook { kind: "nat", number: 3, priority: -100 }));
    batch.add_chain(POSTROUTING, Some(Hook { kind: "nat", number: 4, priority: 100 }));
    for (protocol, port) in ports {
        let mut question = packets(protocol, Field::DestinationAddress(Family::Ipv4), address);
        question.extend(port_is(Field::DestinationPort, DNS_PORT));
        question.extend([
            Expression::Value(address.octets().to_vec(), WORD_0),
            Expression::Value(port.to_be_bytes().to_vec(), word(1)),
            Expression::TranslateDestination(Family::Ipv4),
        ]);
        batch.add_rule(OUTPUT, &question);
        let mut answer = packets(protocol, Field::SourceAddress(Family::Ipv4), address);
        answer.extend(port_is(Field::SourcePort, port));
        answer.extend([
            Expression::Value(DNS_PORT.to_be_bytes().to_vec(), WORD_0),
            Expression::TranslateSourcePort,
        ]);
        batch.add_rule(POSTROUTING, &answer);
    }
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
