//! How much an archive that somebody sends may take.

use std::os::fd::AsFd;

use rustix::fs::fstatvfs;
use rustix::io::Errno;

/// What is left for everybody else, as a part of the file system and at most.
const KEPT_PART: u64 = 20;
const KEPT_MAX: u64 = 1 << 30;

/// Bytes and files that there is room for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) bytes: u64,
    pub(crate) files: u64,
}

impl Room {
    /// What is free in the file system of `place`, but for what the engine needs itself.
    pub(crate) fn of(place: impl AsFd) -> Result<Self, Errno> {
        let found = fstatvfs(place)?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        let kept = (bytes(found.f_blocks) / KEPT_PART).min(KEPT_MAX);
        // Some file systems make places for files as they are needed, and say 0.
        let files = if found.f_files == 0 { u64::MAX } else { found.f_ffree };
        Ok(Self { bytes: bytes(found.f_bfree).saturating_sub(kept), files })
    }
}
