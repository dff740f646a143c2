//! Fingerprints of what is copied or mounted.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, BorrowedFd};

use naru_dockerfile::{Attributes, Content, Fingerprint};
use rustix::fs::{FileType, readlinkat};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::error::{CopyError, Tried as _};
use super::filter::Filter;
use super::walk::{Entry, Status, Visitor, open_file, walk};
use crate::files::{self, NodeKind, Tree, read_attributes, split};

const BUFFER: usize = 128 << 10;

/// The fingerprint of what is at `path` of a tree, links followed, with all that is in it.
pub(crate) fn fingerprint(
    tree: &Tree,
    path: &[u8],
    token: &CancellationToken,
) -> Result<Fingerprint, CopyError> {
    let real = tree.follow(path).tried("look at", path)?;
    let node = tree.look(&real).tried("look at", path)?;
    let mut hashing = Hashing::new(true, token);
    if node.kind() == NodeKind::Directory {
        let open = node.open_directory().tried("look at", path)?;
        walk(open, &real, &Filter::default(), token, &mut hashing)?;
    } else {
        hashing.only(tree, &real)?;
    }
    hashing.finish().ok_or_else(|| CopyError::Unsupported("a socket".to_owned()))
}

/// Makes a fingerprint on a walk. Each file is read once.
#[derive(Debug)]
pub(super) struct Hashing<'a> {
    token: &'a CancellationToken,
    buffer: Vec<u8>,
    /// Whether the attributes of the directory that is walked count, too.
    root_counts: bool,
    levels: Vec<Level>,
    done: Option<Fingerprint>,
    is_empty: bool,
}

/// A directory on the way.
#[derive(Debug)]
struct Level {
    name: Vec<u8>,
    status: Status,
    attributes: files::Attributes,
    is_included: bool,
    entries: Vec<(Vec<u8>, Fingerprint)>,
}

impl<'a> Hashing<'a> {
    pub(super) fn new(root_counts: bool, token: &'a CancellationToken) -> Self {
        Self {
            token,
            buffer: vec![0; BUFFER],
            root_counts,
            levels: Vec::new(),
            done: None,
            is_empty: false,
        }
    }

    /// Makes that of what is at `path`, which is clean, and no directory.
    pub(super) fn only(&mut self, tree: &Tree, path: &[u8]) -> Result<(), CopyError> {
        let (above, name) = split(path);
        let above = tree.directory(above).tried("open", path)?;
        let status = Status::of(&above, name).tried("look at", path)?;
        self.done = self.of(&Entry { directory: above.as_fd(), name, path, status: &status })?;
        Ok(())
    }

    /// Whether nothing was meant of the directory that was walked.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// The fingerprint; none if there is nothing that has one.
    pub(super) fn finish(self) -> Option<Fingerprint> {
        self.done
    }

    /// That of what is no directory. A socket is only as long as somebody listens on it.
    fn of(&mut self, entry: &Entry<'_>) -> Result<Option<Fingerprint>, CopyError> {
        let mut attributes = files::Attributes::new();
        let link;
        let content = match entry.status.kind {
            FileType::RegularFile => {
                let open = open_file(entry.directory, entry.name).tried("read", entry.path)?;
                let mut file = File::from(open);
                attributes = read_attributes(&file).tried("read", entry.path)?;
                Content::File(self.content(&mut file, entry.path)?)
            }
            FileType::Symlink => {
                let found = readlinkat(entry.directory, entry.name, Vec::new());
                link = found.tried("read", entry.path)?.into_bytes();
                Content::Link(&link)
            }
            FileType::CharacterDevice | FileType::BlockDevice => {
                let is_block = entry.status.kind == FileType::BlockDevice;
                let (major, minor) = entry.status.device;
                Content::Device { is_block, major, minor }
            }
            FileType::Fifo => Content::Pipe,
            _ => return Ok(None),
        };
        Ok(Some(of_file(entry.status, &attributes, content)))
    }

    fn content(&mut self, file: &mut File, path: &[u8]) -> Result<Fingerprint, CopyError> {
        let mut hasher = Sha256::new();
        loop {
            let count = file.read(&mut self.buffer).tried("read", path)?;
            hasher.update(&self.buffer[..count]);
            if count == 0 {
                return Ok(Fingerprint::from_sha256(hasher.finalize().into()));
            }
            if count == BUFFER && self.token.is_cancelled() {
                return Err(CopyError::Cancelled);
            }
        }
    }

    fn push(&mut self, name: Vec<u8>, fingerprint: Fingerprint) {
        match self.levels.last_mut() {
            Some(above) => above.entries.push((name, fingerprint)),
            None => self.done = Some(fingerprint),
        }
    }
}

impl Visitor for Hashing<'_> {
    fn enter(
        &mut self,
        open: BorrowedFd<'_>,
        entry: &Entry<'_>,
        is_included: bool,
    ) -> Result<(), CopyError> {
        let attributes = read_attributes(open).tried("read", entry.path)?;
        self.levels.push(Level {
            name: entry.name.to_vec(),
            status: entry.status.clone(),
            attributes,
            is_included,
            entries: Vec::new(),
        });
        Ok(())
    }

    fn leave(&mut self) -> Result<(), CopyError> {
        let Some(mut level) = self.levels.pop() else { return Ok(()) };
        if !level.is_included && level.entries.is_empty() {
            return Ok(());
        }
        self.is_empty = level.entries.is_empty();
        level.entries.sort_unstable();
        let entries: Vec<(&[u8], Fingerprint)> =
            level.entries.iter().map(|(name, entry)| (name.as_slice(), *entry)).collect();
        let content = Content::Directory(&entries);
        let fingerprint = if self.levels.is_empty() && !self.root_counts {
            Fingerprint::of_file(&Attributes::default(), content)
        } else {
            of_file(&level.status, &level.attributes, content)
        };
        self.push(level.name, fingerprint);
        Ok(())
    }

    fn file(&mut self, entry: &Entry<'_>) -> Result<(), CopyError> {
        if let Some(fingerprint) = self.of(entry)? {
            self.push(entry.name.to_vec(), fingerprint);
        }
        Ok(())
    }
}

fn of_file(status: &Status, attributes: &files::Attributes, content: Content<'_>) -> Fingerprint {
    let xattrs: Vec<(&[u8], &[u8])> =
        attributes.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
    let (uid, gid) = status.owner;
    let mode = status.mode;
    Fingerprint::of_file(&Attributes { mode, uid, gid, xattrs: &xattrs }, content)
}
