//! One member of an archive.

use std::fs::File;
use std::io::{self, Read};

use super::sparse::Sparse;
use super::tape::Tape;

/// What a member of an archive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Another name of an earlier member.
    HardLink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
}

/// One member's headers, put together. Nothing in it is to be trusted.
#[derive(Debug)]
pub struct Member {
    /// Its path, as the archive has it.
    pub name: Vec<u8>,
    /// Where a link leads, as the archive has it.
    pub link: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permissions, set-id bits and the sticky bit.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Seconds and nanoseconds since 1970.
    pub mtime: (i64, u32),
    /// A device's major and minor number.
    pub device: (u32, u32),
    /// Extended attributes: names and values.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where the content goes, when the file has holes.
    pub(crate) sparse: Option<Sparse>,
}

impl Member {
    /// Writes the content of this member, the one last given out by `tape`, to an empty file.
    pub fn write_content<R: Read>(&self, tape: &mut Tape<R>, file: &mut File) -> io::Result<u64> {
        match &self.sparse {
            Some(sparse) => sparse.write(tape, file).map(|()| sparse.real_size),
            None => io::copy(tape, file),
        }
    }
}
