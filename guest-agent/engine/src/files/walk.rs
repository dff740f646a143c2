//! A walk through a directory and all that is below it, by descriptors alone.

use std::io;

use rustix::fs::Dir;
use rustix::io::Errno;

use super::node::Node;

/// Deeper trees than any path can name are not walked: each level holds a descriptor.
pub(crate) const DEPTH_MAX: usize = 2048;

/// A walk; directories are entered only when they are asked for.
#[derive(Debug, Default)]
pub(super) struct Walk {
    frames: Vec<Frame>,
}

#[derive(Debug)]
struct Frame {
    directory: Dir,
    path: Vec<u8>,
}

impl Walk {
    /// Goes through `directory`, whose path is `path`, before anything else.
    pub(super) fn enter(&mut self, directory: &Node, path: &[u8]) -> io::Result<()> {
        if self.frames.len() >= DEPTH_MAX {
            return Err(Errno::NAMETOOLONG.into());
        }
        let directory = Dir::new(directory.open_directory()?)?;
        self.frames.push(Frame { directory, path: path.to_vec() });
        Ok(())
    }

    /// The next thing with its path, in no order. What goes away meanwhile is not seen.
    pub(super) fn step(&mut self) -> io::Result<Option<(Vec<u8>, Node)>> {
        while let Some(frame) = self.frames.last_mut() {
            let Some(entry) = frame.directory.read() else {
                self.frames.pop();
                continue;
            };
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            match Node::at(frame.directory.fd()?, name) {
                Ok(node) => return Ok(Some((below(&frame.path, name), node))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// The path of `name` in the directory `path`.
pub(crate) fn below(path: &[u8], name: &[u8]) -> Vec<u8> {
    let mut below = path.to_vec();
    if !path.is_empty() && !path.ends_with(b"/") {
        below.push(b'/');
    }
    below.extend_from_slice(name);
    below
}
