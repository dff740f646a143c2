//! Whether entries come in the order of a walk.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::TransferError;

/// The directories that the walk is in, with the last name told in each: as deep as the tree,
/// however many files it has.
#[derive(Debug)]
pub(super) struct Order {
    /// The root is the first, with an empty path.
    open: Vec<Directory>,
}

#[derive(Debug, Default)]
struct Directory {
    path: Vec<u8>,
    last: Vec<u8>,
}

impl Default for Order {
    fn default() -> Self {
        Self { open: vec![Directory::default()] }
    }
}

impl Order {
    /// Takes note of an entry. Its path is clean already.
    pub(super) fn enter(&mut self, path: &Path, is_directory: bool) -> Result<(), TransferError> {
        let out_of_order = || TransferError::Order { path: path.to_owned() };
        let whole = path.as_os_str().as_bytes();
        let (parent, name) = match whole.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (&whole[..slash], &whole[slash + 1..]),
            None => (&whole[..0], whole),
        };
        // A directory that the walk has left can never be entered again.
        let depth = self
            .open
            .iter()
            .rposition(|directory| directory.path == parent)
            .ok_or_else(out_of_order)?;
        self.open.truncate(depth + 1);
        let directory = self.open.last_mut().ok_or_else(out_of_order)?;
        if directory.last.as_slice() >= name {
            return Err(out_of_order());
        }
        name.clone_into(&mut directory.last);
        if is_directory {
            self.open.push(Directory { path: whole.to_owned(), last: Vec::new() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Directories end in a slash.
    fn walk(paths: &[&str]) -> bool {
        let mut order = Order::default();
        paths.iter().all(|path| {
            let bare = path.trim_end_matches('/');
            order.enter(Path::new(bare), bare.len() < path.len()).is_ok()
        })
    }

    #[test]
    fn a_walk_passes() {
        assert!(walk(&["a/", "a/b/", "a/b/c", "a/d", "a.txt", "b"]));
        assert!(walk(&["a/", "a/x", "a-b/", "a-b/y"]), "a directory's files come before a-b");
    }

    #[test]
    fn what_is_no_walk_is_refused() {
        assert!(!walk(&["b", "a"]), "backwards");
        assert!(!walk(&["a", "a"]), "twice");
        assert!(!walk(&["a", "a/b"]), "below a file");
        assert!(!walk(&["a/b"]), "below what was not told");
        assert!(!walk(&["a/", "b/", "a/c"]), "back into a directory that was left");
    }
}
