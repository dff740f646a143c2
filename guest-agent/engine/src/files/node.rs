//! One thing in a tree, held fast.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

use rustix::fs::{CWD, Mode, OFlags, openat, readlinkat};

/// A file, directory, link or device, held by a descriptor that is good for nothing but to look
/// at it and to open that very thing, whatever takes its place meanwhile.
#[derive(Debug)]
pub(crate) struct Node {
    descriptor: File,
    metadata: Metadata,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeKind {
    File,
    Directory,
    Symlink,
    CharDevice,
    BlockDevice,
    Fifo,
    Socket,
}

impl Node {
    /// Looks at `name` in `directory`, itself if it is a link. `name` is one component.
    pub(super) fn at(directory: BorrowedFd<'_>, name: &[u8]) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Self::of(openat(directory, name, flags, Mode::empty())?)
    }

    pub(super) fn of(descriptor: OwnedFd) -> io::Result<Self> {
        let descriptor = File::from(descriptor);
        let metadata = descriptor.metadata()?;
        Ok(Self { descriptor, metadata })
    }

    pub(crate) fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    pub(crate) fn kind(&self) -> NodeKind {
        let kind = self.metadata.file_type();
        match () {
            () if kind.is_dir() => NodeKind::Directory,
            () if kind.is_symlink() => NodeKind::Symlink,
            () if kind.is_char_device() => NodeKind::CharDevice,
            () if kind.is_block_device() => NodeKind::BlockDevice,
            () if kind.is_fifo() => NodeKind::Fifo,
            () if kind.is_socket() => NodeKind::Socket,
            () => NodeKind::File,
        }
    }

    /// Tells it from all others of its machine.
    pub(crate) fn identity(&self) -> (u64, u64) {
        (self.metadata.dev(), self.metadata.ino())
    }

    /// Where a link leads.
    pub(crate) fn link(&self) -> io::Result<Vec<u8>> {
        Ok(readlinkat(&self.descriptor, "", Vec::new())?.into_bytes())
    }

    /// Opens a regular file for reading; anything else is an error.
    pub(crate) fn open_file(&self) -> io::Result<File> {
        if self.kind() != NodeKind::File {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(File::from(openat(CWD, self.magic_path(), flags, Mode::empty())?))
    }

    /// Opens a directory for reading; anything else is an error.
    pub(crate) fn open_directory(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&self.descriptor, ".", flags, Mode::empty())?)
    }

    /// The path by which the engine's own procfs leads to this very thing.
    pub(super) fn magic_path(&self) -> String {
        format!("/proc/self/fd/{}", self.descriptor.as_raw_fd())
    }
}

impl AsFd for Node {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
