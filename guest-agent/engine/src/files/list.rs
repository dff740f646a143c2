//! What is in one directory.

use std::io;
use std::os::unix::fs::MetadataExt as _;

use super::node::{Node, NodeKind};
use super::walk::Walk;

/// One thing in a directory.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) name: Vec<u8>,
    pub(crate) node: Node,
}

/// As much as a list may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListLimit {
    /// Each entry holds a descriptor.
    pub(crate) entries: usize,
    /// Of all names together.
    pub(crate) bytes: usize,
}

impl Listed {
    /// Bytes of its content; 0 for what is no file.
    pub(crate) fn size(&self) -> u64 {
        if self.node.kind() == NodeKind::File { self.node.metadata().size() } else { 0 }
    }
}

/// What is in `directory`, directories first, then by name, and whether there is more.
pub(crate) fn list(directory: &Node, limit: ListLimit) -> io::Result<(Vec<Listed>, bool)> {
    let mut walk = Walk::default();
    walk.enter(directory, b"")?;
    let (mut listed, mut bytes, mut more) = (Vec::new(), 0, false);
    while let Some((name, node)) = walk.step()? {
        bytes += name.len();
        if listed.len() == limit.entries || bytes > limit.bytes {
            more = true;
            break;
        }
        listed.push(Listed { name, node });
    }
    let is_directory = |listed: &Listed| listed.node.kind() == NodeKind::Directory;
    listed.sort_unstable_by(|one, other| {
        is_directory(other).cmp(&is_directory(one)).then_with(|| one.name.cmp(&other.name))
    });
    Ok((listed, more))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::files::Tree;

    const PLENTY: ListLimit = ListLimit { entries: 100, bytes: 10_000 };

    fn names(of: &[Listed]) -> Vec<&str> {
        of.iter().map(|each| str::from_utf8(&each.name).unwrap()).collect()
    }

    #[test]
    fn directories_come_first_and_nothing_below_them() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("z/below")).unwrap();
        fs::write(home.path().join("a"), "12345").unwrap();
        fs::write(home.path().join("b"), "").unwrap();
        let root = Tree::at(home.path()).unwrap().root().unwrap();
        let (listed, more) = list(&root, PLENTY).unwrap();
        assert_eq!(names(&listed), ["z", "a", "b"]);
        assert_eq!(listed[1].size(), 5);
        assert!(!more);
    }

    #[test]
    fn a_list_ends_where_it_would_be_too_long() {
        let home = tempfile::tempdir().unwrap();
        for name in ["aaaa", "bbbb", "cccc"] {
            fs::write(home.path().join(name), "").unwrap();
        }
        let root = Tree::at(home.path()).unwrap().root().unwrap();
        for limit in [ListLimit { entries: 2, ..PLENTY }, ListLimit { bytes: 8, ..PLENTY }] {
            let (listed, more) = list(&root, limit).unwrap();
            assert_eq!((listed.len(), more), (2, true), "{limit:?}");
        }
    }

    #[test]
    fn a_file_has_nothing_in_it() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("a"), "").unwrap();
        let file = Tree::at(home.path()).unwrap().look(b"/a").unwrap();
        list(&file, PLENTY).unwrap_err();
    }
}
