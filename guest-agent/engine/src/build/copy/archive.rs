//! `ADD` unpacks the archives of its source.

use std::fs::File;
use std::io::BufReader;
use std::os::fd::AsFd as _;

use naru_image_store::{Tape, decompressed};

use super::error::{CopyError, Tried as _};
use super::walk::open_file;
use crate::files::{FilesError, Room, Tree, UnpackOptions, shown, split, unpack};

const BUFFER: usize = 128 << 10;

/// Opens the file at `path`, which is clean, if it is an archive: that is told by what is in it,
/// not by its name.
pub(super) fn open_archive(tree: &Tree, path: &[u8]) -> Result<Option<File>, CopyError> {
    let (above, name) = split(path);
    let above = tree.directory(above).tried("open", path)?;
    let open = || open_file(&above, name).map(File::from);
    let first = open().tried("open", path)?;
    let Ok(reader) = decompressed(BufReader::with_capacity(BUFFER, first)) else {
        return Ok(None);
    };
    match Tape::new(reader).next_member() {
        Ok(Some(_)) => Ok(Some(open().tried("open", path)?)),
        // Whatever it is, it is no archive.
        Ok(None) | Err(_) => Ok(None),
    }
}

/// Unpacks it into the directory `destination`, which is clean.
pub(super) fn unpack_archive(
    (archive, path): (File, &[u8]),
    tree: &Tree,
    destination: &[u8],
    owner: Option<(u32, u32)>,
) -> Result<(), CopyError> {
    let room = Room::of(tree.as_fd()).tried("look at", destination)?;
    let options = UnpackOptions { owner, room: Some(room), ..UnpackOptions::default() };
    let failed = |source: FilesError| CopyError::Unpack { path: shown(path), source };
    unpack(tree, destination, options, archive).map_err(failed)
}
