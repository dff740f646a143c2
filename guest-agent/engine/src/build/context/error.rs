//! What can go wrong with a context.

use std::io;
use std::path::PathBuf;

use naru_dockerfile::Problem;
use naru_error::ErrorKind;
use thiserror::Error;

use crate::files::FilesError;

/// A context that could not be taken or read.
#[derive(Debug, Error)]
pub enum ContextError {
    /// What was sent could not be unpacked.
    #[error("failed to unpack the build context")]
    Unpack(#[source] FilesError),
    /// A file of it could not be read.
    #[error("failed to read {path:?} of the build context")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file that is read whole is no such.
    #[error("{path:?} of the build context is larger than {limit} bytes")]
    TooLarge {
        /// The file.
        path: String,
        /// What it may be.
        limit: u64,
    },
    /// What is ignored is not written as it should be.
    #[error("failed to parse .dockerignore")]
    Ignore(#[source] Problem),
    /// The directory itself.
    #[error("{operation} {path}", path = path.display())]
    Directory {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl ContextError {
    /// The kind that the HTTP status derives from.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unpack(error) => error.kind(),
            Self::TooLarge { .. } | Self::Ignore(_) => ErrorKind::InvalidArgument,
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                ErrorKind::NotFound
            }
            Self::Read { .. } => ErrorKind::InvalidArgument,
            Self::Directory { .. } => ErrorKind::Internal,
        }
    }
}
