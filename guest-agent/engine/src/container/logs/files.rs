//! The files of a log, while they are being rotated.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use memchr::memrchr_iter;
use naru_shim::wire::LogPosition;

/// How far a log is read.
#[derive(Debug)]
pub(crate) enum Upto {
    /// To what is there now.
    Now,
    /// To a place in it.
    Position(LogPosition),
    /// Through the shim's present file, and on.
    Following(File),
}

/// One file, or what is still to be read of it.
#[derive(Debug)]
pub(super) struct Segment {
    /// Perhaps shared with others, so that its offset means nothing.
    file: File,
    position: u64,
    /// Where to stop; what is appended behind it is somebody else's.
    end: Option<u64>,
}

impl Segment {
    pub(super) fn new(file: File) -> Self {
        Self { file, position: 0, end: None }
    }

    /// It is read on, whatever is appended.
    pub(super) fn open_end(&mut self) {
        self.end = None;
    }

    /// Which file it is.
    pub(super) fn inode(&self) -> io::Result<u64> {
        inode(&self.file)
    }

    /// A second reader of the same.
    pub(super) fn again(&self) -> io::Result<Self> {
        Ok(Self { file: self.file.try_clone()?, ..*self })
    }

    /// Reads on; 0 at the end, or at the end so far.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.end.map_or(u64::MAX, |end| end.saturating_sub(self.position));
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read_at(&mut buffer[..length], self.position)?;
        self.position += read as u64;
        Ok(read)
    }

    /// Goes to before the last `lines` lines. How many of them are not in this file.
    pub(super) fn skip_to_last(&mut self, mut lines: usize) -> io::Result<usize> {
        const CHUNK: u64 = 64 * 1024;
        let mut from = self.end.map_or_else(|| self.file.metadata().map(|m| m.len()), Ok)?;
        let mut buffer = vec![0; usize::try_from(CHUNK).unwrap_or_default()];
        while from > 0 {
            let length = from.min(CHUNK);
            from -= length;
            let chunk = &mut buffer[..usize::try_from(length).unwrap_or_default()];
            self.file.read_exact_at(chunk, from)?;
            for newline in memrchr_iter(b'\n', chunk) {
                if lines == 0 {
                    self.position = from + newline as u64 + 1;
                    return Ok(0);
                }
                lines -= 1;
            }
        }
        self.position = 0;
        Ok(lines)
    }
}

/// The files of the log at `path`, oldest first.
pub(super) fn open(path: &Path, upto: Upto) -> io::Result<VecDeque<Segment>> {
    let mut newest_first = open_all(path)?;
    let mut segments = VecDeque::new();
    let wanted = match &upto {
        Upto::Now => newest_first.first().map(inode).transpose()?,
        Upto::Position(position) => Some(position.inode),
        Upto::Following(file) => Some(inode(file)?),
    };
    // What is newer than the wanted one has come meanwhile. One that is not there any more has
    // been rotated away, and what was older with it.
    let mut at = newest_first.len();
    for (index, file) in newest_first.iter().enumerate() {
        if Some(inode(file)?) == wanted {
            at = index;
            break;
        }
    }
    newest_first.drain(..at);
    let mut older = newest_first.into_iter();
    match (upto, older.next()) {
        (Upto::Now, Some(file)) => {
            let end = Some(file.metadata()?.len());
            segments.push_front(Segment { end, ..Segment::new(file) });
        }
        (Upto::Position(position), Some(file)) => {
            segments.push_front(Segment { end: Some(position.length), ..Segment::new(file) });
        }
        (Upto::Following(file), _) => segments.push_front(Segment::new(file)),
        (Upto::Now | Upto::Position(_), None) => {}
    }
    for file in older {
        segments.push_front(Segment::new(file));
    }
    Ok(segments)
}

/// Files only move towards older names: in this order a rotation makes none be missed, and one
/// that is met twice is known by its inode.
fn open_all(path: &Path) -> io::Result<Vec<File>> {
    let mut files: Vec<File> = Vec::new();
    let mut number = 0_u32;
    loop {
        let name = match number {
            0 => path.to_owned(),
            _ => PathBuf::from(format!("{}.{number}", path.display())),
        };
        match File::open(name) {
            Ok(file) => {
                let seen = files.last().map(inode).transpose()?;
                if seen != Some(inode(&file)?) {
                    files.push(file);
                }
            }
            // In the midst of a rotation there may be no newest file.
            Err(error) if error.kind() == io::ErrorKind::NotFound && number == 0 => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
            Err(error) => return Err(error),
        }
        number += 1;
    }
}

fn inode(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.ino())
}
