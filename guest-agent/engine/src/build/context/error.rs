//! What can go wrong with a context.

use std::io;
use std::path::{Path, PathBuf};

use naru_dockerfile::Problem;
use naru_error::ErrorKind;
use naru_git::GitError;
use naru_image_store::{ImageError, WebError};
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
    /// A repository that cannot be read.
    #[error("failed to fetch the git repository")]
    Git(#[from] GitError),
    /// Where it is makes no sense.
    #[error(transparent)]
    Url(#[from] WebError),
    /// It is another commit than was expected.
    #[error("expected checksum to match {expected}, got {found}")]
    Mismatch {
        /// The commit.
        found: String,
        /// What it was to be.
        expected: String,
    },
    /// There is no such directory in it.
    #[error("the build context has no directory {0:?}")]
    NoDirectory(String),
    /// The directory has a name that no mount takes.
    #[error(
        "the directory {0:?} of the build context cannot be mounted: it has a colon or no text in its name"
    )]
    Unmountable(String),
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
            Self::Git(error) => error.kind(),
            Self::Url(error) => error.kind(),
            Self::NoDirectory(_) => ErrorKind::NotFound,
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                ErrorKind::NotFound
            }
            Self::Empty
            | Self::Unmountable(_)
            | Self::TooLarge { .. }
            | Self::Ignore(_)
            | Self::Mismatch { .. }
            | Self::Read { .. } => ErrorKind::InvalidArgument,
            Self::Panicked | Self::Directory { .. } => ErrorKind::Internal,
        }
    }

    /// For `map_err`: what was tried on which directory.
    pub(super) fn directory(
        operation: &'static str,
        path: &Path,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Directory { operation, path, source }
    }
}
