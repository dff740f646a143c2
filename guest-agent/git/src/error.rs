//! What can go wrong with a repository.

use std::io;

use naru_error::ErrorKind;
use thiserror::Error;

/// A repository that cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GitError {
    /// Reading from the server, or the files that are kept meanwhile.
    #[error("reading the repository")]
    Read(#[source] io::Error),
    /// What came is not what the protocol says.
    #[error("the server's answer is broken: {0}")]
    Broken(&'static str),
    /// The server says that it will not.
    #[error("the server says: {0}")]
    Refused(String),
    /// The server, or the repository, is of a kind that is not read.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// There is no such branch, tag or commit.
    #[error("repository does not contain ref {0}")]
    NoSuchRef(String),
    /// An object that another one names is not there.
    #[error("the repository has no object {0}")]
    Missing(String),
    /// An object that makes no sense.
    #[error("the object {0} is broken")]
    Object(String),
    /// A name that no file may have.
    #[error("the repository has a file {0:?}, which cannot be")]
    Name(String),
    /// More than there is room for.
    #[error("the repository is too large for the space that is left")]
    NoRoom,
    /// A file could not be written.
    #[error("writing {path}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl GitError {
    /// The closed kind that statuses and exit codes derive from.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Read(_) | Self::NoRoom | Self::Write { .. } => ErrorKind::Internal,
            Self::Refused(_) => ErrorKind::Forbidden,
            Self::Unsupported(_) => ErrorKind::Unsupported,
            Self::NoSuchRef(_) | Self::Missing(_) => ErrorKind::NotFound,
            Self::Broken(_) | Self::Object(_) | Self::Name(_) => ErrorKind::InvalidArgument,
        }
    }
}
