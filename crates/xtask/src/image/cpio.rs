//! The initramfs: a "newc" cpio archive (the kernel's `buffer-format.rst`).
//!
//! Deterministic: entries sorted by path, owner 0, time 0, inode numbers in order.

use std::collections::BTreeMap;

const MAGIC: &str = "070701";
const TRAILER: &str = "TRAILER!!!";
const ALIGNMENT: usize = 4;

/// What a path of the archive is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Directory,
    File { mode: u32, content: Vec<u8> },
    CharDevice { mode: u32, major: u32, minor: u32 },
}

/// The tree of an initramfs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    entries: BTreeMap<String, Entry>,
}

impl Tree {
    /// Adds a directory and those above it. Paths have no leading slash.
    pub(crate) fn directory(&mut self, path: &str) {
        self.parents(path);
        self.entries.insert(path.to_owned(), Entry::Directory);
    }

    /// Adds a file with its permissions, and the directories above it.
    pub(crate) fn file(&mut self, path: &str, mode: u32, content: Vec<u8>) {
        self.parents(path);
        self.entries.insert(path.to_owned(), Entry::File { mode, content });
    }

    /// Adds a character device, and the directories above it.
    pub(crate) fn char_device(&mut self, path: &str, mode: u32, (major, minor): (u32, u32)) {
        self.parents(path);
        self.entries.insert(path.to_owned(), Entry::CharDevice { mode, major, minor });
    }

    fn parents(&mut self, path: &str) {
        for (end, _) in path.match_indices('/') {
            self.entries.entry(path[..end].to_owned()).or_insert(Entry::Directory);
        }
    }

    /// The archive's bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A path sorts before what lies under it, so the kernel can create in order.
        for (inode, (path, entry)) in (1..).zip(&self.entries) {
            let nothing: &[u8] = &[];
            let (mode, links, device, content) = match entry {
                Entry::Directory => (0o040_755, 2, (0, 0), nothing),
                Entry::File { mode, content } => (0o100_000 | mode, 1, (0, 0), &content[..]),
                Entry::CharDevice { mode, major, minor } => {
                    (0o020_000 | mode, 1, (*major, *minor), nothing)
                }
            };
            append(&mut bytes, path, &Header { inode, mode, links, device }, content);
        }
        append(&mut bytes, TRAILER, &Header { inode: 0, mode: 0, links: 1, device: (0, 0) }, &[]);
        bytes
    }
}

/// The fields of an entry that differ between entries.
#[derive(Debug)]
struct Header {
    inode: u32,
    mode: u32,
    links: u32,
    device: (u32, u32),
}

fn append(bytes: &mut Vec<u8>, path: &str, header: &Header, content: &[u8]) {
    let (major, minor) = header.device;
    let fields = [
        header.inode as usize,
        header.mode as usize,
        0, // uid
        0, // gid
        header.links as usize,
        0, // mtime
        content.len(),
        0, // device of the file itself, major
        0, // and minor
        major as usize,
        minor as usize,
        path.len() + 1,
        0, // checksum; unused by "newc"
    ];
    bytes.extend(MAGIC.bytes());
    for field in fields {
        bytes.extend(format!("{field:08X}").bytes());
    }
    bytes.extend(path.bytes());
    bytes.push(0);
    pad(bytes);
    bytes.extend(content);
    pad(bytes);
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_additions_does_not_matter() {
        let mut one = Tree::default();
        one.file("sbin/e2fsck", 0o755, b"e2fsck".to_vec());
        one.directory("proc");
        let mut other = Tree::default();
        other.directory("proc");
        other.file("sbin/e2fsck", 0o755, b"e2fsck".to_vec());
        assert_eq!(one.to_bytes(), other.to_bytes());
    }

    #[test]
    fn a_file_is_laid_out_as_the_kernel_expects() {
        let mut tree = Tree::default();
        tree.file("a/b", 0o644, b"hello".to_vec());
        let bytes = tree.to_bytes();
        assert_eq!(bytes.len() % ALIGNMENT, 0);
        let text = String::from_utf8_lossy(&bytes);
        let directory = text.find("a\0").unwrap();
        let file = text.find("a/b\0").unwrap();
        assert!(directory < file, "a directory comes before what is in it");
        // 0o100644 is 0x81A4; the size is the seventh field after the magic number.
        let header = &text[file - 110..file];
        assert_eq!(&header[14..22], "000081A4");
        assert_eq!(&header[54..62], "00000005");
        assert!(text.contains(TRAILER));
    }
}
