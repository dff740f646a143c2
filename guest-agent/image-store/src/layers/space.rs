//! Whether what is to come has room.

use super::Layers;
use crate::error::ImageError;
use crate::room::Room;

impl Layers {
    /// Refuses what needs `needed` bytes at least, where fewer may be brought. What needs none is
    /// there already, or says itself while it comes that there is no room.
    pub(crate) fn check_space(&self, needed: u64) -> Result<(), ImageError> {
        if needed == 0 {
            return Ok(());
        }
        let room = Room::of(&self.ready).and_then(|room| room.bytes());
        let free = room.map_err(ImageError::io("inspect", &self.ready))?;
        if needed > free {
            return Err(ImageError::NoRoom { needed, free });
        }
        Ok(())
    }
}
