//! What a container has changed becomes a layer (OCI image spec, "Image Layer Filesystem
//! Changeset").
//!
//! All changes lie in the overlay's upper directory, so that only that is walked, once, names
//! sorted: the same changes make the same layer. Everything in it is taken, also a file that
//! only looks as it did before: what differs may be its content. A directory is taken when
//! something in it is, or when it differs itself, so that a container that has changed nothing
//! makes the empty layer.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;

use rustix::fs::{AtFlags, fgetxattr, futimens, getxattr, removexattr, unlinkat};
use rustix::io::Errno;

use super::attributes;
use super::changes::{MADE_BY_RUNTIME, OPAQUE, is_opaque, is_whiteout, look, names};
use super::copy::times;
use super::node::{Node, NodeKind};
use super::pack::Members;
use super::tree::Tree;
use super::walk::{DEPTH_MAX, below};

const WHITEOUT_PREFIX: &[u8] = b".wh.";
const OPAQUE_NAME: &[u8] = b".wh..wh..opq";

/// How much of an upper directory is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Not the places of mounts, which nobody but the runtime has made.
    Container,
    /// All of it.
    Whole,
    /// All of it; what the archive does not say is taken away.
    Tidy,
}

/// Packs what the upper directory of a container's overlay adds to its image.
pub(crate) fn pack_container(out: impl Write, upper: &Tree, image: &Tree) -> io::Result<()> {
    pack(Members::new(out), upper, image, Manner::Container).map(drop)
}

/// Packs all that an upper directory adds to what is below it. With `latest`, seconds since 1970,
/// no file is younger than that.
pub(crate) fn pack_layer(
    out: impl Write,
    upper: &Tree,
    image: &Tree,
    latest: Option<i64>,
) -> io::Result<()> {
    let members = Members::no_younger(out, latest);
    pack(members, upper, image, Manner::Whole).map(drop)
}

/// Packs it as it is, and takes away from the directory what the layer does not say, so that
/// it is that layer on any other image, too; true if nothing else is in it. Nobody else may use
/// the directory.
pub(crate) fn pack_and_tidy(out: impl Write, upper: &Tree, image: &Tree) -> io::Result<bool> {
    pack(Members::new(out), upper, image, Manner::Tidy)
}

fn pack<W: Write>(
    members: Members<W>,
    upper: &Tree,
    image: &Tree,
    manner: Manner,
) -> io::Result<bool> {
    let mut packer = LayerPacker { members, frames: Vec::new(), manner, is_whole: true };
    // The root itself is every container's, and is in no layer.
    packer.enter(
        Vec::new(),
        upper.root()?,
        Some(image.root()?),
        Told { done: true, hides: false },
    )?;
    while let Some(frame) = packer.frames.last_mut() {
        match frame.names.pop_first() {
            Some(name) => packer.add(&name)?,
            None => packer.leave()?,
        }
    }
    packer.members.finish()?;
    Ok(packer.is_whole)
}

struct LayerPacker<W> {
    members: Members<W>,
    frames: Vec<Frame>,
    manner: Manner,
    /// Nothing else is there that the archive does not say.
    is_whole: bool,
}

/// A directory that is being gone through.
struct Frame {
    path: Vec<u8>,
    upper: Node,
    /// The image's directory in this place, unless it is hidden.
    image: Option<Node>,
    /// What is still to be packed.
    names: BTreeSet<Vec<u8>>,
    told: Told,
}

/// What the archive says of a directory.
#[derive(Clone, Copy)]
struct Told {
    /// Whether it is in the archive.
    done: bool,
    /// Whether it hides what the image has in its place.
    hides: bool,
}

impl<W: Write> LayerPacker<W> {
    fn enter(
        &mut self,
        path: Vec<u8>,
        upper: Node,
        image: Option<Node>,
        told: Told,
    ) -> io::Result<()> {
        if self.frames.len() >= DEPTH_MAX {
            return Err(Errno::NAMETOOLONG.into());
        }
        let names = names(&upper)?;
        self.frames.push(Frame { path, upper, image, names, told });
        Ok(())
    }

    fn leave(&mut self) -> io::Result<()> {
        let (Some(frame), Some(parent)) = (self.frames.pop(), self.frames.last()) else {
            return Ok(());
        };
        // The image has the same, and only looking for a change brought it here.
        if self.manner == Manner::Tidy && !frame.told.done && frame.image.is_some() {
            let directory = parent.upper.open_directory()?;
            let name = frame.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            match unlinkat(&directory, name, AtFlags::REMOVEDIR) {
                Err(Errno::NOTEMPTY) => self.is_whole = false,
                removed => removed?,
            }
            futimens(&directory, &times(parent.upper.metadata()))?;
        }
        Ok(())
    }

    fn add(&mut self, name: &[u8]) -> io::Result<()> {
        let Some(frame) = self.frames.last() else { return Ok(()) };
        let path = below(&frame.path, name);
        // What went away meanwhile is not there.
        let Some(node) = look(&frame.upper, name)? else { return Ok(()) };
        let before = match &frame.image {
            Some(image) => look(image, name)?,
            None => None,
        };
        if is_whiteout(&node) {
            if before.is_none() {
                self.is_whole = false;
                return Ok(());
            }
            let mark = below(&frame.path, &[WHITEOUT_PREFIX, name].concat());
            self.tell()?;
            return self.members.add_mark(&node, &mark);
        }
        if name.starts_with(WHITEOUT_PREFIX) {
            // A layer has no way to say it: there it would take another file away.
            let path = String::from_utf8_lossy(&path);
            tracing::warn!(%path, "a file named like a whiteout is left out of the layer");
            self.is_whole = false;
            return Ok(());
        }
        let is_runtimes = self.manner == Manner::Container
            && before.is_none()
            && MADE_BY_RUNTIME.contains(&below(b"/", &path).as_slice());
        if node.kind() != NodeKind::Directory {
            if is_runtimes {
                return Ok(());
            }
            self.is_whole &= node.kind() != NodeKind::Socket;
            refuse_moved(&node, &path)?;
            self.tell()?;
            return self.members.add(&node, &path);
        }
        refuse_moved(&node, &path)?;
        let hides = before.is_some() && is_opaque(&node);
        let differs = match &before {
            Some(before) => hides || directory_differs(before, &node)?,
            None => !is_runtimes,
        };
        // The kernel marks most directories that are new: there is nothing below to be looked for.
        if self.manner == Manner::Tidy && !hides && is_opaque(&node) {
            removexattr(node.magic_path(), OPAQUE)?;
        }
        let image = before.filter(|node| !hides && node.kind() == NodeKind::Directory);
        self.enter(path, node, image, Told { done: false, hides })?;
        if differs { self.tell() } else { Ok(()) }
    }

    /// Puts the directories that are being gone through into the archive, each once.
    fn tell(&mut self) -> io::Result<()> {
        for frame in &mut self.frames {
            if frame.told.done {
                continue;
            }
            self.members.add(&frame.upper, &frame.path)?;
            if frame.told.hides {
                self.members.add_mark(&frame.upper, &below(&frame.path, OPAQUE_NAME))?;
            }
            frame.told.done = true;
        }
        Ok(())
    }
}

/// Whether a directory is another one than the image's by itself; its times do not count.
fn directory_differs(before: &Node, now: &Node) -> io::Result<bool> {
    let status = |node: &Node| {
        let of = node.metadata();
        (of.mode(), of.uid(), of.gid())
    };
    if before.kind() != NodeKind::Directory || status(before) != status(now) {
        return Ok(true);
    }
    let attributes = |node: &Node| -> io::Result<BTreeSet<_>> {
        Ok(attributes::read(node.open_directory()?)?.into_iter().collect())
    };
    Ok(attributes(before)? != attributes(now)?)
}

/// Where the kernel's overlay is set to note a move instead of making it (`redirect_dir`,
/// `metacopy`), the content is not in the upper directory.
fn refuse_moved(node: &Node, path: &[u8]) -> io::Result<()> {
    let mut none: [u8; 0] = [];
    let is_marked = match node.kind() {
        NodeKind::Directory => {
            fgetxattr(node.open_directory()?, "trusted.overlay.redirect", &mut none[..])
        }
        NodeKind::File => getxattr(node.magic_path(), "trusted.overlay.metacopy", &mut none[..]),
        _ => return Ok(()),
    };
    match is_marked {
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(()),
        Err(errno) => Err(errno.into()),
        Ok(_) => Err(io::Error::other(format!(
            "{} was only noted as moved: overlay's redirect_dir and metacopy must be off",
            String::from_utf8_lossy(path)
        ))),
    }
}

#[cfg(test)]
mod tests;
