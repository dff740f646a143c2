//! Why an archive holds no image that can be loaded.

use crate::unpack::UnpackError;

/// An image archive that is broken or is none.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Neither `manifest.json` nor an OCI `index.json`.
    #[error("archive has neither manifest.json nor index.json")]
    NoManifest,
    /// A file the manifest names is not there.
    #[error("archive lacks {name}")]
    Missing {
        /// The file's name in the archive.
        name: String,
    },
    /// A JSON file does not make sense.
    #[error("archive's {name} is invalid")]
    Json {
        /// The file's name in the archive.
        name: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A file's content is not what its name or descriptor says.
    #[error("archive's {name} does not have the digest {expected}")]
    Digest {
        /// The file's name in the archive.
        name: String,
        /// The digest it was to have.
        expected: String,
    },
    /// A JSON file larger than any real one.
    #[error("archive's {name} is too large")]
    TooLarge {
        /// The file's name in the archive.
        name: String,
    },
    /// A layer is not as long as its descriptor says.
    #[error("archive's {name} has {actual} bytes, but its descriptor says {expected}")]
    Size {
        /// The file's name in the archive.
        name: String,
        /// The size it was to have.
        expected: u64,
        /// The size it has.
        actual: u64,
    },
    /// More members, or longer names, than any image has.
    #[error("archive has too many members")]
    TooMany,
    /// Its JSON files, each as often as it is named, are more than those of any real one.
    #[error("archive names too much JSON")]
    TooMuch,
    /// It is no tar archive, or a broken one.
    #[error("archive cannot be read")]
    Tar(#[from] UnpackError),
}
