//! How an answer is written.

use std::net::IpAddr;

use hickory_proto::ProtoError;
use hickory_proto::op::{Edns, Header, HeaderCounts, Metadata, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RecordType};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, EncodedSize};

use crate::message::{MAX_QUERY_LEN, Question, Transport};

/// What a message without EDNS may have over UDP (RFC 1035, 4.2.1).
const MIN_PAYLOAD: u16 = 512;

/// Docker's.
const TTL_SECONDS: u32 = 600;

/// Where the question of an answer stands, as the names of its records refer to it:
/// right after the header, with the two bits of a pointer (RFC 1035, 4.1.4).
const POINTER_TO_QUESTION: u16 = 0xc00c;

/// Name, type, class, TTL and length of a record.
const RECORD_HEADER_LEN: usize = 12;

/// An OPT record without options.
const OPT_LEN: usize = 11;

/// What an answer says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Records<'a> {
    Addresses(&'a [IpAddr]),
    Pointer(&'a Name),
}

impl Question {
    /// Writes an answer with these records, as many of them as the client takes.
    pub(crate) fn write_answer(
        &self,
        edns: Option<&Edns>,
        transport: Transport,
        records: Records<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<(), ProtoError> {
        let limit = match transport {
            Transport::Tcp => u16::MAX,
            Transport::Udp => edns.map_or(MIN_PAYLOAD, Edns::max_payload).max(MIN_PAYLOAD),
        };
        let opt_len = if edns.is_some() { OPT_LEN } else { 0 };
        let question_len = name_len(&self.query.name) + 4;
        let room = usize::from(limit).saturating_sub(Header::LEN + question_len + opt_len);
        let (fitting, all) = records.fitting(room);
        let mut metadata = answer_metadata(&self.metadata, ResponseCode::NoError);
        metadata.truncation = fitting.len() < all;
        let counts = HeaderCounts {
            queries: 1,
            answers: u16::try_from(fitting.len()).unwrap_or(u16::MAX),
            authorities: 0,
            additionals: u16::from(edns.is_some()),
        };
        reply.clear();
        let mut encoder = BinEncoder::new(reply);
        Header { metadata, counts }.emit(&mut encoder)?;
        write_question(&self.query, &mut encoder)?;
        fitting.write(&mut encoder)?;
        if let Some(edns) = edns {
            let mut own = Edns::new();
            own.set_max_payload(MAX_QUERY_LEN).set_dnssec_ok(edns.flags().dnssec_ok);
            own.emit(&mut encoder)?;
        }
        Ok(())
    }

    /// Writes an answer that only carries a code.
    pub(crate) fn write_failure(
        &self,
        code: ResponseCode,
        reply: &mut Vec<u8>,
    ) -> Result<(), ProtoError> {
        reply.clear();
        let mut encoder = BinEncoder::new(reply);
        let counts = HeaderCounts { queries: 1, ..HeaderCounts::default() };
        Header { metadata: answer_metadata(&self.metadata, code), counts }.emit(&mut encoder)?;
        write_question(&self.query, &mut encoder)
    }
}

/// Writes the refusal of a query whose question was not read.
pub(crate) fn write_refusal(
    query: &Metadata,
    code: ResponseCode,
    reply: &mut Vec<u8>,
) -> Result<(), ProtoError> {
    reply.clear();
    let header = Header { metadata: answer_metadata(query, code), counts: HeaderCounts::default() };
    header.emit(&mut BinEncoder::new(reply))
}

impl Records<'_> {
    /// As many as fit, and how many there were.
    fn fitting(self, room: usize) -> (Self, usize) {
        match self {
            Self::Addresses(addresses) => {
                let each = addresses.first().map_or(1, |address| match address {
                    IpAddr::V4(_) => RECORD_HEADER_LEN + 4,
                    IpAddr::V6(_) => RECORD_HEADER_LEN + 16,
                });
                let shown = addresses.get(..room / each).unwrap_or(addresses);
                (Self::Addresses(shown), addresses.len())
            }
            Self::Pointer(name) if RECORD_HEADER_LEN + name_len(name) <= room => (self, 1),
            Self::Pointer(_) => (Self::Addresses(&[]), 1),
        }
    }

    fn len(self) -> usize {
        match self {
            Self::Addresses(addresses) => addresses.len(),
            Self::Pointer(_) => 1,
        }
    }

    fn write(self, encoder: &mut BinEncoder<'_>) -> Result<(), ProtoError> {
        let addresses = match self {
            Self::Addresses(addresses) => addresses,
            Self::Pointer(name) => {
                write_record_header(RecordType::PTR, name_len(name), encoder)?;
                return write_name(name, encoder);
            }
        };
        for address in addresses {
            match address {
                IpAddr::V4(address) => {
                    write_record_header(RecordType::A, 4, encoder)?;
                    encoder.emit_vec(&address.octets())?;
                }
                IpAddr::V6(address) => {
                    write_record_header(RecordType::AAAA, 16, encoder)?;
                    encoder.emit_vec(&address.octets())?;
                }
            }
        }
        Ok(())
    }
}

fn answer_metadata(query: &Metadata, code: ResponseCode) -> Metadata {
    let mut metadata = Metadata::response_from_request(query);
    metadata.recursion_available = true;
    metadata.response_code = code;
    metadata
}

fn write_question(query: &Query, encoder: &mut BinEncoder<'_>) -> Result<(), ProtoError> {
    write_name(&query.name, encoder)?;
    query.query_type.emit(encoder)?;
    query.query_class.emit(encoder)
}

fn write_record_header(
    record_type: RecordType,
    length: usize,
    encoder: &mut BinEncoder<'_>,
) -> Result<(), ProtoError> {
    encoder.emit_u16(POINTER_TO_QUESTION)?;
    record_type.emit(encoder)?;
    DNSClass::IN.emit(encoder)?;
    encoder.emit_u32(TTL_SECONDS)?;
    encoder.emit_u16(u16::try_from(length).unwrap_or(u16::MAX))
}

/// As the name's own `emit` without compression, which remembers where each label
/// stands: an allocation a label, for names that nothing refers to.
fn write_name(name: &Name, encoder: &mut BinEncoder<'_>) -> Result<(), ProtoError> {
    for label in name {
        encoder.emit_character_data(label)?;
    }
    encoder.emit(0)
}

/// What `write_name` writes: each label after its length, and the root.
fn name_len(name: &Name) -> usize {
    name.iter().map(|label| label.len() + 1).sum::<usize>() + 1
}
