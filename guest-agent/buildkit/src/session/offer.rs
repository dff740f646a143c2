//! What a session's connection says of itself.

use std::collections::BTreeSet;

use hyper::HeaderMap;

use crate::error::SessionError;

const ID: &str = "x-docker-expose-session-uuid";
const SHARED_KEY: &str = "x-docker-expose-session-sharedkey";
const METHOD: &str = "x-docker-expose-session-grpc-method";

/// The headers of a request for `/session`, or the metadata of a `Session` call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    id: String,
    shared_key: String,
    methods: BTreeSet<String>,
}

impl Offer {
    /// Reads the headers. Only the session's id must be there.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, SessionError> {
        let text = |header: &'static str| match headers.get(header).map(|value| value.to_str()) {
            None => Ok(""),
            Some(Ok(text)) => Ok(text),
            Some(Err(_)) => Err(SessionError::Header { header }),
        };
        let id = text(ID)?.to_owned();
        if id.is_empty() {
            return Err(SessionError::Header { header: ID });
        }
        let methods = headers.get_all(METHOD).iter();
        let methods = methods.filter_map(|method| Some(method.to_str().ok()?.to_ascii_lowercase()));
        Ok(Self { id, shared_key: text(SHARED_KEY)?.to_owned(), methods: methods.collect() })
    }

    /// Whose session it is.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Says which contexts of different sessions are the same directory of one machine.
    pub fn shared_key(&self) -> &str {
        &self.shared_key
    }

    /// Whether the client serves an RPC.
    pub(crate) fn has(&self, method: &str) -> bool {
        self.methods.contains(&method.to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn methods_are_found_whatever_their_case() -> anyhow::Result<()> {
        let mut headers = HeaderMap::new();
        headers.insert(ID, HeaderValue::from_static("one"));
        headers.append(METHOD, HeaderValue::from_static("/a.B/C"));
        headers.append(METHOD, HeaderValue::from_static("/d.E/F"));
        let offer = Offer::from_headers(&headers)?;
        assert!(offer.has("/a.b/c") && offer.has("/D.E/F") && !offer.has("/x"));
        assert_eq!((offer.id(), offer.shared_key()), ("one", ""));
        Ok(())
    }

    #[test]
    fn a_session_without_an_id_is_none() {
        let refused = Offer::from_headers(&HeaderMap::new());
        assert!(matches!(refused, Err(SessionError::Header { header: ID })));
    }
}
