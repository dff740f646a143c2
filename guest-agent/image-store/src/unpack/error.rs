//! Why a layer archive is refused.

use std::io;

/// A layer archive that is broken, hostile or cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// An entry points outside the layer.
    #[error("entry {entry:?} is outside of the layer")]
    Outside {
        /// The entry's name.
        entry: String,
    },
    /// A hard link points outside the layer.
    #[error("hard link {entry:?} to {target:?}, which is outside of the layer")]
    LinkOutside {
        /// The entry's name.
        entry: String,
        /// What it links to.
        target: String,
    },
    /// An entry that would be taken for overlayfs's own.
    #[error("entry {entry:?} is a device 0:0, which overlayfs takes for a whiteout")]
    ForgedWhiteout {
        /// The entry's name.
        entry: String,
    },
    /// An entry that a layer may not have.
    #[error("entry {entry:?} is invalid: {reason}")]
    Entry {
        /// The entry's name.
        entry: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The archive itself is broken.
    #[error("tar archive is broken: {reason}")]
    Tar {
        /// In what.
        reason: &'static str,
    },
    /// Reading the archive failed.
    #[error("reading the archive")]
    Read(#[source] io::Error),
    /// Writing down what the archive is like failed.
    #[error("recording the archive")]
    Record(#[source] io::Error),
    /// Writing an entry failed.
    #[error("writing entry {entry:?}")]
    Write {
        /// The entry's name.
        entry: String,
        /// Why.
        source: io::Error,
    },
}
