//! A file's content, copied with its holes.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use rustix::fs::{SeekFrom as Place, ftruncate, seek};
use rustix::io::Errno;
use tokio_util::sync::CancellationToken;

use super::walk::Status;

/// So much is copied before it is asked whether the build was given up.
const PART: u64 = 64 << 20;

/// Why a copy is not whole.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The build was given up.
    Cancelled,
    /// Reading or writing failed.
    Failed(io::Error),
}

impl<E: Into<io::Error>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Copies what is in `from` into the empty file `to`.
pub(super) fn copy_content(
    from: &File,
    to: &File,
    status: &Status,
    token: &CancellationToken,
) -> Result<(), Stopped> {
    if status.allocated >= status.size {
        return copy_part(from, to, u64::MAX, token);
    }
    let mut at = 0;
    while at < status.size {
        let data = match seek(from, Place::Data(at)) {
            // Nothing but a hole is left.
            Err(Errno::NXIO) => break,
            data => data?,
        };
        let end = seek(from, Place::Hole(data))?;
        seek(from, Place::Start(data))?;
        (&mut &*to).seek(SeekFrom::Start(data))?;
        copy_part(from, to, end - data, token)?;
        at = end;
    }
    Ok(ftruncate(to, status.size)?)
}

fn copy_part(
    mut from: &File,
    mut to: &File,
    mut left: u64,
    token: &CancellationToken,
) -> Result<(), Stopped> {
    while left > 0 {
        let part = left.min(PART);
        // The kernel copies by itself where it can.
        let copied = io::copy(&mut from.by_ref().take(part), &mut to)?;
        if copied < part {
            break;
        }
        left -= copied;
        if token.is_cancelled() {
            return Err(Stopped::Cancelled);
        }
    }
    Ok(())
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
        assert!(matches!(copy_part(&file, &copy, u64::MAX, &token), Err(Stopped::Cancelled)));
    }
}
