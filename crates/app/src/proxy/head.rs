//! What a client asks first, as far as it must be known before there is an engine.

use httparse::{EMPTY_HEADER, Header, Request, Status};
use naru_protocol::{ping, version};

/// More than a ping has; a request with more waits for the engine as any other.
const MAX_HEADERS: usize = 64;

/// What a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A ping that can be answered without the engine.
    Ping(Ping),
    /// Something for the engine, also if it makes no sense: then the engine says so.
    Other,
}

/// A whole ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ping {
    /// The head's bytes, which are all of the request.
    pub(super) length: usize,
    /// Whether the answer's head is all that is wanted.
    pub(super) head_only: bool,
    /// Whether the connection ends with the answer.
    pub(super) last: bool,
}

/// Understands the begin of `bytes`; nothing while more of them must be read for it.
pub(super) fn understand(bytes: &[u8]) -> Option<Asked> {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut request = Request::new(&mut headers);
    let parsed = request.parse(bytes);
    if request.path.is_some_and(|target| !is_ping(target)) {
        return Some(Asked::Other);
    }
    let length = match parsed {
        Ok(Status::Partial) => return None,
        Ok(Status::Complete(length)) => length,
        Err(_) => return Some(Asked::Other),
    };
    let head_only = match request.method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Some(Asked::Other),
    };
    if request.headers.iter().any(announces_body) {
        return Some(Asked::Other);
    }
    let last = request.version != Some(1) || request.headers.iter().any(closes);
    Some(Asked::Ping(Ping { length, head_only, last }))
}

/// Whether the engine would answer a ping there: one in a version it does not speak is
/// refused by it.
fn is_ping(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or(target);
    version::split_path(path).is_ok_and(|(_, path)| path == ping::PATH)
}

fn announces_body(header: &Header<'_>) -> bool {
    let is = |name| header.name.eq_ignore_ascii_case(name);
    is("transfer-encoding") || (is("content-length") && header.value != b"0")
}

fn closes(header: &Header<'_>) -> bool {
    let mut tokens = header.value.split(|&byte| byte == b',');
    header.name.eq_ignore_ascii_case("connection")
        && tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ping(head: &str) -> Option<Ping> {
        match understand(head.as_bytes()) {
            Some(Asked::Ping(ping)) => Some(ping),
            _ => None,
        }
    }

    #[test]
    fn a_ping_is_known_in_every_version_that_is_spoken() {
        for path in ["/_ping", "/v1.24/_ping", "/v1.51/_ping", "/_ping?now"] {
            let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
            let whole = Ping { length: head.len(), head_only: false, last: false };
            assert_eq!(ping(&head), Some(whole), "{path}");
            let head = head.replace("GET", "HEAD");
            assert_eq!(ping(&head).map(|ping| ping.head_only), Some(true), "{path}");
        }
    }

    #[test]
    fn only_the_pings_own_bytes_are_its() {
        let (first, second) = ("GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n", "GET /info HTTP/1.1\r\n");
        assert_eq!(ping(&format!("{first}{second}")).unwrap().length, first.len());
    }

    #[test]
    fn the_last_request_of_a_connection_says_so() {
        let last = |head| ping(head).unwrap().last;
        assert!(last("GET /_ping HTTP/1.0\r\n\r\n"));
        assert!(last("GET /_ping HTTP/1.1\r\nConnection: TE, Close\r\n\r\n"));
        assert!(!last("GET /_ping HTTP/1.1\r\nConnection: keep-alive\r\n\r\n"));
    }

    #[test]
    fn what_is_no_plain_ping_is_the_engines() {
        for head in [
            "GET /info HTTP/1.1\r\n",
            "POST /v1.51/containers/create HTTP/1.1\r\nContent-Le",
            "POST /_ping HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /v1.99/_ping HTTP/1.1\r\n",
            "GET /v1.10/_ping HTTP/1.1\r\n",
            "GET /_ping HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
            "GET /_ping HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET /_ping HTTP/1.1\r\nno colon\r\n\r\n",
            "\x16\x03\x01\x02\x00",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ] {
            assert_eq!(understand(head.as_bytes()), Some(Asked::Other), "{head:?}");
        }
        let headers = "X: y\r\n".repeat(MAX_HEADERS + 1);
        let head = format!("GET /_ping HTTP/1.1\r\n{headers}\r\n");
        assert_eq!(understand(head.as_bytes()), Some(Asked::Other));
    }

    #[test]
    fn what_may_yet_be_a_ping_is_read_on() {
        let head = "GET /v1.51/_ping HTTP/1.1\r\nHost: x\r\n\r\n";
        for length in 0..head.len() {
            assert_eq!(understand(&head.as_bytes()[..length]), None, "{length}");
        }
    }
}
