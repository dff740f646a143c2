//! The closed set of error kinds.
//!
//! Every public error of every Naru crate says through `fn kind(&self)` which of
//! these it is. HTTP status, IPC code and exit code derive from the kind, each in
//! exactly one `match` at the edge; nothing else looks at an error's text.

/// What sort of failure an error is, as far as a caller can act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The named thing does not exist.
    NotFound,
    /// The request makes no sense, whatever the state.
    InvalidArgument,
    /// The request contradicts the present state of the thing.
    Conflict,
    /// A thing of this name exists.
    AlreadyExists,
    /// Something else must be done first.
    Precondition,
    /// The other side does not answer now, but may later.
    Unavailable,
    /// The credentials are missing or wrong.
    Unauthorized,
    /// It must not be, as things are and whoever asks.
    Forbidden,
    /// Known, but not something this build or this host can do.
    Unsupported,
    /// The caller gave up.
    Cancelled,
    /// It took longer than it may.
    Deadline,
    /// A defect, or a failure of the machine underneath.
    Internal,
}

impl ErrorKind {
    /// The kind's name in `snake_case`, as it stands in IPC messages and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::InvalidArgument => "invalid_argument",
            Self::Conflict => "conflict",
            Self::AlreadyExists => "already_exists",
            Self::Precondition => "precondition",
            Self::Unavailable => "unavailable",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Unsupported => "unsupported",
            Self::Cancelled => "cancelled",
            Self::Deadline => "deadline",
            Self::Internal => "internal",
        }
    }
}

/// The error and its causes on one line, as it is printed once, at the edge.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
