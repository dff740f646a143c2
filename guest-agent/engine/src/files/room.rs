//! How much an archive that somebody sends may take.

use std::os::fd::AsFd;

use naru_image_store::kept_bytes;
use rustix::fs::fstatvfs;
use rustix::io::Errno;

/// Bytes and files that there is room for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) bytes: u64,
    pub(crate) files: u64,
}

impl Room {
    /// What is free in the file system of `place`, but for what is kept for everybody else.
    pub(crate) fn of(place: impl AsFd) -> Result<Self, Errno> {
        let found = fstatvfs(place)?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        let kept = kept_bytes(bytes(found.f_blocks));
        // Some file systems make places for files as they are needed, and say 0.
        let files = if found.f_files == 0 { u64::MAX } else { found.f_ffree };
        Ok(Self { bytes: bytes(found.f_bfree).saturating_sub(kept), files })
    }
}
