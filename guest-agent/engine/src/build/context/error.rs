//! What can go wrong with a context.

use std::io;
use std::path::PathBuf;

use naru_dockerfile::Problem;
use naru_error::ErrorKind;
use naru_image_store::ImageError;
use thiserror::Error;

use crate::files::FilesError;

/// A context that could not be taken or read.
#[derive(Debug, Error)]
pub enum ContextError {
    /// Nothing was sent.
    #[error("the build context is empty")]
    Empty,
    /// What was sent could not be unpacked.
    #[error("failed to unpack the build context")]
    Unpack(#[source] FilesError),
    /// The web does not give it.
    #[error("error downloading remote context")]
    Fetch(#[from] ImageError),
    /// The thread that unpacked it is gone.
    #[error("unpacking the build context panicked")]
    Panicked,
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
            Self::Fetch(error) => error.kind(),
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                ErrorKind::NotFound
            }
            Self::Empty | Self::TooLarge { .. } | Self::Ignore(_) | Self::Read { .. } => {
                ErrorKind::InvalidArgument
            }
            Self::Panicked | Self::Directory { .. } => ErrorKind::Internal,
        }
    }
}
