//! A file's content, copied with its holes.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use rustix::fs::{SeekFrom as Place, ftruncate, seek};
use rustix::io::Errno;
use tokio_util::sync::CancellationToken;

use super::walk::Status;

/// So much is copied before it is asked whether the build was given up.
const PART: u64 = 64 << 20;

/// Copies what is in `from` into the empty file `to`; an error that is none says that the build
/// was given up.
pub(super) fn copy_content(
    from: &File,
    to: &File,
    status: &Status,
    token: &CancellationToken,
) -> Result<(), Option<io::Error>> {
    if status.allocated >= status.size {
        return copy_part(from, to, u64::MAX, token);
    }
    let mut at = 0;
    while at < status.size {
        let data = match seek(from, Place::Data(at)) {
            // Nothing but a hole is left.
            Err(Errno::NXIO) => break,
            data => data.map_err(failed)?,
        };
        let end = seek(from, Place::Hole(data)).map_err(failed)?;
        seek(from, Place::Start(data)).map_err(failed)?;
        (&mut &*to).seek(SeekFrom::Start(data)).map_err(Some)?;
        copy_part(from, to, end - data, token)?;
        at = end;
    }
    ftruncate(to, status.size).map_err(failed)
}

fn copy_part(
    mut from: &File,
    mut to: &File,
    mut left: u64,
    token: &CancellationToken,
) -> Result<(), Option<io::Error>> {
    while left > 0 {
        let part = left.min(PART);
        // The kernel copies by itself where it can.
        let copied = io::copy(&mut from.by_ref().take(part), &mut to).map_err(Some)?;
        if copied < part {
            break;
        }
        left -= copied;
        if token.is_cancelled() {
            return Err(None);
        }
    }
    Ok(())
}

fn failed(errno: Errno) -> Option<io::Error> {
    Some(errno.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt as _, MetadataExt as _};

    use rustix::fs::CWD;
    use tempfile::tempdir;

    use super::*;

    #[test]
    fn holes_stay_holes() {
        let directory = tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        let file = File::create_new(&from).unwrap();
        file.write_all_at(b"middle", 40 << 20).unwrap();
        file.set_len(80 << 20).unwrap();
        drop(file);
        let status = Status::of(CWD, from.to_str().unwrap().as_bytes()).unwrap();
        let copy = File::create_new(&to).unwrap();
        let token = CancellationToken::new();
        copy_content(&File::open(&from).unwrap(), &copy, &status, &token).unwrap();
        let (old, new) = (std::fs::read(&from).unwrap(), std::fs::read(&to).unwrap());
        assert!(old == new, "{} and {} bytes", old.len(), new.len());
        let blocks = copy.metadata().unwrap().blocks();
        assert!(blocks * 512 < 40 << 20, "{blocks}");
    }

    #[test]
    fn a_copy_ends_when_it_is_given_up() {
        let directory = tempdir().unwrap();
        let from = directory.path().join("from");
        File::create_new(&from).unwrap().set_len(PART + 1).unwrap();
        let copy = File::create_new(directory.path().join("to")).unwrap();
        let token = CancellationToken::new();
        token.cancel();
        let file = File::open(&from).unwrap();
        assert!(copy_part(&file, &copy, u64::MAX, &token).unwrap_err().is_none());
    }
}
