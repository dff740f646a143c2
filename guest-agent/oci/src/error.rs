//! Why a command failed.

use std::io;
use std::path::PathBuf;

use naru_error::ErrorKind;
use naru_runtime::RuntimeError;
use thiserror::Error;

/// What commands return.
pub(crate) type Result<T> = std::result::Result<T, OciError>;

/// A command that failed. Callers of `runc` know some of the words.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OciError {
    /// There is no such container.
    #[error("container {0:?} does not exist")]
    NotFound(String),
    /// The id is taken.
    #[error("container with given ID already exists: {0}")]
    Exists(String),
    /// The id could not be a directory's name.
    #[error("invalid container ID format: {0:?}")]
    InvalidId(String),
    /// The container is in a state in which this cannot be done.
    #[error("cannot {operation} container {id:?}: it is {status}")]
    WrongState {
        /// What was asked.
        operation: &'static str,
        /// The container.
        id: String,
        /// How it is.
        status: &'static str,
    },
    /// A signal needs a process.
    #[error("container not running")]
    NotRunning,
    /// The arguments make no sense.
    #[error("{0}")]
    Invalid(String),
    /// `runc` can do this, this runtime cannot.
    #[error("{0}")]
    Unsupported(String),
    /// A document is not what it should be.
    #[error("{} is not understood", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A file operation failed.
    #[error("{operation} {} failed", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The runtime failed.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

impl OciError {
    /// What sort of error this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::Exists(_) => ErrorKind::AlreadyExists,
            Self::WrongState { .. } | Self::NotRunning => ErrorKind::Conflict,
            Self::InvalidId(_) | Self::Invalid(_) | Self::Document { .. } => {
                ErrorKind::InvalidArgument
            }
            Self::Unsupported(_) => ErrorKind::Unsupported,
            Self::Io { .. } => ErrorKind::Internal,
            Self::Runtime(error) => error.kind(),
        }
    }

    /// For `map_err`: an I/O error with what was tried on which path.
    pub(crate) fn io(
        operation: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { operation, path, source }
    }

    /// For `map_err`: a document that is not understood.
    pub(crate) fn document(path: impl Into<PathBuf>) -> impl FnOnce(serde_json::Error) -> Self {
        let path = path.into();
        move |source| Self::Document { path, source }
    }
}
