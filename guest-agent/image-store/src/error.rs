//! What can go wrong with images.
//!
//! Texts that Docker's clients match are Docker's, word for word.

use std::io;
use std::path::{Path, PathBuf};

use naru_error::ErrorKind;

use crate::archive::ArchiveError;
use crate::digest::Digest;
use crate::reference::ReferenceError;
use crate::registry::{RegistryError, WebError};
use crate::remove::RemoveConflict;
use crate::room::Kept;
use crate::unpack::UnpackError;

/// A failure of the image store.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The name is no image reference.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// No image of that name or id is here.
    #[error("No such image: {name}")]
    NotFound {
        /// The name as it was looked for.
        name: String,
    },
    /// The repository has no tag here.
    #[error("An image does not exist locally with the tag: {name}")]
    NothingToPush {
        /// The familiar name.
        name: String,
    },
    /// The repository has tags here, and not this one.
    #[error("tag does not exist: {reference}")]
    NoSuchTag {
        /// The familiar reference.
        reference: String,
    },
    /// A manifest's digest follows from what is pushed, and cannot be chosen.
    #[error("cannot push a digest reference")]
    PushByDigest,
    /// The id prefix fits several images.
    #[error("ambiguous image id prefix: {prefix}")]
    AmbiguousId {
        /// The prefix.
        prefix: String,
    },
    /// The image may not be removed.
    #[error(transparent)]
    Conflict(#[from] RemoveConflict),
    /// The registry, or the way to it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A file that was to be fetched.
    #[error(transparent)]
    Web(#[from] WebError),
    /// A layer could not be unpacked.
    #[error("layer {layer} cannot be unpacked")]
    Unpack {
        /// The layer's short digest.
        layer: String,
        /// Why.
        source: UnpackError,
    },
    /// A layer's content is not what the image's configuration says.
    #[error("layer {layer} unpacks to {actual}, but the image's configuration says {expected}")]
    DiffId {
        /// The layer's short digest.
        layer: String,
        /// The digest of what came.
        actual: Digest,
        /// The digest that was promised.
        expected: Digest,
    },
    /// A layer cannot be written out, because it was unpacked before records were kept.
    #[error(
        "layer {layer} was unpacked by an older Naru, which kept too little of it to write it \
             out again: pull or load its image once more"
    )]
    NoRecord {
        /// The layer's short digest.
        layer: String,
    },
    /// The image's configuration does not make sense.
    #[error("image configuration {digest} is invalid: {reason}")]
    Config {
        /// The configuration's digest.
        digest: Digest,
        /// What is wrong with it.
        reason: String,
    },
    /// The image is for other machines than the one asked for.
    #[error(
        "image with reference {reference} was found but its platform ({found}) does not match \
         the specified platform ({wanted})"
    )]
    Platform {
        /// The familiar reference.
        reference: String,
        /// The image's platform.
        found: String,
        /// The platform asked for.
        wanted: String,
    },
    /// A loaded archive does not make sense.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The store's file system is full.
    #[error("no space left on device: {path}")]
    DiskFull {
        /// Where it was written to.
        path: PathBuf,
    },
    /// The store's file system has less room than is needed, as is known before anything is done.
    #[error("no space left on device: {needed} bytes are needed at least, {free} are free")]
    NoRoom {
        /// How much there is to come, compressed.
        needed: u64,
        /// How much may be written.
        free: u64,
    },
    /// The rest of the disk is for others.
    #[error(transparent)]
    Kept(Kept),
    /// Reading or writing the store failed.
    #[error("{operation} {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The index database failed.
    #[error("image index: {operation}")]
    Database {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        source: rusqlite::Error,
    },
    /// The index database was written by a newer Naru.
    #[error("image index has version {found}, but this version of Naru knows only up to {known}")]
    NewerIndex {
        /// The version on disk.
        found: usize,
        /// The newest version known here.
        known: usize,
    },
    /// The work was given up because the store is being closed, or it panicked.
    #[error("{operation} was interrupted")]
    Interrupted {
        /// What was going on.
        operation: &'static str,
    },
}

impl ImageError {
    /// The closed kind that statuses and exit codes derive from.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Reference(_)
            | Self::AmbiguousId { .. }
            | Self::PushByDigest
            | Self::Unpack { .. }
            | Self::DiffId { .. }
            | Self::Config { .. }
            | Self::Archive(_) => ErrorKind::InvalidArgument,
            Self::NotFound { .. }
            | Self::NothingToPush { .. }
            | Self::NoSuchTag { .. }
            | Self::Platform { .. } => ErrorKind::NotFound,
            Self::Conflict(_) => ErrorKind::Conflict,
            Self::Registry(error) => error.kind(),
            Self::Web(error) => error.kind(),
            Self::DiskFull { .. }
            | Self::NoRoom { .. }
            | Self::Kept(_)
            | Self::Io { .. }
            | Self::Database { .. } => ErrorKind::Internal,
            Self::NewerIndex { .. } | Self::NoRecord { .. } => ErrorKind::Precondition,
            Self::Interrupted { .. } => ErrorKind::Cancelled,
        }
    }

    /// Wraps an I/O failure; a full disk becomes a variant of its own.
    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            _ if let Some(kept) = Kept::of(&source) => Self::Kept(kept),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::Io { operation, path, source },
        }
    }

    /// Wraps what went wrong while unpacking `layer`, a short digest.
    pub(crate) fn unpack(layer: &str, path: &Path) -> impl FnOnce(UnpackError) -> Self {
        let (layer, path) = (layer.to_owned(), path.to_owned());
        move |source| match source {
            // Nothing but the record, which is written on the way, can make reading fail so.
            UnpackError::Write { source, .. }
            | UnpackError::Record(source)
            | UnpackError::Read(source)
                if source.kind() == io::ErrorKind::StorageFull =>
            {
                Self::io("unpack", &path)(source)
            }
            source => Self::Unpack { layer, source },
        }
    }

    pub(crate) fn database(operation: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| Self::Database { operation, source }
    }
}
