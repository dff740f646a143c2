//! Writes files into the destination, with all that belongs to them.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, fchmod, futimens, linkat, makedev, mkdirat, mknodat, openat,
    readlinkat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use tokio_util::sync::CancellationToken;

use super::content::{Stopped, copy_content};
use super::dress::{Dress, Orders};
use super::error::{CopyError, Tried as _};
use super::walk::{Entry, Status, Visitor, open_directory, open_file};
use crate::files::{Attributes, Tree, below, read_attributes, shown, split};

/// A place in the destination: the open directory, the name there, and the path of both.
pub(super) type Place<'a> = (BorrowedFd<'a>, &'a [u8], &'a [u8]);

/// Writes what is found on a walk.
pub(super) struct Writing<'a> {
    tree: &'a Tree,
    orders: Orders<'a>,
    token: &'a CancellationToken,
    /// Where the first directory goes, until it is come to.
    top: Option<(Vec<u8>, OwnedFd)>,
    ways: Vec<Way>,
    /// The first name of each file that has several.
    links: HashMap<(u32, u32, u64), Vec<u8>>,
}

/// A directory on the way to what is being written.
struct Way {
    /// Where it is in the destination.
    path: Vec<u8>,
    status: Status,
    attributes: Attributes,
    is_included: bool,
    /// None until something is written into it.
    made: Option<Made>,
}

struct Made {
    open: OwnedFd,
    /// Whether its times are set.
    is_timed: bool,
}

impl<'a> Writing<'a> {
    pub(super) fn new(
        tree: &'a Tree,
        orders: Orders<'a>,
        token: &'a CancellationToken,
        top: (Vec<u8>, OwnedFd),
    ) -> Self {
        let (ways, links) = (Vec::new(), HashMap::new());
        Self { tree, orders, token, top: Some(top), ways, links }
    }

    /// Writes one file into the top directory under a name of its own.
    pub(super) fn write(&mut self, entry: &Entry<'_>, name: &[u8]) -> Result<(), CopyError> {
        let Some((above, directory)) = self.top.take() else { return Ok(()) };
        let path = below(&above, name);
        self.put(entry, (directory.as_fd(), name, &path))
    }

    /// Makes the directories that are on the way, and not yet there.
    fn make_ways(&mut self) -> Result<(), CopyError> {
        let first = self.ways.iter().rposition(|way| way.made.is_some()).map_or(0, |at| at + 1);
        for at in first..self.ways.len() {
            let (above, rest) = self.ways.split_at_mut(at);
            let (Some(Way { made: Some(above), .. }), Some(way)) = (above.last(), rest.first_mut())
            else {
                continue;
            };
            way.made = Some(way.make(&above.open, self.orders)?);
        }
        Ok(())
    }

    /// Writes what is no directory.
    fn put(&mut self, entry: &Entry<'_>, place: Place<'_>) -> Result<(), CopyError> {
        let (directory, name, path) = place;
        if entry.status.kind == FileType::RegularFile && entry.status.names > 1 {
            if let Some(first) = self.links.get(&entry.status.identity) {
                let (above, first) = split(first);
                let above = self.tree.directory(above).tried("open", path)?;
                return replacing(place, "link", || {
                    linkat(&above, first, directory, name, AtFlags::empty())
                });
            }
            self.links.insert(entry.status.identity, path.to_vec());
        }
        let dress = self.orders.dress(entry.status);
        match entry.status.kind {
            FileType::RegularFile => self.put_file(entry, place, &dress),
            FileType::Symlink => {
                let link = readlinkat(entry.directory, entry.name, Vec::new());
                let link = link.tried("read", entry.path)?;
                replacing(place, "make", || symlinkat(link.as_c_str(), directory, name))?;
                dress.onto_link(directory, name).tried("change", path)
            }
            // Nobody listens on one that was copied, and no layer has one.
            FileType::Socket => Ok(()),
            kind => {
                let (major, minor) = entry.status.device;
                if kind == FileType::CharacterDevice && (major, minor) == (0, 0) {
                    // To an overlay it would be that something is not there.
                    return Err(CopyError::io("copy", entry.path, Errno::PERM));
                }
                let new = Mode::RUSR | Mode::WUSR;
                let device = makedev(major, minor);
                replacing(place, "make", || mknodat(directory, name, kind, new, device))?;
                dress.onto_special(directory, name).tried("change", path)
            }
        }
    }

    fn put_file(
        &self,
        entry: &Entry<'_>,
        place: Place<'_>,
        dress: &Dress,
    ) -> Result<(), CopyError> {
        let source = open_file(entry.directory, entry.name);
        let source = File::from(source.tried("open", entry.path)?);
        let attributes = read_attributes(&source).tried("read", entry.path)?;
        let file = new_file(place)?;
        copy_content(&source, &file, entry.status, self.token).map_err(
            |stopped| match stopped {
                Stopped::Cancelled => CopyError::Cancelled,
                Stopped::Failed(error) => CopyError::io("write", place.2, error),
            },
        )?;
        dress.onto(&file, &attributes).tried("write", place.2)?;
        futimens(&file, &dress.times).tried("write", place.2)
    }
}

impl Visitor for Writing<'_> {
    fn enter(
        &mut self,
        open: BorrowedFd<'_>,
        entry: &Entry<'_>,
        is_included: bool,
    ) -> Result<(), CopyError> {
        let status = entry.status.clone();
        let attributes = read_attributes(open).tried("read", entry.path)?;
        let (path, made) = match (self.top.take(), self.ways.last()) {
            (Some((path, open)), _) => (path, Some(Made { open, is_timed: true })),
            (None, Some(above)) => (below(&above.path, entry.name), None),
            (None, None) => return Ok(()),
        };
        self.ways.push(Way { path, status, attributes, is_included, made });
        if is_included { self.make_ways() } else { Ok(()) }
    }

    fn leave(&mut self) -> Result<(), CopyError> {
        let Some(way) = self.ways.pop() else { return Ok(()) };
        match way.made {
            // Last of all: what is made in a directory changes its times.
            Some(Made { open, is_timed: true }) => {
                futimens(&open, &way.status.times).tried("change", &way.path)
            }
            _ => Ok(()),
        }
    }

    fn file(&mut self, entry: &Entry<'_>) -> Result<(), CopyError> {
        self.make_ways()?;
        let Some(way) = self.ways.pop() else { return Ok(()) };
        let put = match &way.made {
            Some(made) => {
                let path = below(&way.path, entry.name);
                self.put(entry, (made.open.as_fd(), entry.name, &path))
            }
            None => Ok(()),
        };
        self.ways.push(way);
        put
    }
}

impl Way {
    /// Makes it in `above`, or takes on what is there. One that is only on the way leaves that
    /// its owner and times.
    fn make(&self, above: &OwnedFd, orders: Orders<'_>) -> Result<Made, CopyError> {
        let name = split(&self.path).1;
        let is_new = match mkdirat(above, name, Mode::RWXU) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(CopyError::io("make the directory", &self.path, errno)),
        };
        let open = match open_directory(above, name) {
            Err(Errno::NOTDIR | Errno::LOOP) => {
                return Err(CopyError::NotADirectory(shown(&self.path)));
            }
            open => open.tried("make the directory", &self.path)?,
        };
        let is_dressed = is_new || self.is_included;
        if is_dressed {
            let dress = orders.dress(&self.status);
            dress.onto(&open, &self.attributes).tried("make the directory", &self.path)?;
        } else {
            fchmod(&open, Mode::from_raw_mode(self.status.mode))
                .tried("make the directory", &self.path)?;
        }
        Ok(Made { open, is_timed: is_dressed })
    }
}

/// Writes a file that is written in the Dockerfile.
pub(super) fn write_document(
    place: Place<'_>,
    content: &str,
    dress: &Dress,
) -> Result<(), CopyError> {
    let mut file = new_file(place)?;
    file.write_all(content.as_bytes()).tried("write", place.2)?;
    dress.onto(&file, &Attributes::new()).tried("write", place.2)?;
    futimens(&file, &dress.times).tried("write", place.2)
}

/// Makes an empty file.
fn new_file(place: Place<'_>) -> Result<File, CopyError> {
    let (directory, name, _) = place;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut made = None;
    replacing(place, "make", || {
        made = Some(openat(directory, name, flags, Mode::RUSR | Mode::WUSR)?);
        Ok(())
    })?;
    made.map(File::from).ok_or_else(|| CopyError::io("make", place.2, Errno::IO))
}

/// Does what fails where something is, and takes that away if it is no directory.
fn replacing(
    (directory, name, path): Place<'_>,
    operation: &'static str,
    mut make: impl FnMut() -> Result<(), Errno>,
) -> Result<(), CopyError> {
    match make() {
        Err(Errno::EXIST) => {}
        made => return made.tried(operation, path),
    }
    match unlinkat(directory, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => return Err(CopyError::ReplacesDirectory(shown(path))),
        removed => removed.tried("replace", path)?,
    }
    make().tried(operation, path)
}
