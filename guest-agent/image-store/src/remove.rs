//! Removal by Docker's rules.

/// Why an image may not be removed; the words are Docker's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoveConflict {
    /// It is the last name of an image that a container uses.
    #[error(
        "conflict: unable to remove repository reference \"{reference}\" (must force) - \
         container {container} is using its referenced image {image}"
    )]
    ReferenceInUse {
        /// The familiar reference.
        reference: String,
        /// The container's short id.
        container: String,
        /// The image's short id.
        image: String,
    },
    /// A running container uses it.
    #[error(
        "conflict: unable to delete {image} (cannot be forced) - \
         image is being used by running container {container}"
    )]
    Running {
        /// The image's short id.
        image: String,
        /// The container's short id.
        container: String,
    },
    /// A stopped container uses it.
    #[error(
        "conflict: unable to delete {image} (must be forced) - \
         image is being used by stopped container {container}"
    )]
    Stopped {
        /// The image's short id.
        image: String,
        /// The container's short id.
        container: String,
    },
    /// It has several names.
    #[error(
        "conflict: unable to delete {image} (must be forced) - \
         image is referenced in multiple repositories"
    )]
    ManyReferences {
        /// The image's short id.
        image: String,
    },
}
