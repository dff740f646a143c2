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

use rustix::fs::{fgetxattr, getxattr};
use rustix::io::Errno;

use super::attributes;
use super::changes::{MADE_BY_RUNTIME, is_opaque, is_whiteout, look, names};
use super::node::{Node, NodeKind};
use super::pack::Members;
use super::tree::Tree;
use super::walk::{DEPTH_MAX, below};

const WHITEOUT_PREFIX: &[u8] = b".wh.";
const OPAQUE_NAME: &[u8] = b".wh..wh..opq";

/// Packs what the upper directory of a container's overlay adds to its image; true if that is all
/// that is in it. With `latest`, seconds since 1970, no file is younger than that.
pub(crate) fn pack_layer(
    out: impl Write,
    upper: &Tree,
    image: &Tree,
    latest: Option<i64>,
) -> io::Result<bool> {
    let members = Members::no_younger(out, latest);
    let mut packer = LayerPacker { members, frames: Vec::new(), is_whole: true };
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
            None => drop(packer.frames.pop()),
        }
    }
    packer.members.finish()?;
    Ok(packer.is_whole)
}

struct LayerPacker<W> {
    members: Members<W>,
    frames: Vec<Frame>,
    /// Nothing was left out.
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
        let is_runtimes =
            before.is_none() && MADE_BY_RUNTIME.contains(&below(b"/", &path).as_slice());
        if node.kind() != NodeKind::Directory {
            if is_runtimes {
                self.is_whole = false;
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
        self.is_whole &= before.is_some() || !is_runtimes;
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
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    use naru_image_store::{Kind, Tape};

    use super::*;

    fn root() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for path in ["image/etc/deep", "image/bin", "upper"] {
            fs::create_dir_all(directory.path().join(path)).unwrap();
        }
        for path in ["etc/passwd", "etc/deep/file", "bin/sh"] {
            fs::write(directory.path().join("image").join(path), "old").unwrap();
        }
        directory
    }

    fn packed(root: &Path) -> Vec<u8> {
        let tree = |name: &str| Tree::at(&root.join(name)).unwrap();
        let mut archive = Vec::new();
        pack_layer(&mut archive, &tree("upper"), &tree("image"), None).unwrap();
        archive
    }

    fn members(archive: &[u8]) -> Vec<(String, Kind)> {
        let mut tape = Tape::new(archive);
        let mut members = Vec::new();
        while let Some(member) = tape.next_member().unwrap() {
            members.push((String::from_utf8(member.name).unwrap(), member.kind));
        }
        members
    }

    #[test]
    fn what_the_runtime_made_and_what_was_only_passed_through_is_the_empty_layer() {
        let directory = root();
        let upper = directory.path().join("upper");
        for path in ["etc/deep", "dev", "proc", "sys"] {
            fs::create_dir_all(upper.join(path)).unwrap();
        }
        for path in ["etc/hosts", "etc/hostname", "etc/resolv.conf"] {
            fs::write(upper.join(path), "").unwrap();
        }
        assert_eq!(packed(directory.path()), [0; 1024]);
    }

    #[test]
    fn changes_come_sorted_after_their_directories_and_sockets_do_not() {
        let directory = root();
        let upper = directory.path().join("upper");
        fs::create_dir_all(upper.join("etc/deep")).unwrap();
        fs::create_dir_all(upper.join("new/inner")).unwrap();
        fs::write(upper.join("etc/deep/file"), "new").unwrap();
        fs::write(upper.join("etc/hosts"), "").unwrap();
        fs::write(upper.join("new/one"), "1").unwrap();
        fs::hard_link(upper.join("new/one"), upper.join("new/two")).unwrap();
        fs::write(upper.join("new/.wh.one"), "a lie").unwrap();
        let _socket = UnixListener::bind(upper.join("new/socket")).unwrap();
        let expected = [
            ("etc/", Kind::Directory),
            ("etc/deep/", Kind::Directory),
            ("etc/deep/file", Kind::File),
            ("new/", Kind::Directory),
            ("new/inner/", Kind::Directory),
            ("new/one", Kind::File),
            ("new/two", Kind::HardLink),
        ];
        let archive = packed(directory.path());
        assert_eq!(members(&archive), expected.map(|(name, kind)| (name.to_owned(), kind)));
        assert_eq!(packed(directory.path()), archive, "it is the same each time");
    }

    #[test]
    fn a_directory_that_differs_itself_is_taken() {
        let directory = root();
        let upper = directory.path().join("upper");
        fs::create_dir_all(upper.join("etc/deep")).unwrap();
        fs::create_dir_all(upper.join("bin")).unwrap();
        fs::set_permissions(upper.join("etc/deep"), Permissions::from_mode(0o700)).unwrap();
        let names: Vec<String> =
            members(&packed(directory.path())).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["etc/", "etc/deep/"]);
    }
}
