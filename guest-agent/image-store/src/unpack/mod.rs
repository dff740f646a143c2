//! Layer archives become overlayfs directories.
//!
//! The archive is hostile until proven otherwise. Every path is cleaned by text first, so
//! that `..` cannot climb, and then resolved by the kernel with `RESOLVE_IN_ROOT`
//! beneath the layer's directory, so that no symbolic link inside the layer leads out of
//! it either. Memory does not grow with the archive's files: headers are bounded and
//! contents are copied through one buffer.
//!
//! Whiteouts (OCI image spec, "Whiteouts") become what overlayfs reads: `.wh.x` is a
//! character device 0:0 named `x`, `.wh..wh..opq` the attribute `trusted.overlay.opaque`.

mod attributes;
mod entry;
mod error;
mod member;
mod pax;
mod root;
mod sparse;
mod tape;
mod whiteout;

use std::io::{self, Read};
use std::path::Path;

pub use error::UnpackError;
pub use member::{Kind, Member};
pub use tape::Tape;

use self::entry::Unpacker;
use self::root::{InnerPath, Root, shown};
use crate::record::Recorder;
use crate::room::{Room, WhileRoom};

/// Reads the uncompressed tar `archive` to its end, unpacks it into `directory`, and records in
/// `record` what it has beside its files' contents. Both directories are there, empty, and on
/// one file system.
///
/// Gives the bytes of all regular files. Nothing is synced. On an error, such as that the disk has
/// too little room, the directories are half-filled and must be thrown away. Owners, devices and
/// whiteouts need root.
pub fn unpack(archive: impl Read, directory: &Path, record: &Path) -> Result<u64, UnpackError> {
    let room = Room::of(directory).map_err(UnpackError::Read)?;
    let archive = WhileRoom::new(archive, room);
    let recorder = Recorder::new(archive, record).map_err(UnpackError::Record)?;
    let mut tape = Tape::new(recorder);
    let mut unpacker = Unpacker::new(Root::open(directory)?);
    while let Some(member) = tape.next_member()? {
        unpacker.apply(&member, &mut tape)?;
    }
    let size = unpacker.finish()?;
    tape.finish()?;
    Ok(size)
}

/// Reads the uncompressed tar `archive` to its end, and records in `record` what it has beside its
/// files' contents; these lie where they would be unpacked already. Gives the bytes of all regular
/// files.
pub(crate) fn record(archive: impl Read, record: &Path) -> Result<u64, UnpackError> {
    let recorder = Recorder::new(archive, record).map_err(UnpackError::Record)?;
    let mut tape = Tape::new(recorder);
    let mut size: u64 = 0;
    while let Some(member) = tape.next_member()? {
        if member.kind == Kind::Symlink {
            size = size.saturating_add(u64::try_from(member.link.len()).unwrap_or(u64::MAX));
        }
        if member.kind != Kind::File {
            continue;
        }
        let path = InnerPath::clean(&member.name)
            .ok_or_else(|| UnpackError::Outside { entry: shown(&member.name) })?;
        tape.content_goes_to(path.as_bytes(), &member).map_err(UnpackError::Record)?;
        let content = io::copy(&mut tape, &mut io::sink()).map_err(UnpackError::Read)?;
        size = size.saturating_add(content);
    }
    tape.finish()?;
    Ok(size)
}

/// An entry's name without `.`, `..` and doubled slashes, relative to the archive's root.
pub(crate) fn clean_name(name: &[u8]) -> Result<String, UnpackError> {
    InnerPath::clean(name)
        .map(|path| shown(path.as_bytes()))
        .ok_or_else(|| UnpackError::Outside { entry: shown(name) })
}
