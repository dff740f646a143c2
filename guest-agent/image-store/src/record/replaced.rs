//! Which files of a layer lie beside its record, because a later member took their place.

use std::collections::HashMap;
use std::io::{self, Read};

/// All that may be remembered: real layers replace a handful, if any.
const MAX_BYTES: usize = 8 << 20;
/// What one takes beside its path.
const ENTRY_BYTES: usize = 96;

/// What was replaced. Things are numbered in the order in which they were, and files of a tar
/// in the order in which their contents came.
#[derive(Debug, Default)]
pub(super) struct Replaced {
    /// Under each path the numbers of what was there, each with the number of the first file
    /// that came after it was replaced.
    by_path: HashMap<Vec<u8>, Vec<(u32, u64)>>,
    count: u32,
    bytes: usize,
}

impl Replaced {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Remembers that what was at `path` is replaced after `files` files; gives its number.
    pub(super) fn add(&mut self, path: &[u8], files: u64) -> io::Result<u32> {
        self.bytes += path.len() + ENTRY_BYTES;
        if self.bytes > MAX_BYTES {
            let reason = "too many members of the layer replace earlier ones";
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        let number = self.count;
        self.by_path.entry(path.to_owned()).or_default().push((number, files));
        self.count += 1;
        Ok(number)
    }

    /// Where the `file`-th file, unpacked to `path`, was moved with what was replaced, if it was:
    /// the number, and the path below it.
    pub(super) fn find<'a>(&self, path: &'a [u8], file: u64) -> Option<(u32, &'a [u8])> {
        if self.is_empty() {
            return None;
        }
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let ends = ends.map(|(index, _)| index).chain([path.len()]);
        let moves = ends.filter_map(|end| {
            let moves = self.by_path.get(&path[..end])?;
            // Once it was moved it is out of the way of all that came later.
            let (number, _) = moves.iter().find(|(_, files)| file < *files)?;
            Some((*number, path[end..].strip_prefix(b"/").unwrap_or_default()))
        });
        moves.min_by_key(|(number, _)| *number)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let all = self.by_path.iter();
        let mut all: Vec<(u32, u64, &[u8])> = all
            .flat_map(|(path, moves)| {
                moves.iter().map(|(number, files)| (*number, *files, &**path))
            })
            .collect();
        all.sort_unstable();
        let mut encoded = Vec::with_capacity(self.bytes);
        for (_, files, path) in all {
            encoded.extend_from_slice(&files.to_le_bytes());
            encoded.extend_from_slice(&u32::try_from(path.len()).unwrap_or(0).to_le_bytes());
            encoded.extend_from_slice(path);
        }
        encoded
    }

    pub(super) fn decode(mut encoded: impl Read) -> io::Result<Self> {
        let mut replaced = Self::default();
        loop {
            let mut files = [0; 8];
            match encoded.read_exact(&mut files) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(replaced),
                done => done?,
            }
            let path = super::read::path(&mut encoded)?;
            replaced.add(&path, u64::from_le_bytes(files))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_where_it_was_moved_first() {
        let mut replaced = Replaced::default();
        // File 0 is a/f. It is replaced by file 1, then `a` as a whole by file 2, which is
        // replaced in its turn.
        replaced.add(b"a/f", 1).unwrap();
        replaced.add(b"a", 2).unwrap();
        replaced.add(b"a", 3).unwrap();
        let replaced = Replaced::decode(replaced.encode().as_slice()).unwrap();
        assert_eq!(replaced.find(b"a/f", 0), Some((0, &b""[..])));
        assert_eq!(replaced.find(b"a/f", 1), Some((1, &b"f"[..])));
        assert_eq!(replaced.find(b"a", 2), Some((2, &b""[..])));
        assert_eq!(replaced.find(b"a", 3), None);
        assert_eq!(replaced.find(b"a/f", 3), None);
        assert_eq!(replaced.find(b"ab", 0), None);
    }

    #[test]
    fn replacing_without_end_is_refused() {
        let mut replaced = Replaced::default();
        let path = vec![b'x'; 4000];
        let taken = (0..1 << 20).take_while(|n| replaced.add(&path, *n).is_ok()).count();
        assert!((2000..2100).contains(&taken), "{taken} were taken");
    }
}
