//! How much a container has written.

use std::collections::HashSet;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::node::NodeKind;
use super::tree::Tree;
use super::walk::Walk;

/// The bytes of all files below `directory` of the host, each counted once however many names
/// it has. Directories themselves count nothing, as with Docker.
pub(crate) fn size(directory: &Path) -> io::Result<u64> {
    let mut walk = Walk::default();
    walk.enter(&Tree::at(directory)?.root()?, b"")?;
    let mut seen = HashSet::new();
    let mut bytes: u64 = 0;
    while let Some((path, node)) = walk.step()? {
        if node.kind() == NodeKind::Directory {
            walk.enter(&node, &path)?;
        } else if node.metadata().nlink() == 1 || seen.insert(node.identity()) {
            bytes = bytes.saturating_add(node.metadata().size());
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn each_file_counts_once_and_no_link_leads_away() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("sub")).unwrap();
        fs::write(directory.path().join("sub/one"), [0; 1000]).unwrap();
        fs::hard_link(directory.path().join("sub/one"), directory.path().join("two")).unwrap();
        fs::write(directory.path().join("three"), [0; 24]).unwrap();
        symlink("/", directory.path().join("link")).unwrap();
        assert_eq!(size(directory.path()).unwrap(), 1025, "a link is as long as its target");
    }
}
