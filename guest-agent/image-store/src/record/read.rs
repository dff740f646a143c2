//! Writing the layer's tar out again.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::vec;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::replaced::Replaced;
use super::{FILE, HEADER, LITERAL, MAGIC, MAX_PATH, MAX_SEGMENTS, RECORD, REPLACED, Segment};
use crate::digest::Digest;
use crate::layers::Pin;

type Steps = zstd::Decoder<'static, BufReader<File>>;

/// The uncompressed tar of a layer, as it came: its digest is the layer's `diff_id`.
///
/// Reading blocks, and fails at the end where the digest is another one. The layer stays
/// while this lives.
pub struct LayerArchive {
    diff_id: Digest,
    size: u64,
    read: u64,
    hasher: Option<Sha256>,
    steps: Steps,
    step: Step,
    /// Files whose content came so far.
    files: u64,
    replaced: Replaced,
    /// The unpacked layer.
    layer: OwnedFd,
    /// Where the record is, and what was replaced.
    record: OwnedFd,
    _pin: Pin,
}

/// What is being read.
enum Step {
    Literal { left: u64 },
    File { file: File, part: Segment, rest: vec::IntoIter<Segment> },
}

impl LayerArchive {
    /// Opens what was recorded in `record` when `layer` was unpacked. `None` without a record
    /// that can be read.
    pub(crate) fn open(
        layer: &Path,
        record: &Path,
        diff_id: &Digest,
        pin: Pin,
    ) -> io::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = match openat(CWD, record, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            opened => opened?,
        };
        let mut file = beneath(&directory, RECORD.as_bytes())?;
        let mut header = [0; HEADER];
        file.read_exact(&mut header)?;
        let (magic, size) = header.split_at(MAGIC.len());
        if magic != MAGIC {
            return Ok(None);
        }
        let replaced = match beneath(&directory, REPLACED.as_bytes()) {
            Ok(replaced) => Replaced::decode(BufReader::new(replaced))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Replaced::default(),
            Err(error) => return Err(error),
        };
        Ok(Some(Self {
            diff_id: diff_id.clone(),
            size: u64::from_le_bytes(size.try_into().map_err(|_| broken())?),
            read: 0,
            hasher: Some(Sha256::new()),
            steps: zstd::Decoder::new(file)?,
            step: Step::Literal { left: 0 },
            files: 0,
            replaced,
            layer: openat(CWD, layer, flags, Mode::empty())?,
            record: directory,
            _pin: pin,
        }))
    }

    /// The digest of what is read.
    pub fn diff_id(&self) -> &Digest {
        &self.diff_id
    }

    /// How many bytes there are in all.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Goes on to the next step; false at the end.
    fn advance(&mut self) -> io::Result<bool> {
        let mut kind = [0];
        if self.steps.read(&mut kind)? == 0 {
            return Ok(false);
        }
        self.step = match kind[0] {
            LITERAL => Step::Literal { left: number(&mut self.steps)?.into() },
            FILE => {
                let path = path(&mut self.steps)?;
                let count = number(&mut self.steps)?;
                if count as usize > MAX_SEGMENTS {
                    return Err(broken());
                }
                let parts = (0..count).map(|_| part(&mut self.steps));
                let mut rest = parts.collect::<io::Result<Vec<_>>>()?.into_iter();
                let file = match self.replaced.find(&path, self.files) {
                    None => beneath(&self.layer, &path)?,
                    Some((number, below)) => {
                        let moved = number.to_string().into_bytes();
                        let moved = [&moved, below].into_iter().filter(|part| !part.is_empty());
                        beneath(&self.record, &moved.collect::<Vec<_>>().join(&b'/'))?
                    }
                };
                self.files += 1;
                Step::File { file, part: rest.next().ok_or_else(broken)?, rest }
            }
            _ => return Err(broken()),
        };
        Ok(true)
    }

    /// Reads of the present step; 0 at its end.
    fn read_step(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = |left: u64| buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match &mut self.step {
            Step::Literal { left: 0 } => Ok(0),
            Step::Literal { left } => {
                let most = most(*left);
                let count = at_least_one(self.steps.read(&mut buffer[..most])?)?;
                *left -= count as u64;
                Ok(count)
            }
            Step::File { file, part, rest } => {
                while part.length == 0 {
                    match rest.next() {
                        Some(next) => *part = next,
                        None => return Ok(0),
                    }
                }
                let most = most(part.length);
                let count = at_least_one(file.read_at(&mut buffer[..most], part.offset)?)?;
                part.offset += count as u64;
                part.length -= count as u64;
                Ok(count)
            }
        }
    }

    /// Checks the whole, once.
    fn check(&mut self) -> io::Result<()> {
        let Some(hasher) = self.hasher.take() else { return Ok(()) };
        let actual = Digest::from_hasher(hasher);
        if actual == self.diff_id && self.read == self.size {
            return Ok(());
        }
        let what = format!("layer {} is damaged: it has the digest {actual}", self.diff_id);
        Err(io::Error::new(io::ErrorKind::InvalidData, what))
    }
}

impl Read for LayerArchive {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let count = self.read_step(buffer)?;
            if count > 0 {
                self.read += count as u64;
                if let Some(hasher) = &mut self.hasher {
                    hasher.update(&buffer[..count]);
                }
                return Ok(count);
            }
            if !self.advance()? {
                return self.check().map(|()| 0);
            }
        }
    }
}

impl std::fmt::Debug for LayerArchive {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("LayerArchive");
        shown.field("diff_id", &self.diff_id).field("size", &self.size).finish_non_exhaustive()
    }
}

/// Opens a file below `directory`, through no symbolic link; none but a regular one is ever
/// written down.
fn beneath(directory: &OwnedFd, path: &[u8]) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    Ok(openat2(directory, path, flags, Mode::empty(), resolve).map(File::from)?)
}

/// A path as steps and replacements have it.
pub(super) fn path(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let length = number(reader)?;
    if length > MAX_PATH {
        return Err(broken());
    }
    let mut path = vec![0; length as usize];
    reader.read_exact(&mut path)?;
    Ok(path)
}

fn part(reader: &mut impl Read) -> io::Result<Segment> {
    let mut long = || {
        let mut bytes = [0; 8];
        reader.read_exact(&mut bytes).map(|()| u64::from_le_bytes(bytes))
    };
    Ok(Segment { offset: long()?, length: long()? })
}

fn number(reader: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    reader.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn at_least_one(count: usize) -> io::Result<usize> {
    if count == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a layer lacks recorded bytes"));
    }
    Ok(count)
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a layer's record is broken")
}
