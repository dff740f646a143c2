//! What becomes of a query: answered here, forwarded, or ignored. No I/O.

use std::net::IpAddr;

use hickory_proto::ProtoError;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, Name, RecordType};
use rand::seq::SliceRandom;

use crate::answer::{Records, write_refusal};
use crate::message::{Question, Transport, Unreadable, read_edns};
use crate::names::{Family, Lookup, Names};

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Decision {
    /// Send the reply that was written.
    Answer,
    /// Ask upstreams, for this reason: the question is not ours.
    Forward(Question),
    /// Nothing.
    Ignore,
}

/// A reply under construction, kept from query to query.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) bytes: Vec<u8>,
    name: String,
}

/// Decides about a message of a client; an answer is in `reply` then.
pub(crate) fn decide(
    names: &dyn Names,
    message: &[u8],
    transport: Transport,
    reply: &mut Reply,
) -> Decision {
    let question = match Question::read(message) {
        Ok(question) => question,
        Err(Unreadable::NoQuery) => return Decision::Ignore,
        Err(Unreadable::Refused(query, code)) => {
            return answered(write_refusal(&query, code, &mut reply.bytes));
        }
    };
    if question.query.query_class != DNSClass::IN {
        return Decision::Forward(question);
    }
    let asked = Asked { names, message, transport, reply };
    match question.query.query_type {
        RecordType::A => asked.addresses(question, Family::V4),
        RecordType::AAAA => asked.addresses(question, Family::V6),
        RecordType::PTR => asked.pointer(question),
        RecordType::MX => asked.mail_exchange(question),
        _ => Decision::Forward(question),
    }
}

/// A message of which the question has been read.
#[derive(Debug)]
struct Asked<'a> {
    names: &'a dyn Names,
    message: &'a [u8],
    transport: Transport,
    reply: &'a mut Reply,
}

impl Asked<'_> {
    fn addresses(self, question: Question, family: Family) -> Decision {
        let name = &question.query.name;
        let lookup = if write_plain(name, &mut self.reply.name) {
            self.names.lookup(&self.reply.name, family)
        } else {
            Lookup::Unknown
        };
        let mut addresses = match lookup {
            Lookup::Found(addresses) => addresses,
            Lookup::Unknown if name.iter().len() > 1 || self.names.upstreams().single_labels => {
                return Decision::Forward(question);
            }
            Lookup::NoAddress | Lookup::Unknown => Vec::new(),
        };
        // Those who take the first address only are spread over all of them.
        addresses.shuffle(&mut rand::rng());
        self.answer(&question, Records::Addresses(&addresses))
    }

    fn pointer(self, question: Question) -> Decision {
        let address = asked_address(&question.query.name);
        let Some(host) = address.and_then(|address| self.names.reverse(address)) else {
            return Decision::Forward(question);
        };
        match Name::from_labels(host.split('.').map(str::as_bytes)) {
            Ok(name) => self.answer(&question, Records::Pointer(&name)),
            // Ours, but too long for a message.
            Err(_too_long) => {
                let code = ResponseCode::ServFail;
                answered(question.write_failure(code, &mut self.reply.bytes))
            }
        }
    }

    /// Says of our names that there is no record of this kind: mail then goes to the
    /// address itself (RFC 5321, 5.1).
    fn mail_exchange(self, question: Question) -> Decision {
        let is_plain = write_plain(&question.query.name, &mut self.reply.name);
        let has_address =
            |family| matches!(self.names.lookup(&self.reply.name, family), Lookup::Found(_));
        if is_plain && [Family::V4, Family::V6].into_iter().any(has_address) {
            self.answer(&question, Records::Addresses(&[]))
        } else {
            Decision::Forward(question)
        }
    }

    fn answer(self, question: &Question, records: Records<'_>) -> Decision {
        let bytes = &mut self.reply.bytes;
        answered(match read_edns(self.message) {
            Ok(edns) => question.write_answer(edns.as_ref(), self.transport, records, bytes),
            Err(_malformed) => question.write_failure(ResponseCode::FormErr, bytes),
        })
    }
}

/// A reply that cannot be written is one to a message that no client writes.
fn answered(written: Result<(), ProtoError>) -> Decision {
    match written {
        Ok(()) => Decision::Answer,
        Err(error) => {
            tracing::debug!(%error, "cannot write an answer");
            Decision::Ignore
        }
    }
}

/// Writes the name as its owner knows it. A name that has other than printable
/// characters, or dots within labels, is nobody's here.
fn write_plain(name: &Name, text: &mut String) -> bool {
    text.clear();
    for label in name {
        if !text.is_empty() {
            text.push('.');
        }
        for byte in label {
            if !byte.is_ascii_graphic() || matches!(byte, b'.' | b'\\') {
                return false;
            }
            text.push(char::from(byte.to_ascii_lowercase()));
        }
    }
    !text.is_empty()
}

/// The one address that a name below `in-addr.arpa` or `ip6.arpa` stands for.
fn asked_address(name: &Name) -> Option<IpAddr> {
    let network = name.parse_arpa_name().ok()?;
    (network.prefix_len() == network.max_prefix_len()).then(|| network.addr())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::{Ipv4Addr, Ipv6Addr};

    use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
    use hickory_proto::rr::RData;
    use proptest::prelude::*;

    use super::*;
    use crate::names::Upstreams;

    const WEB: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 2);
    const WEB_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);

    /// `web` has one address of each family, `many` a hundred, `old` none of IPv6.
    #[derive(Debug)]
    struct Book {
        single_labels: bool,
    }

    const BOOK: Book = Book { single_labels: true };

    impl Names for Book {
        fn lookup(&self, name: &str, family: Family) -> Lookup {
            let of = |v4: Vec<IpAddr>, v6: Vec<IpAddr>| match family {
                Family::V4 => Lookup::Found(v4),
                Family::V6 if v6.is_empty() => Lookup::NoAddress,
                Family::V6 => Lookup::Found(v6),
            };
            let many = || (0..100).map(|last| Ipv4Addr::new(10, 0, 0, last).into()).collect();
            match name {
                "web" | "web.backend" => of(vec![WEB.into()], vec![WEB_V6.into()]),
                "many" => of(many(), Vec::new()),
                "old" => of(vec![WEB.into()], Vec::new()),
                _ => Lookup::Unknown,
            }
        }

        fn reverse(&self, address: IpAddr) -> Option<String> {
            match address {
                IpAddr::V4(WEB) | IpAddr::V6(WEB_V6) => Some("Web.backend".to_owned()),
                _ if address == Ipv4Addr::new(172, 18, 0, 9) => Some("x".repeat(64)),
                _ => None,
            }
        }

        fn upstreams(&self) -> Upstreams {
            Upstreams { servers: Vec::new(), single_labels: self.single_labels }
        }
    }

    fn query(name: &str, kind: RecordType) -> Message {
        let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        message
    }

    fn ask_as(names: &Book, message: &Message, transport: Transport) -> Option<Message> {
        let mut reply = Reply::default();
        let bytes = message.to_vec().unwrap();
        match decide(names, &bytes, transport, &mut reply) {
            Decision::Answer => Some(Message::from_vec(&reply.bytes).unwrap()),
            Decision::Forward(question) => {
                assert_eq!(message.queries, [question.query]);
                None
            }
            Decision::Ignore => panic!("the query was ignored"),
        }
    }

    fn ask(name: &str, kind: RecordType) -> Option<Message> {
        ask_as(&BOOK, &query(name, kind), Transport::Udp)
    }

    fn raw(message: &[u8]) -> (Decision, Vec<u8>) {
        let mut reply = Reply::default();
        let decision = decide(&BOOK, message, Transport::Udp, &mut reply);
        (decision, reply.bytes)
    }

    /// The code of the refusal of these bytes.
    fn refusal(message: &[u8]) -> ResponseCode {
        let (decision, reply) = raw(message);
        assert!(matches!(decision, Decision::Answer), "{decision:?}");
        let reply = Message::from_vec(&reply).unwrap();
        assert_eq!((reply.metadata.id, reply.answers.len()), (0x1234, 0));
        reply.metadata.response_code
    }

    fn data(reply: &Message) -> Vec<&RData> {
        reply.answers.iter().map(|record| &record.data).collect()
    }

    #[test]
    fn own_name_has_its_addresses_for_as_long_as_dockers() {
        let reply = ask("WeB.", RecordType::A).unwrap();
        let metadata = reply.metadata;
        assert_eq!((metadata.id, metadata.message_type), (0x1234, MessageType::Response));
        assert!(metadata.recursion_available && metadata.recursion_desired);
        assert!(!metadata.authoritative && !metadata.truncation);
        assert_eq!(reply.queries, query("web.", RecordType::A).queries);
        assert!(reply.queries[0].name.eq_case(&Name::from_ascii("WeB.").unwrap()));
        assert_eq!(data(&reply), [&RData::A(WEB.into())]);
        assert_eq!(reply.answers[0].ttl, 600);
        assert!(reply.answers[0].name.eq_case(&reply.queries[0].name));
        let reply = ask("web.backend.", RecordType::AAAA).unwrap();
        assert_eq!(data(&reply), [&RData::AAAA(WEB_V6.into())]);
        assert!(reply.edns.is_none());
    }

    #[test]
    fn own_name_without_such_records_is_not_asked_for_elsewhere() {
        for reply in [ask("old.", RecordType::AAAA), ask("web.", RecordType::MX)] {
            let reply = reply.unwrap();
            assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
            assert!(reply.answers.is_empty());
        }
    }

    #[test]
    fn own_address_has_its_name() {
        for name in ["2.0.18.172.in-addr.ARPA.", &format!("2.{}d.f.ip6.arpa.", "0.".repeat(29))] {
            let reply = ask(name, RecordType::PTR).unwrap();
            let [RData::PTR(host)] = data(&reply)[..] else { panic!("{reply:?}") };
            assert_eq!(host.0.to_ascii(), "Web.backend.");
        }
        let reply = ask("9.0.18.172.in-addr.arpa.", RecordType::PTR).unwrap();
        assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
    }

    #[test]
    fn what_is_not_ours_is_forwarded() {
        use RecordType::{A, AAAA, ANY, HTTPS, MX, PTR, SRV, TXT};
        for (name, kind) in [("db.", A), ("example.com.", AAAA), (".", A), ("db.", MX)] {
            assert_eq!(ask(name, kind), None, "{name} {kind}");
        }
        for kind in [TXT, SRV, ANY, HTTPS] {
            assert_eq!(ask("web.", kind), None, "{kind}");
        }
        for name in ["3.0.18.172.in-addr.arpa.", "18.172.in-addr.arpa.", "web.", "arpa."] {
            assert_eq!(ask(name, PTR), None, "{name}");
        }
        let mut chaos = query("web.", A);
        chaos.queries[0].set_query_class(DNSClass::CH);
        assert_eq!(ask_as(&BOOK, &chaos, Transport::Udp), None);
    }

    #[test]
    fn dots_and_odd_characters_within_labels_make_no_own_name() {
        for label in [&b"web.backend"[..], b"we\\b", b"web ", b"w\xc3\xa9b", b"web\0"] {
            let mut message = query(".", RecordType::A);
            message.queries[0].name = Name::from_labels([label]).unwrap();
            message.queries[0].name.set_fqdn(true);
            assert_eq!(ask_as(&BOOK, &message, Transport::Udp), None, "{label:?}");
        }
    }

    #[test]
    fn unknown_name_without_a_dot_is_left_to_search_domains_where_there_are() {
        let book = Book { single_labels: false };
        let reply = ask_as(&book, &query("db.", RecordType::A), Transport::Udp).unwrap();
        assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
        assert!(reply.answers.is_empty());
        for (name, kind) in [("db.example.", RecordType::A), ("db.", RecordType::TXT)] {
            assert_eq!(ask_as(&book, &query(name, kind), Transport::Udp), None);
        }
    }

    #[test]
    fn answer_is_cut_to_what_the_client_takes_and_says_so() {
        let mut message = query("many.", RecordType::A);
        let sizes = |message: &Message, transport| {
            let mut reply = Reply::default();
            decide(&BOOK, &message.to_vec().unwrap(), transport, &mut reply);
            let read = Message::from_vec(&reply.bytes).unwrap();
            assert_eq!(read.edns.is_some(), message.edns.is_some());
            (read.answers.len(), read.metadata.truncation, reply.bytes.len())
        };
        assert_eq!(sizes(&message, Transport::Udp), (30, true, 502));
        assert_eq!(sizes(&message, Transport::Tcp), (100, false, 1622));
        for (payload, expected) in [
            (0, (29, true, 497)),
            (1632, (99, true, 1617)),
            (1633, (100, false, 1633)),
            (u16::MAX, (100, false, 1633)),
        ] {
            let mut edns = Edns::new();
            edns.set_dnssec_ok(true);
            message.set_edns(edns);
            let mut bytes = message.to_vec().unwrap();
            // The library does not write what is too small.
            let field = bytes.len() - 8;
            bytes[field..field + 2].copy_from_slice(&payload.to_be_bytes());
            message = Message::from_vec(&bytes).unwrap();
            assert_eq!(sizes(&message, Transport::Udp), expected, "{payload}");
        }
    }

    #[test]
    fn every_address_comes_first_at_times() {
        let first = |_| match ask_as(&BOOK, &query("many.", RecordType::A), Transport::Tcp) {
            Some(reply) => reply.answers[0].data.to_string(),
            None => panic!("it was forwarded"),
        };
        let seen: HashSet<String> = (0..2000).map(first).collect();
        assert_eq!(seen.len(), 100);
    }

    #[test]
    fn malformed_queries_are_refused_and_answers_ignored() {
        let bytes = query("web.", RecordType::A).to_vec().unwrap();
        let with = |changes: &[(usize, u8)]| {
            let mut bytes = bytes.clone();
            for (at, byte) in changes {
                bytes[*at] = *byte;
            }
            bytes
        };
        let (name, records) = (12, 11);
        assert_eq!(refusal(&with(&[(name, 0xc0), (name + 1, 12)])), ResponseCode::FormErr);
        assert_eq!(refusal(&with(&[(name, 0xc0), (name + 1, 200)])), ResponseCode::FormErr);
        assert_eq!(refusal(&with(&[(name, 63)])), ResponseCode::FormErr);
        assert_eq!(refusal(&with(&[(name, 0x40)])), ResponseCode::FormErr);
        assert_eq!(refusal(&with(&[(records, 1)])), ResponseCode::FormErr);
        assert_eq!(refusal(&with(&[(5, 2)])), ResponseCode::FormErr);
        assert_eq!(refusal(&with(&[(5, 0)])), ResponseCode::FormErr);
        assert_eq!(refusal(&with(&[(2, 5 << 3)])), ResponseCode::NotImp);
        assert_eq!(refusal(&bytes[..14]), ResponseCode::FormErr);
        for ignored in [&bytes[..11], &[], &with(&[(2, 0x80)])] {
            assert!(matches!(raw(ignored).0, Decision::Ignore), "{ignored:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_an_answer_is_one_to_the_query(
            start in 0..2_usize,
            noise in proptest::collection::vec(any::<u8>(), 0..300),
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        ) {
            let mut message = query("many.", RecordType::A).to_vec().unwrap();
            message.truncate(message.len() * start);
            message.extend(noise);
            for (at, byte) in changes {
                if !message.is_empty() {
                    let at = at.index(message.len());
                    message[at] = byte;
                }
            }
            let (decision, reply) = raw(&message);
            if matches!(decision, Decision::Answer) {
                prop_assert!(message[2] & 0x80 == 0 && reply[2] & 0x80 != 0);
                prop_assert_eq!(&message[..2], &reply[..2]);
                prop_assert!(Message::from_vec(&reply).is_ok());
            }
        }
    }
}
