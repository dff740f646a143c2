//! Writing the record, while the layer's tar is read.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, openat, renameat, statat, unlinkat};
use rustix::io::Errno;
use zstd::Encoder;

use super::replaced::Replaced;
use super::{FILE, HEADER, LITERAL, MAGIC, RECORD, REPLACED, Segment};

/// The fastest that still makes headers small: it must not be seen in the time of a pull.
const COMPRESSION: i32 = 1;
/// Bytes gathered before they become a step.
const GATHERED: usize = 64 << 10;

/// Reads the tar for whoever unpacks it, and records what is no file's content.
pub(crate) struct Recorder<R> {
    reader: R,
    directory: OwnedFd,
    steps: Encoder<'static, File>,
    gathered: Vec<u8>,
    /// Bytes that are content still to come.
    content: u64,
    /// Bytes read so far.
    size: u64,
    /// Files whose content came so far.
    files: u64,
    replaced: Replaced,
}

impl<R: Read> Recorder<R> {
    /// Records what `reader` brings in the existing, empty `directory`.
    pub(crate) fn new(reader: R, directory: &Path) -> io::Result<Self> {
        let mut file = File::create_new(directory.join(RECORD))?;
        file.write_all(&[0; HEADER])?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            reader,
            directory: openat(CWD, directory, flags, Mode::empty())?,
            steps: Encoder::new(file, COMPRESSION)?,
            gathered: Vec::with_capacity(GATHERED),
            content: 0,
            size: 0,
            files: 0,
            replaced: Replaced::default(),
        })
    }

    /// What is read next is the content of the file `path`: its `parts`, one after the other.
    pub(crate) fn content_of(&mut self, path: &[u8], parts: &[Segment]) -> io::Result<()> {
        self.content = parts.iter().map(|part| part.length).sum();
        if self.content == 0 {
            return Ok(());
        }
        self.step()?;
        self.files += 1;
        let mut step = vec![FILE];
        write_length(path.len(), &mut step)?;
        step.extend_from_slice(path);
        write_length(parts.len(), &mut step)?;
        for part in parts {
            step.extend_from_slice(&part.offset.to_le_bytes());
            step.extend_from_slice(&part.length.to_le_bytes());
        }
        self.steps.write_all(&step)
    }

    /// Takes away what `name` is in `parent`, whose path is `path`; what has content is kept
    /// beside the record.
    pub(crate) fn replace(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
    ) -> io::Result<()> {
        let found = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let emptied = match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory => unlinkat(parent, name, AtFlags::REMOVEDIR),
            FileType::RegularFile if found.st_size > 0 => Err(Errno::NOTEMPTY),
            _ => unlinkat(parent, name, AtFlags::empty()),
        };
        match emptied {
            Err(Errno::NOTEMPTY) => {
                let number = self.replaced.add(path, self.files)?;
                Ok(renameat(parent, name, &self.directory, number.to_string())?)
            }
            done => Ok(done?),
        }
    }

    /// Writes the end of the record.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.step()?;
        let file = self.steps.finish()?;
        file.write_all_at(&[MAGIC, self.size.to_le_bytes()].concat(), 0)?;
        if self.replaced.is_empty() {
            return Ok(());
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let replaced = openat(&self.directory, REPLACED, flags, Mode::from_raw_mode(0o600))?;
        File::from(replaced).write_all(&self.replaced.encode())
    }

    /// Makes a step of what was gathered.
    fn step(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let mut head = vec![LITERAL];
        write_length(self.gathered.len(), &mut head)?;
        self.steps.write_all(&head)?;
        self.steps.write_all(&self.gathered)?;
        self.gathered.clear();
        Ok(())
    }
}

impl<R: Read> Read for Recorder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.content > 0 {
            let most = buffer.len().min(usize::try_from(self.content).unwrap_or(usize::MAX));
            let count = self.reader.read(&mut buffer[..most])?;
            self.content -= count as u64;
            self.size += count as u64;
            return Ok(count);
        }
        let count = self.reader.read(buffer)?;
        self.gathered.extend_from_slice(&buffer[..count]);
        self.size += count as u64;
        if self.gathered.len() >= GATHERED {
            self.step()?;
        }
        Ok(count)
    }
}

fn write_length(length: usize, step: &mut Vec<u8>) -> io::Result<()> {
    let length = u32::try_from(length).map_err(|_| io::ErrorKind::InvalidInput)?;
    step.extend_from_slice(&length.to_le_bytes());
    Ok(())
}
