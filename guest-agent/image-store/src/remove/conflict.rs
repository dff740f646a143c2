//! What stands against a removal.

use super::Users;
use crate::digest::Digest;

/// Docker's short container ids.
const SHORT_ID: usize = 12;

/// Why an image may not be removed; the words are Docker's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoveConflict {
    /// It is the last name of an image that a container uses.
    #[error(
        "conflict: unable to remove repository reference \"{reference}\" (must force) - \
         container {container} is using its referenced image {image}"
    )]
    ReferenceInUse {
        /// The familiar reference, with a tag only if the client named one.
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
    /// Other images were made of it here.
    #[error(
        "conflict: unable to delete {image} (cannot be forced) - \
         image has dependent child images"
    )]
    HasChildren {
        /// The image's short id.
        image: String,
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

/// Refuses while a container runs the image, and, unless forced, while a stopped one needs it.
pub(super) fn check_use(id: &Digest, force: bool, users: Users<'_>) -> Result<(), RemoveConflict> {
    let Some(user) = users(id) else { return Ok(()) };
    let container = short(&user.container_id);
    let image = id.short().to_owned();
    match user.running {
        true => Err(RemoveConflict::Running { image, container }),
        false if force => Ok(()),
        false => Err(RemoveConflict::Stopped { image, container }),
    }
}

pub(super) fn short(container_id: &str) -> String {
    container_id.chars().take(SHORT_ID).collect()
}
