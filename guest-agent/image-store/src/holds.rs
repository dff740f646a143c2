//! Images that something is about to need.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::digest::Digest;
use crate::error::ImageError;
use crate::store::ImageStore;

/// How often each image is held.
#[derive(Debug, Default)]
pub(crate) struct Holds(Mutex<HashMap<Digest, usize>>);

impl Holds {
    /// The holds, which stay as they are while this lives.
    pub(crate) fn lock(&self) -> MutexGuard<'_, HashMap<Digest, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps an image from being deleted: a container is being made of it, which nobody knows yet.
/// It may lose its names meanwhile.
#[derive(Debug)]
pub struct ImageHold {
    holds: Arc<Holds>,
    id: Digest,
}

impl ImageStore {
    /// Holds an image; an error if it is gone already.
    pub fn hold(&self, id: &Digest) -> Result<ImageHold, ImageError> {
        let mut held = self.holds().lock();
        // Looked at under the lock, as a deletion looks at the holds.
        if self.index().image(id)?.is_none() {
            return Err(ImageError::NotFound { name: id.to_string() });
        }
        *held.entry(id.clone()).or_default() += 1;
        Ok(ImageHold { holds: Arc::clone(self.holds()), id: id.clone() })
    }
}

impl Drop for ImageHold {
    fn drop(&mut self) {
        let mut held = self.holds.lock();
        if let Some(count) = held.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.id);
            }
        }
    }
}
