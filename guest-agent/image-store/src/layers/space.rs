//! Whether what is to come has room.

use rustix::fs::statvfs;

use super::Layers;
use crate::error::ImageError;

impl Layers {
    /// Refuses what needs `needed` bytes at least, where fewer are free.
    pub(crate) fn check_space(&self, needed: u64) -> Result<(), ImageError> {
        let found = statvfs(&self.ready)
            .map_err(|errno| ImageError::io("inspect", &self.ready)(errno.into()))?;
        // Also the part that is kept for root, who we are.
        let free = found.f_bfree.saturating_mul(found.f_frsize);
        if needed > free {
            return Err(ImageError::NoRoom { needed, free });
        }
        Ok(())
    }
}
