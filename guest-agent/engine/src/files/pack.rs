//! Files become a tar archive.

use std::collections::HashMap;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;

use rustix::fs::{major, minor};
use tar::EntryType;

use super::attributes::{self, Attributes};
use super::node::{Node, NodeKind};
use super::sparse::parts;
use super::tar::{TarMember, TarWriter};
use super::walk::{Walk, below};

/// So many files with several names are remembered; further ones are packed as files of their
/// own, so that a container cannot fill the engine's memory.
const LINKS_MAX: usize = 1 << 17;

/// Packs `top`, which is called `name` in the archive, with all that is below it.
pub(crate) fn pack(out: impl Write, top: &Node, name: &str) -> io::Result<()> {
    let mut packer = Packer::new(out);
    packer.add(top, name.as_bytes())?;
    packer.rest()
}

/// The same as a backup: what comes out of the archive is what went in, its times to the second.
/// Of files with holes only what is not zeros is written; whoever unpacks it has to know GNU tar's
/// form of these.
pub(crate) fn pack_with_holes(out: impl Write, top: &Node, name: &str) -> io::Result<()> {
    let mut packer = Packer::new(out);
    packer.members.keeps_holes = true;
    packer.add(top, name.as_bytes())?;
    packer.rest()
}

/// Packs what is in the directory `top`, without an entry for itself.
pub(crate) fn pack_content(out: impl Write, top: &Node) -> io::Result<()> {
    let mut packer = Packer::new(out);
    packer.walk.enter(top, b"")?;
    packer.rest()
}

struct Packer<W> {
    members: Members<W>,
    walk: Walk,
}

impl<W: Write> Packer<W> {
    fn new(out: W) -> Self {
        Self { members: Members::new(out), walk: Walk::default() }
    }

    fn rest(mut self) -> io::Result<()> {
        while let Some((path, node)) = self.walk.step()? {
            self.add(&node, &path)?;
        }
        self.members.finish()
    }

    fn add(&mut self, node: &Node, name: &[u8]) -> io::Result<()> {
        self.members.add(node, name)?;
        match node.kind() {
            NodeKind::Directory => self.walk.enter(node, name),
            _ => Ok(()),
        }
    }
}

/// An archive's members, one by one.
pub(super) struct Members<W> {
    tar: TarWriter<W>,
    /// The first name of each file that has several.
    links: HashMap<(u64, u64), Vec<u8>>,
    /// What is younger is said to be as old as this, in seconds since 1970.
    latest: i64,
    /// Whether holes stay holes.
    keeps_holes: bool,
}

impl<W: Write> Members<W> {
    pub(super) fn new(out: W) -> Self {
        let tar = TarWriter::new(out);
        Self { tar, links: HashMap::new(), latest: i64::MAX, keeps_holes: false }
    }

    /// The same, of which nothing is younger than `latest`.
    pub(super) fn no_younger(out: W, latest: Option<i64>) -> Self {
        Self { latest: latest.unwrap_or(i64::MAX), ..Self::new(out) }
    }

    /// Ends the archive.
    pub(super) fn finish(self) -> io::Result<()> {
        self.tar.finish()
    }

    /// Adds `node` by itself, a directory without what is in it.
    pub(super) fn add(&mut self, node: &Node, name: &[u8]) -> io::Result<()> {
        match node.kind() {
            NodeKind::Directory => {
                let attributes = attributes::read(node.open_directory()?)?;
                // A directory's name ends with one slash.
                self.begin(node, EntryType::Directory, &below(name, b""), (b"", &attributes))
            }
            NodeKind::File => self.file(node, name),
            NodeKind::Symlink => {
                self.begin(node, EntryType::Symlink, name, (&node.link()?, &Attributes::new()))
            }
            // An overlay's mark where no overlay is. It says nothing, and is never unpacked.
            NodeKind::CharDevice if self.keeps_holes && node.metadata().rdev() == 0 => Ok(()),
            NodeKind::CharDevice => self.plain(node, EntryType::Char, name),
            NodeKind::BlockDevice => self.plain(node, EntryType::Block, name),
            NodeKind::Fifo => self.plain(node, EntryType::Fifo, name),
            // There is no way to write one down, and it is of no use without its owner.
            NodeKind::Socket => Ok(()),
        }
    }

    /// Adds an empty file, which says something by its name alone; its time is `of`'s, so that
    /// the same changes make the same archive.
    pub(super) fn add_mark(&mut self, of: &Node, name: &[u8]) -> io::Result<()> {
        self.tar.begin(&TarMember {
            kind: EntryType::Regular,
            name,
            link: b"",
            mode: 0o600,
            owner: (0, 0),
            size: 0,
            real_size: None,
            mtime: of.metadata().mtime().min(self.latest),
            device: (0, 0),
            attributes: &Attributes::new(),
        })
    }

    fn file(&mut self, node: &Node, name: &[u8]) -> io::Result<()> {
        if node.metadata().nlink() > 1 {
            if let Some(first) = self.links.get(&node.identity()).cloned() {
                // Docker sets a link's owner when it unpacks it, which takes capabilities from the
                // file, and then what stands here.
                let attributes = attributes::read(node.open_file()?)?;
                return self.begin(node, EntryType::Link, name, (&first, &attributes));
            }
            if self.links.len() < LINKS_MAX {
                self.links.insert(node.identity(), name.to_vec());
            }
        }
        let mut file = node.open_file()?;
        let attributes = attributes::read(&file)?;
        let parts = if self.keeps_holes { parts(&file, node.metadata())? } else { None };
        let member = self.member(node, EntryType::Regular, name, (b"", &attributes));
        if let Some(parts) = parts {
            return self.tar.sparse(&member, &mut file, &parts);
        }
        self.tar.begin(&member)?;
        self.tar.content(&mut file, node.metadata().size())
    }

    fn plain(&mut self, node: &Node, kind: EntryType, name: &[u8]) -> io::Result<()> {
        self.begin(node, kind, name, (b"", &Attributes::new()))
    }

    fn begin(
        &mut self,
        node: &Node,
        kind: EntryType,
        name: &[u8],
        of: (&[u8], &Attributes),
    ) -> io::Result<()> {
        let member = self.member(node, kind, name, of);
        self.tar.begin(&member)
    }

    fn member<'a>(
        &self,
        node: &Node,
        kind: EntryType,
        name: &'a [u8],
        (link, attributes): (&'a [u8], &'a Attributes),
    ) -> TarMember<'a> {
        let metadata = node.metadata();
        let device = match kind {
            EntryType::Char | EntryType::Block => (major(metadata.rdev()), minor(metadata.rdev())),
            _ => (0, 0),
        };
        TarMember {
            kind,
            name,
            link,
            mode: metadata.mode() & 0o7777,
            owner: (metadata.uid(), metadata.gid()),
            size: if kind == EntryType::Regular { metadata.size() } else { 0 },
            real_size: None,
            mtime: metadata.mtime().min(self.latest),
            device,
            attributes,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    use naru_image_store::{Kind, Tape};

    use super::super::tree::Tree;
    use super::*;

    fn members(archive: &[u8]) -> Vec<(String, Kind, String)> {
        let mut tape = Tape::new(archive);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let mut members = Vec::new();
        while let Some(member) = tape.next_member().unwrap() {
            members.push((text(member.name), member.kind, text(member.link)));
        }
        members.sort_by(|one, other| one.0.cmp(&other.0));
        members
    }

    fn tree(root: &Path) -> Tree {
        fs::create_dir(root.join("dir")).unwrap();
        fs::write(root.join("dir/file"), "content").unwrap();
        symlink("/etc/shadow", root.join("dir/link")).unwrap();
        Tree::at(root).unwrap()
    }

    #[test]
    fn the_top_entry_has_the_name_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let tree = tree(directory.path());
        for (name, expected) in [
            ("dir", ["dir/", "dir/file", "dir/link"]),
            (".", ["./", "./file", "./link"]),
            ("/", ["/", "/file", "/link"]),
        ] {
            let mut archive = Vec::new();
            pack(&mut archive, &tree.look(b"/dir").unwrap(), name).unwrap();
            let members = members(&archive);
            let names: Vec<&str> = members.iter().map(|(name, ..)| name.as_str()).collect();
            assert_eq!(names, expected);
            assert_eq!(members[2].2, "/etc/shadow", "a link is packed as a link");
        }
    }

    #[test]
    fn a_whole_root_has_no_entry_for_itself_and_no_sockets() {
        let directory = tempfile::tempdir().unwrap();
        let tree = tree(directory.path());
        let _socket = UnixListener::bind(directory.path().join("socket")).unwrap();
        let mut archive = Vec::new();
        pack_content(&mut archive, &tree.root().unwrap()).unwrap();
        let names: Vec<String> = members(&archive).into_iter().map(|(name, ..)| name).collect();
        assert_eq!(names, ["dir/", "dir/file", "dir/link"]);
    }

    #[test]
    fn the_second_name_of_a_file_is_a_hard_link() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::write(root.join("one"), "content").unwrap();
        fs::hard_link(root.join("one"), root.join("two")).unwrap();
        let mut archive = Vec::new();
        pack_content(&mut archive, &Tree::at(root).unwrap().root().unwrap()).unwrap();
        let members = members(&archive);
        let (first, second) = match members[0].1 {
            Kind::File => (&members[0], &members[1]),
            _ => (&members[1], &members[0]),
        };
        assert_eq!(first.1, Kind::File);
        assert_eq!((second.1, second.2.as_str()), (Kind::HardLink, first.0.as_str()));
    }
}
