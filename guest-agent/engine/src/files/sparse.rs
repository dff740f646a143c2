//! Where a file has something other than zeros.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

/// Half as many as who reads an archive takes of one file.
const PARTS_MAX: usize = 1 << 15;
/// What the kernel counts a file's room on the disk in.
const SECTOR: u64 = 512;

/// A part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// The parts of a file that are no holes; none of a file without holes, or with so many that
/// they are not worth telling. Leaves the file at its beginning.
pub(super) fn parts(file: &File, metadata: &Metadata) -> io::Result<Option<Vec<Part>>> {
    let size = metadata.size();
    if metadata.blocks().saturating_mul(SECTOR) >= size {
        return Ok(None);
    }
    let found = find(file, size);
    seek(file, SeekFrom::Start(0))?;
    Ok(found?.filter(|parts| *parts != [Part { offset: 0, length: size }]))
}

fn find(file: &File, size: u64) -> io::Result<Option<Vec<Part>>> {
    let mut parts = Vec::new();
    let mut at = 0;
    while at < size {
        let offset = match seek(file, SeekFrom::Data(at)) {
            // Nothing but a hole is left.
            Err(Errno::NXIO) => break,
            // Not on this file system.
            Err(Errno::INVAL) => return Ok(None),
            found => found?,
        };
        if offset >= size {
            break;
        }
        let end = match seek(file, SeekFrom::Hole(offset)) {
            // Somebody has cut it off meanwhile.
            Err(Errno::NXIO) => break,
            found => found?.min(size),
        };
        if parts.len() == PARTS_MAX {
            return Ok(None);
        }
        parts.push(Part { offset, length: end.saturating_sub(offset) });
        at = end.max(at + 1);
    }
    Ok(Some(parts))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::super::{Tree, UnpackOptions, pack_with_holes, unpack};
    use super::*;

    #[test]
    fn a_file_with_holes_goes_through_an_archive_and_takes_no_more_room() {
        const SIZE: u64 = 64 << 20;
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        for place in [&from, &to] {
            std::fs::create_dir(place).unwrap();
        }
        let file = File::create(from.join("disk")).unwrap();
        file.set_len(SIZE).unwrap();
        file.write_all_at(b"middle", 10 << 20).unwrap();
        file.write_all_at(b"later", 40 << 20).unwrap();
        File::create(from.join("hole")).unwrap().set_len(SIZE).unwrap();
        file.sync_all().unwrap();
        let read = |name: &str| File::open(from.join(name)).unwrap();
        let found = parts(&read("disk"), &read("disk").metadata().unwrap()).unwrap();
        let Some(found) = found else {
            return; /* no holes on this file system */
        };
        assert!(found.len() >= 2 && found.iter().all(|part| part.length < 1 << 20), "{found:?}");

        let mut archive = Vec::new();
        let tree = |place| Tree::at(place).unwrap();
        pack_with_holes(&mut archive, &tree(&from).root().unwrap(), ".").unwrap();
        assert!(archive.len() < 1 << 20, "{}", archive.len());
        unpack(&tree(&to), b"/", UnpackOptions::default(), archive.as_slice()).unwrap();
        for name in ["disk", "hole"] {
            let copy = File::open(to.join(name)).unwrap();
            let metadata = copy.metadata().unwrap();
            assert_eq!(metadata.size(), SIZE, "{name}");
            assert!(metadata.blocks() * SECTOR < 1 << 20, "{name}: {}", metadata.blocks());
        }
        let copy = File::open(to.join("disk")).unwrap();
        for (text, at) in [("middle", 10 << 20), ("later", 40 << 20)] {
            let mut bytes = vec![0; text.len()];
            copy.read_exact_at(&mut bytes, at).unwrap();
            assert_eq!(bytes, text.as_bytes());
        }
    }

    #[test]
    fn a_file_without_holes_has_no_parts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, vec![1; 100_000]).unwrap();
        let file = File::open(path).unwrap();
        file.sync_all().unwrap();
        assert_eq!(parts(&file, &file.metadata().unwrap()).unwrap(), None);
    }
}
