//! What can go wrong with a container's files.

use std::io;

use naru_error::ErrorKind;
use naru_image_store::{Kept, UnpackError};
use rustix::io::Errno;
use thiserror::Error;

/// A failed operation on files; the sentences are Docker's where it has one.
#[derive(Debug, Error)]
pub enum FilesError {
    /// An archive is to be unpacked into something that is no directory.
    #[error("extraction point is not a directory")]
    NotADirectory,
    /// The root filesystem is read-only.
    #[error("container rootfs is marked read-only")]
    ReadOnlyRoot,
    /// The mount that the path is in is read-only.
    #[error("mounted volume is marked read-only")]
    ReadOnlyVolume,
    /// The client does not want directories replaced.
    #[error("cannot overwrite directory {path:?} with non-directory {destination:?}")]
    OverwriteDirectory {
        /// What is there.
        path: String,
        /// Where the archive goes.
        destination: String,
    },
    /// The client does not want files replaced by directories.
    #[error("cannot overwrite non-directory {path:?} with directory {destination:?}")]
    OverwriteFile {
        /// What is there.
        path: String,
        /// Where the archive goes.
        destination: String,
    },
    /// An entry of the archive would end up elsewhere.
    #[error("{entry:?} is outside of {destination:?}")]
    Outside {
        /// The entry.
        entry: String,
        /// Where the archive goes.
        destination: String,
    },
    /// Nothing is in an archive that is to be all there is.
    #[error("the archive is empty")]
    EmptyArchive,
    /// The archive has no end.
    #[error("the archive is cut off: it has no end")]
    CutOff,
    /// The archive is broken.
    #[error(transparent)]
    Archive(UnpackError),
    /// The rest of the disk is for others.
    #[error(transparent)]
    Kept(Kept),
    /// A file operation failed.
    #[error("{operation} {path}")]
    Io {
        /// What was tried, such as `reading`.
        operation: &'static str,
        /// On what, as the container sees it.
        path: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl FilesError {
    /// The kind that the HTTP status derives from.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotADirectory
            | Self::ReadOnlyRoot
            | Self::ReadOnlyVolume
            | Self::OverwriteDirectory { .. }
            | Self::OverwriteFile { .. }
            | Self::Outside { .. }
            | Self::EmptyArchive
            | Self::CutOff
            | Self::Archive(_) => ErrorKind::InvalidArgument,
            Self::Kept(_) => ErrorKind::Internal,
            Self::Io { source, .. } => match Errno::from_io_error(source) {
                Some(Errno::NOENT) => ErrorKind::NotFound,
                Some(
                    Errno::INVAL | Errno::LOOP | Errno::NAMETOOLONG | Errno::NOTDIR | Errno::ROFS,
                ) => ErrorKind::InvalidArgument,
                Some(Errno::BUSY) => ErrorKind::Conflict,
                _ => ErrorKind::Internal,
            },
        }
    }

    /// For `map_err`: an I/O error with what was tried on which path of the container.
    pub(crate) fn io<E: Into<io::Error>>(
        operation: &'static str,
        path: &[u8],
    ) -> impl FnOnce(E) -> Self {
        let path = shown(path);
        move |source| {
            let source = source.into();
            Kept::of(&source).map_or(Self::Io { operation, path, source }, Self::Kept)
        }
    }
}

impl From<UnpackError> for FilesError {
    fn from(error: UnpackError) -> Self {
        match error {
            UnpackError::Read(source) if let Some(kept) = Kept::of(&source) => Self::Kept(kept),
            error => Self::Archive(error),
        }
    }
}

/// A path for messages.
pub(crate) fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
