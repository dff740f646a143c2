//! A walk in the order of names: each directory before what is in it.

use std::io;
use std::os::fd::AsFd as _;

use rustix::fs::Dir;
use rustix::io::Errno;

use super::node::{Node, NodeKind};
use super::walk::{DEPTH_MAX, below};

/// The walk. Of each directory that it is in the names wait.
#[derive(Debug)]
pub(crate) struct SortedWalk {
    open: Vec<Frame>,
}

#[derive(Debug)]
struct Frame {
    directory: Node,
    path: Vec<u8>,
    /// The last one comes first.
    names: Vec<Vec<u8>>,
}

impl SortedWalk {
    /// A walk through all that is below `top`.
    pub(crate) fn new(top: Node) -> io::Result<Self> {
        Ok(Self { open: vec![Frame::new(top, Vec::new())?] })
    }

    /// The next thing, with its path.
    pub(crate) fn step(&mut self) -> io::Result<Option<(Vec<u8>, Node)>> {
        loop {
            let depth = self.open.len();
            let Some(frame) = self.open.last_mut() else { return Ok(None) };
            let Some(name) = frame.names.pop() else {
                self.open.pop();
                continue;
            };
            let path = below(&frame.path, &name);
            let node = Node::at(frame.directory.as_fd(), &name)?;
            if node.kind() == NodeKind::Directory {
                if depth >= DEPTH_MAX {
                    return Err(Errno::NAMETOOLONG.into());
                }
                let again = Node::at(frame.directory.as_fd(), &name)?;
                self.open.push(Frame::new(again, path.clone())?);
            }
            return Ok(Some((path, node)));
        }
    }
}

impl Frame {
    fn new(directory: Node, path: Vec<u8>) -> io::Result<Self> {
        let mut names = Vec::new();
        for entry in Dir::new(directory.open_directory()?)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                names.push(name.to_vec());
            }
        }
        names.sort_unstable_by(|one, other| other.cmp(one));
        Ok(Self { directory, path, names })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::tree::Tree;
    use super::*;

    #[test]
    fn a_directorys_files_come_before_its_sisters() {
        let folder = tempfile::tempdir().unwrap();
        for directory in ["a", "a-b", "a/c"] {
            fs::create_dir(folder.path().join(directory)).unwrap();
        }
        for file in ["a/x", "a/c/y", "a-b/z", "a.txt"] {
            fs::write(folder.path().join(file), "").unwrap();
        }
        let mut walk = SortedWalk::new(Tree::at(folder.path()).unwrap().root().unwrap()).unwrap();
        let mut paths = Vec::new();
        while let Some((path, _)) = walk.step().unwrap() {
            paths.push(String::from_utf8(path).unwrap());
        }
        assert_eq!(paths, ["a", "a/c", "a/c/y", "a/x", "a-b", "a-b/z", "a.txt"]);
    }
}
