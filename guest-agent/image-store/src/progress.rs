//! What a pull, a load or a push reports while it goes on.

use crate::digest::Digest;

/// One step of a pull, in the order Docker's clients expect the lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullEvent {
    /// The manifest is known; layers follow. `tag` is the tag or digest asked for.
    PullingFrom {
        /// The repository as Docker prints it: `library/busybox`, `localhost:5000/app`.
        repository: String,
        /// The tag, or the digest for a reference without one.
        tag: String,
    },
    /// A layer's state changed. `id` is the short digest (12 hex digits) of its blob.
    Layer {
        /// The short digest.
        id: String,
        /// What is going on with it.
        state: LayerState,
    },
    /// All is in place; the digest of what the reference names (manifest or index).
    Digest(Digest),
}

/// Where a layer is on its way into the store. Sizes are bytes of the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerState {
    /// Not begun.
    Waiting,
    /// Bytes are arriving, and are unpacked as they come.
    Downloading {
        /// Bytes so far.
        current: u64,
        /// Bytes in all.
        total: u64,
    },
    /// The connection broke; the download goes on where it stopped.
    Retrying {
        /// Seconds until the next attempt.
        seconds: u64,
    },
    /// All bytes have arrived.
    DownloadComplete,
    /// The rest is being unpacked.
    Extracting {
        /// Bytes so far.
        current: u64,
        /// Bytes in all.
        total: u64,
    },
    /// The layer is in the store, on disk.
    PullComplete,
    /// The layer was in the store.
    AlreadyExists,
}

/// Takes a pull's events; called from the task that polls the pull.
pub type Progress<'a> = &'a (dyn Fn(PullEvent) + Send + Sync);

/// One step of a push, in the order Docker's clients expect the lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushEvent {
    /// The whole name of the repository that it goes to.
    RefersTo(String),
    /// A layer's state changed. `id` is the short digest (12 hex digits) of its content.
    Layer {
        /// The short digest.
        id: String,
        /// What is going on with it.
        state: PushState,
    },
    /// A tag is there.
    Pushed {
        /// The tag.
        tag: String,
        /// The digest of its manifest.
        digest: Digest,
        /// The manifest's size in bytes.
        size: u64,
    },
}

/// Where a layer is on its way into a registry. Sizes are bytes of its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushState {
    /// Not looked at yet.
    Preparing,
    /// Others go first.
    Waiting,
    /// The repository has it.
    AlreadyExists,
    /// The registry has taken it over from this repository.
    MountedFrom(String),
    /// It is being packed and sent.
    Pushing {
        /// Bytes so far.
        current: u64,
        /// Bytes in all.
        total: u64,
    },
    /// The connection broke; the upload goes on where it stopped.
    Retrying {
        /// Seconds until the next attempt.
        seconds: u64,
    },
    /// It is there.
    Pushed,
}

/// Takes a push's events; called from the task that polls the push.
pub type PushProgress<'a> = &'a (dyn Fn(PushEvent) + Send + Sync);
