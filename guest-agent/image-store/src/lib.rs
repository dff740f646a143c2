//! Content-addressed OCI images: registry client, index, unpacked layers.
//!
//! A pull is one stream per layer, many at once: socket → digest check → decompression →
//! `diff_id` check → unpacking straight into a directory that overlayfs takes as a
//! `lowerdir`. What is on disk under the store's root:
//!
//! ```text
//! index.db      SQLite: images, manifests, configurations, names, layers
//! layers/<n>/   unpacked layers; short names, because overlay's options are one page long
//! records/<n>/  what else their archives had, so that they can be written out again
//! partial/<d>   the first part of a large blob that did not come whole
//! ingest/       half-done work, swept when the store opens
//! ```
//!
//! A layer exists when its row in `index.db` does. The row is written after the layer's
//! files were synced and its directory renamed out of `ingest/`; a removal takes the row away
//! first. So a crash at any instruction leaves at worst a directory without a row, which
//! is swept. Layers are known by `diff_id`, so that images share them whatever they stand on.
//!
//! The crate knows nothing of containers and nothing of the Docker API; what it needs to
//! know of either it is told through closures.

mod archive;
mod attestation;
mod config;
mod digest;
mod door;
mod download;
mod error;
mod gzip;
mod holds;
mod image;
mod index;
mod ingest;
#[cfg(any(test, feature = "invariants"))]
pub mod invariants;
mod layers;
mod made;
#[cfg(test)]
mod mutations;
mod partial;
mod platform;
mod platforms;
mod progress;
mod prune;
mod pull;
mod push;
mod ratio;
mod record;
mod reference;
mod registry;
mod remote;
mod remove;
mod room;
mod save;
mod store;
mod stream;
mod unpack;

pub use archive::ArchiveError;
pub use attestation::{Attestation, Outgoing};
pub use digest::{Digest, DigestError};
pub use error::ImageError;
pub use holds::ImageHold;
pub use image::{Image, InUse, LayerBlob, LayerInfo, Loaded, Pulled, Removed};
pub use made::{MadeImage, MadeLayer};
pub use platform::{Platform, PlatformError};
pub use progress::{LayerState, Progress, PullEvent, PushEvent, PushProgress, PushState};
pub use prune::{PrunePlan, PrunedImages, Wanted};
pub use push::{MediaTypes, PushRequest};
pub use record::LayerArchive;
pub use reference::{ImageReference, ReferenceError};
pub use registry::{
    ClientIdentity, Credentials, FoundRepository, HostConfig, Mark, Proxies, RegistryConfig,
    RegistryError, WebError, WebFile, WebRequest, WebUrl,
};
pub use remote::{Distributed, DistributedImage};
pub use remove::{Removal, RemoveConflict, Users};
pub use room::{Kept, kept_bytes, while_room};
pub use save::SavedImages;
pub use store::ImageStore;
pub use stream::decompressed;
pub use unpack::{Kind, Member, Tape, UnpackError, unpack};
