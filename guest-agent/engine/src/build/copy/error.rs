//! What can go wrong with a `COPY` or an `ADD`.

use std::io;

use naru_dockerfile::Problem;
use naru_error::ErrorKind;
use naru_image_store::{DigestError, ImageError, WebError};
use rustix::io::Errno;
use thiserror::Error;

use super::super::context::ContextError;
use crate::files::{FilesError, shown};

/// An instruction that cannot be carried out. The messages are BuildKit's where it has one.
#[derive(Debug, Error)]
pub enum CopyError {
    /// There is no such file. How that is said depends on where it was looked for.
    #[error("{path:?}: not found{}", meant(.nearest.as_ref()))]
    Missing {
        /// The source, from the root.
        path: String,
        /// What is there instead, and may be meant.
        nearest: Option<String>,
    },
    /// There is nothing that files could come from.
    #[error("missing build context")]
    NoContext,
    /// `COPY` of what is not in a context.
    #[error("source can't be a {0} for COPY")]
    RemoteCopy(&'static str),
    /// Several files would take one name, one after the other.
    #[error(
        "When using {0} with more than one source file, the destination must be a directory and \
         end with a /"
    )]
    SeveralToOne(&'static str),
    /// A flag's value, or a pattern.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// Not `user:group`.
    #[error("invalid chown string format: {0}")]
    Chown(String),
    /// The image has no such user or group.
    #[error("can't find {kind} {name}: no such {kind}{}", meant(.nearest.as_ref()))]
    Owner {
        /// `user` or `group`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What may be meant.
        nearest: Option<String>,
    },
    /// Twice said, and not the same.
    #[error("inconsistent keep-git-dir configuration")]
    KeepGitDir,
    /// `--checksum` of something else than one file of the web, or a repository.
    #[error("checksum {0}")]
    ChecksumUse(&'static str),
    /// `--checksum` that is none.
    #[error("invalid checksum {text:?}")]
    Checksum {
        /// What was given.
        text: String,
        /// Why it is none.
        source: DigestError,
    },
    /// Something else has come than was expected.
    #[error("digest mismatch {found}: {expected}")]
    Mismatch {
        /// What has come.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// A URL that is none, or of something else than the web.
    #[error(transparent)]
    Url(#[from] WebError),
    /// The web does not give it.
    #[error(transparent)]
    Fetch(#[from] ImageError),
    /// What is not done.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// The directory for what is fetched.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// A directory would take the place of something else.
    #[error("cannot copy to non-directory: {0}")]
    NotADirectory(String),
    /// Something else would take the place of a directory.
    #[error("cannot replace to directory {0} with file")]
    ReplacesDirectory(String),
    /// An archive could not be unpacked.
    #[error("failed to unpack {path}")]
    Unpack {
        /// The archive.
        path: String,
        /// Why.
        source: FilesError,
    },
    /// The build was given up.
    #[error("context canceled")]
    Cancelled,
    /// A file operation failed.
    #[error("failed to {operation} {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what, from the root of its tree.
        path: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl CopyError {
    /// The kind that the HTTP status derives from.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing { .. } | Self::Owner { .. } => ErrorKind::NotFound,
            Self::NoContext
            | Self::RemoteCopy(_)
            | Self::SeveralToOne(_)
            | Self::Problem(_)
            | Self::Chown(_)
            | Self::KeepGitDir
            | Self::ChecksumUse(_)
            | Self::Checksum { .. }
            | Self::Mismatch { .. }
            | Self::NotADirectory(_)
            | Self::ReplacesDirectory(_) => ErrorKind::InvalidArgument,
            Self::Url(error) => error.kind(),
            Self::Fetch(error) => error.kind(),
            Self::Unsupported(_) => ErrorKind::Unsupported,
            Self::Context(error) => error.kind(),
            Self::Unpack { source, .. } => source.kind(),
            Self::Cancelled => ErrorKind::Cancelled,
            Self::Io { source, .. } => match Errno::from_io_error(source) {
                Some(Errno::NOENT) => ErrorKind::NotFound,
                Some(Errno::INVAL | Errno::LOOP | Errno::NAMETOOLONG | Errno::NOTDIR) => {
                    ErrorKind::InvalidArgument
                }
                _ => ErrorKind::Internal,
            },
        }
    }

    /// An I/O error with what was tried on which path.
    pub(super) fn io(operation: &'static str, path: &[u8], error: impl Into<io::Error>) -> Self {
        Self::Io { operation, path: shown(path), source: error.into() }
    }
}

/// Says what was tried where it fails.
pub(super) trait Tried<T> {
    fn tried(self, operation: &'static str, path: &[u8]) -> Result<T, CopyError>;
}

impl<T, E: Into<io::Error>> Tried<T> for Result<T, E> {
    fn tried(self, operation: &'static str, path: &[u8]) -> Result<T, CopyError> {
        self.map_err(|error| CopyError::io(operation, path, error))
    }
}

fn meant(nearest: Option<&String>) -> String {
    nearest.map(|nearest| format!(" (did you mean {nearest}?)")).unwrap_or_default()
}
