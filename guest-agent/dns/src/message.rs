//! What is read of a message.
//!
//! Of a query only the header and the question are read; records that follow it
//! matter to an upstream, or, of EDNS, to an answer of our own.

use hickory_proto::op::{
    Edns, Header, Message, MessageType, Metadata, OpCode, Query, ResponseCode,
};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, DecodeError};

/// Longer queries are none.
pub(crate) const MAX_QUERY_LEN: u16 = 4096;

/// How the client speaks to us, and we to upstreams on its behalf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// A query as far as it is read.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) metadata: Metadata,
    pub(crate) query: Query,
}

/// Why a message is not a question.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unreadable {
    /// Not even a query. Who answers an answer may do so for ever.
    NoQuery,
    /// A query to be refused with this code.
    Refused(Metadata, ResponseCode),
}

impl Question {
    /// Reads header and question.
    pub(crate) fn read(message: &[u8]) -> Result<Self, Unreadable> {
        let mut decoder = BinDecoder::new(message);
        let header = Header::read(&mut decoder).map_err(|_cut| Unreadable::NoQuery)?;
        let refused = |code| Unreadable::Refused(header.metadata, code);
        if header.message_type != MessageType::Query {
            return Err(Unreadable::NoQuery);
        }
        if header.op_code != OpCode::Query {
            return Err(refused(ResponseCode::NotImp));
        }
        if header.counts.queries != 1 {
            return Err(refused(ResponseCode::FormErr));
        }
        let query =
            Query::read(&mut decoder).map_err(|_malformed| refused(ResponseCode::FormErr))?;
        Ok(Self { metadata: header.metadata, query })
    }

    /// The id that the client waits for.
    pub(crate) fn id(&self) -> u16 {
        self.metadata.id
    }

    /// Whether these bytes are an upstream's reply to the question, asked under this id.
    pub(crate) fn is_answered_by(&self, reply: &[u8], id: u16) -> bool {
        let mut decoder = BinDecoder::new(reply);
        let Ok(header) = Header::read(&mut decoder) else { return false };
        if header.id != id
            || header.message_type != MessageType::Response
            || header.op_code != OpCode::Query
        {
            return false;
        }
        match header.counts.queries {
            1 => Query::read(&mut decoder).is_ok_and(|query| query == self.query),
            // A server may fail before it has read the question.
            0 => header.response_code != ResponseCode::NoError && header.counts.answers == 0,
            _ => false,
        }
    }
}

/// The EDNS part of a message with one question.
pub(crate) fn read_edns(message: &[u8]) -> Result<Option<Edns>, DecodeError> {
    let mut decoder = BinDecoder::new(message);
    let counts = Header::read(&mut decoder)?.counts;
    if counts.additionals == 0 {
        return Ok(None);
    }
    Query::read(&mut decoder)?;
    for (count, is_additional) in
        [(counts.answers, false), (counts.authorities, false), (counts.additionals, true)]
    {
        let (_, edns, _) =
            Message::read_records(&mut decoder, usize::from(count), is_additional, OpCode::Query)?;
        if edns.is_some() {
            return Ok(edns);
        }
    }
    Ok(None)
}

/// Whether an upstream says that it cannot help, so that the next one is to be asked.
pub(crate) fn is_failure(reply: &[u8]) -> bool {
    let header = Header::read(&mut BinDecoder::new(reply));
    header.is_ok_and(|header| {
        matches!(header.response_code, ResponseCode::ServFail | ResponseCode::Refused)
    })
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::{Name, RecordType};

    use super::*;

    fn message(kind: MessageType, name: &str) -> Message {
        let mut message = Message::new(7, kind, OpCode::Query);
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
        message
    }

    #[test]
    fn only_the_asked_under_the_right_id_is_a_reply() {
        let query = message(MessageType::Query, "example.com.").to_vec().unwrap();
        let question = Question::read(&query).unwrap();
        let is_reply =
            |message: &Message, id| question.is_answered_by(&message.to_vec().unwrap(), id);
        let reply = message(MessageType::Response, "EXAMPLE.com.");
        assert!(is_reply(&reply, 7));
        assert!(!is_reply(&reply, 8), "another id");
        assert!(!is_reply(&message(MessageType::Query, "example.com."), 7), "no reply");
        assert!(!is_reply(&message(MessageType::Response, "example.org."), 7), "another name");
        let mut other = reply.clone();
        other.queries[0].set_query_type(RecordType::AAAA);
        assert!(!is_reply(&other, 7), "another type");
        let mut two = reply.clone();
        two.add_queries(reply.queries.clone());
        assert!(!is_reply(&two, 7), "two questions");
        let mut none = reply.clone();
        none.queries.clear();
        assert!(!is_reply(&none, 7), "no question");
        none.metadata.response_code = ResponseCode::FormErr;
        assert!(is_reply(&none, 7), "a failure may come without the question");
        assert!(!question.is_answered_by(&reply.to_vec().unwrap()[..11], 7), "cut");
    }

    #[test]
    fn servers_that_cannot_help_are_told_from_names_that_are_not() {
        let mut reply = message(MessageType::Response, "example.com.");
        for (code, expected) in [
            (ResponseCode::NoError, false),
            (ResponseCode::NXDomain, false),
            (ResponseCode::ServFail, true),
            (ResponseCode::Refused, true),
        ] {
            reply.metadata.response_code = code;
            assert_eq!(is_failure(&reply.to_vec().unwrap()), expected, "{code}");
        }
    }
}
