//! What can go wrong, and how a client is told.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use naru_error::ErrorKind;
use prost::Message as _;
use serde::Serialize;
use tonic::{Code, Status};

use crate::fsutil::TransferError;
use crate::wire::google;

/// Why a session does not give what a build asks of it.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The connection's headers do not describe a session.
    #[error("the header {header} of the session is missing or not text")]
    Header {
        /// The header's name.
        header: &'static str,
    },
    /// Two connections claim to be the same session.
    #[error("session {id} already exists")]
    Exists {
        /// The session.
        id: String,
    },
    /// No connection has brought the session.
    #[error("no active session for {id}")]
    Unknown {
        /// The session.
        id: String,
    },
    /// The build was asked for without a session.
    #[error("the build has no session")]
    None,
    /// The client's side does not serve this.
    #[error("method {method} not supported by the client")]
    NotOffered {
        /// The RPC's path.
        method: &'static str,
    },
    /// The connection cannot be made to speak HTTP/2.
    #[error("cannot start session {id}")]
    Handshake {
        /// The session.
        id: String,
        /// HTTP/2's answer.
        source: hyper::Error,
    },
    /// The client's answer is a failure.
    #[error("{method} failed: {message}")]
    Refused {
        /// The RPC's path.
        method: &'static str,
        /// The answer's code.
        code: Code,
        /// The answer's text.
        message: String,
    },
    /// The client does not answer.
    #[error("the client did not answer {method} in time")]
    Deadline {
        /// The RPC's path.
        method: &'static str,
    },
    /// The session ended in the middle.
    #[error("session {id} has ended")]
    Ended {
        /// The session.
        id: String,
    },
    /// Files cannot be sent or received.
    #[error("cannot transfer files")]
    Transfer(#[from] TransferError),
    /// What is sent to the client cannot be read, or what it sends cannot be kept.
    #[error("cannot copy the stream of {method}")]
    Stream {
        /// The RPC's path.
        method: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

impl SessionError {
    /// What sort of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Header { .. } => ErrorKind::InvalidArgument,
            Self::Exists { .. } => ErrorKind::AlreadyExists,
            Self::Unknown { .. } => ErrorKind::NotFound,
            Self::None | Self::NotOffered { .. } => ErrorKind::Precondition,
            Self::Handshake { .. } | Self::Ended { .. } => ErrorKind::Unavailable,
            Self::Refused { code, .. } => kind(*code),
            Self::Deadline { .. } => ErrorKind::Deadline,
            Self::Transfer(error) => error.kind(),
            Self::Stream { .. } => ErrorKind::Internal,
        }
    }
}

/// Why a build failed, as its client is told.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct BuildError {
    kind: ErrorKind,
    message: String,
    details: Vec<google::Any>,
}

impl BuildError {
    /// A failure that a client draws as `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), details: Vec::new() }
    }

    /// Says which step failed, by the digest of its [`Vertex`](crate::wire::control::Vertex).
    #[must_use]
    pub fn at_vertex(self, digest: &str) -> Self {
        self.detail("Vertex", &VertexDetail { digest })
    }

    /// Says where in a file the fault is: clients draw the lines around it.
    #[must_use]
    pub fn in_source(self, filename: &str, text: &[u8], lines: &[(i32, i32)]) -> Self {
        let position = |line| PositionDetail { line };
        let ranges = lines
            .iter()
            .map(|(first, last)| RangeDetail { start: position(*first), end: position(*last) })
            .collect();
        let data = STANDARD.encode(text);
        self.detail("Source", &SourceDetail { info: InfoDetail { filename, data }, ranges })
    }

    /// Says that a sub-request of the frontend is not known, so that a client may do without.
    #[must_use]
    pub fn unsupported_subrequest(self, name: &str) -> Self {
        self.detail("Subrequest", &SubrequestDetail { name })
    }

    /// What sort of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The protocol's typed errors travel as JSON of Go's types.
    fn detail(mut self, name: &str, detail: &impl Serialize) -> Self {
        let value = serde_json::to_vec(detail).expect("texts and numbers can be written as JSON");
        let type_url = format!("github.com/moby/buildkit/errdefs.{name}+json");
        self.details.push(google::Any { type_url, value });
        self
    }
}

impl From<SessionError> for BuildError {
    fn from(error: SessionError) -> Self {
        Self::new(error.kind(), naru_error::chain(&error))
    }
}

impl From<BuildError> for Status {
    fn from(error: BuildError) -> Self {
        let code = code(error.kind);
        if error.details.is_empty() {
            return Self::new(code, error.message);
        }
        let whole = google::Status {
            code: code.into(),
            message: error.message.clone(),
            details: error.details,
        };
        Self::with_details(code, error.message, whole.encode_to_vec().into())
    }
}

#[derive(Serialize)]
struct VertexDetail<'text> {
    digest: &'text str,
}

#[derive(Serialize)]
struct SubrequestDetail<'text> {
    name: &'text str,
}

#[derive(Serialize)]
struct SourceDetail<'text> {
    info: InfoDetail<'text>,
    ranges: Vec<RangeDetail>,
}

#[derive(Serialize)]
struct InfoDetail<'text> {
    filename: &'text str,
    data: String,
}

#[derive(Serialize)]
struct RangeDetail {
    start: PositionDetail,
    end: PositionDetail,
}

#[derive(Serialize)]
struct PositionDetail {
    line: i32,
}

/// BuildKit's clients put any code's name before the text but `Unknown`'s. So a failure whose
/// code tells them nothing has that one, and they draw it as BuildKit's own.
pub(crate) fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::AlreadyExists => Code::AlreadyExists,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::Unauthorized => Code::Unauthenticated,
        ErrorKind::Forbidden => Code::PermissionDenied,
        ErrorKind::Unsupported => Code::Unimplemented,
        ErrorKind::Cancelled => Code::Cancelled,
        ErrorKind::Deadline => Code::DeadlineExceeded,
        ErrorKind::InvalidArgument
        | ErrorKind::Conflict
        | ErrorKind::Precondition
        | ErrorKind::Internal => Code::Unknown,
    }
}

/// What a client's code says.
fn kind(code: Code) -> ErrorKind {
    match code {
        Code::NotFound => ErrorKind::NotFound,
        Code::AlreadyExists => ErrorKind::AlreadyExists,
        Code::InvalidArgument | Code::OutOfRange => ErrorKind::InvalidArgument,
        Code::FailedPrecondition => ErrorKind::Precondition,
        Code::Aborted => ErrorKind::Conflict,
        Code::Unauthenticated => ErrorKind::Unauthorized,
        Code::PermissionDenied => ErrorKind::Forbidden,
        Code::Unimplemented => ErrorKind::Unsupported,
        Code::Cancelled => ErrorKind::Cancelled,
        Code::DeadlineExceeded => ErrorKind::Deadline,
        Code::Unavailable | Code::ResourceExhausted => ErrorKind::Unavailable,
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => ErrorKind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_a_dockerfile_travels_as_the_protocols_json() -> anyhow::Result<()> {
        let error = BuildError::new(ErrorKind::InvalidArgument, "unknown instruction: FRM")
            .in_source("Dockerfile", b"FRM x\n", &[(1, 1)])
            .at_vertex("sha256:0");
        let status = Status::from(error);
        assert_eq!(status.code(), Code::Unknown, "clients put any other code before the text");
        let whole = google::Status::decode(status.details())?;
        assert_eq!(whole.message, "unknown instruction: FRM");
        let [source, vertex] = whole.details.as_slice() else {
            anyhow::bail!("not two details: {whole:?}");
        };
        assert_eq!(source.type_url, "github.com/moby/buildkit/errdefs.Source+json");
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&source.value)?,
            serde_json::json!({
                "info": { "filename": "Dockerfile", "data": "RlJNIHgK" },
                "ranges": [{ "start": { "line": 1 }, "end": { "line": 1 } }],
            })
        );
        assert_eq!(vertex.type_url, "github.com/moby/buildkit/errdefs.Vertex+json");
        Ok(())
    }
}
