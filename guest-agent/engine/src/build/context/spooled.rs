//! A context as it came: an archive in one file, which is unpacked only if something of it is
//! needed.
//!
//! It is read through while it comes. Two contexts with the same identity have the same files,
//! whatever their times: where all that is copied of one was copied before, of itself or of another
//! with the same identity, not a file of it has to be made.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write as _};
use std::path::Path;

use naru_dockerfile::Fingerprint;
use naru_image_store::{Kind, Member, Tape, UnpackError, decompressed};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::directory::{Context, TEXT_MAX};
use super::error::ContextError;
use crate::files::{FilesError, Room, clean_parts, parts_below, shown};

const BUFFER: usize = 128 << 10;
const ARCHIVE: &str = "archive";
/// Whoever changes what is hashed changes this.
const VERSION: &[u8] = b"naru context 1";

/// An archive, and what is known of it.
#[derive(Debug)]
pub(crate) struct Spooled {
    directory: Context,
    identity: Fingerprint,
    texts: HashMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Spooled {
    /// Takes an archive, compressed or not, into a new directory in `contexts`. The texts of the
    /// files of the names `kept` can be asked for then.
    pub(crate) fn receive(
        contexts: &Path,
        archive: impl Read,
        kept: &[&str],
    ) -> Result<Self, ContextError> {
        let directory = Context::new(contexts)?;
        let path = directory.path().join(ARCHIVE);
        let room = Room::of(&directory.tree()?)
            .map_err(|errno| ContextError::directory("looking at", &path)(errno.into()))?;
        let file = File::create_new(&path).map_err(ContextError::directory("making", &path))?;
        let plain = decompressed(BufReader::with_capacity(BUFFER, archive)).map_err(unread)?;
        let spool = Spool { reader: plain, file, left: room.bytes };
        let mut tape = Tape::new(BufReader::with_capacity(BUFFER, spool));
        let mut reading = Reading::new(kept);
        while let Some(member) = tape.next_member().map_err(broken)? {
            reading.take(&member, &mut tape)?;
        }
        tape.read_past_end().map_err(broken)?;
        let identity = Fingerprint::from_sha256(reading.hasher.finalize().into());
        Ok(Self { directory, identity, texts: reading.texts })
    }

    /// What all its files are.
    pub(crate) fn identity(&self) -> Fingerprint {
        self.identity
    }

    /// The text of a file that was to be kept; none if it is no plain file, as far as the archive
    /// alone says it.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let text = self.texts.get(&clean(name))?.as_ref()?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// Unpacks it. The archive is gone then.
    pub(crate) fn unpack(self, contexts: &Path) -> Result<Context, ContextError> {
        let context = Context::new(contexts)?;
        let path = self.directory.path().join(ARCHIVE);
        context.receive(File::open(&path).map_err(ContextError::directory("opening", &path))?)?;
        Ok(context)
    }
}

/// Writes down what is read.
struct Spool<R> {
    reader: R,
    file: File,
    /// So many bytes there is room for.
    left: u64,
}

impl<R: Read> Read for Spool<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or(Errno::NOSPC)?;
        self.file.write_all(&buffer[..count])?;
        Ok(count)
    }
}

/// Looks at one member after the other.
struct Reading {
    hasher: Sha256,
    buffer: Vec<u8>,
    texts: HashMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Reading {
    fn new(kept: &[&str]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(VERSION);
        let texts = kept.iter().map(|name| (clean(name), None)).collect();
        Self { hasher, buffer: vec![0; BUFFER], texts }
    }

    /// Whom it belongs to says nothing: all of a context is root's. Nor do times.
    fn take<R: Read>(&mut self, member: &Member, tape: &mut Tape<R>) -> Result<(), ContextError> {
        // Refused even if nothing of it is ever unpacked.
        let name = inside(&member.name)?;
        if member.kind == Kind::HardLink {
            inside(&member.link)?;
        }
        self.hasher.update([kind(member.kind)]);
        self.bytes(&member.name);
        self.bytes(&member.link);
        for number in [member.mode, member.device.0, member.device.1] {
            self.hasher.update(number.to_le_bytes());
        }
        self.hasher.update((member.xattrs.len() as u64).to_le_bytes());
        for (name, value) in &member.xattrs {
            self.bytes(name);
            self.bytes(value);
        }
        let is_kept = self.texts.contains_key(&name);
        let mut text = Vec::new();
        let mut content = Sha256::new();
        loop {
            let count = tape.read(&mut self.buffer).map_err(unread)?;
            if count == 0 {
                break;
            }
            content.update(&self.buffer[..count]);
            if is_kept && text.len() as u64 <= TEXT_MAX {
                text.extend_from_slice(&self.buffer[..count]);
            }
        }
        self.hasher.update(content.finalize());
        if is_kept {
            // Of what has holes, or is too large, the file itself is looked at.
            let is_plain = member.kind == Kind::File && text.len() as u64 <= TEXT_MAX;
            self.texts.insert(name, is_plain.then_some(text));
        }
        Ok(())
    }

    /// With its length, so that no two different things are the same bytes.
    fn bytes(&mut self, bytes: &[u8]) {
        self.hasher.update((bytes.len() as u64).to_le_bytes());
        self.hasher.update(bytes);
    }
}

fn kind(kind: Kind) -> u8 {
    match kind {
        Kind::File => 0,
        Kind::Directory => 1,
        Kind::Symlink => 2,
        Kind::HardLink => 3,
        Kind::CharDevice => 4,
        Kind::BlockDevice => 5,
        Kind::Fifo => 6,
    }
}

/// What of a context has this name.
fn inside(name: &[u8]) -> Result<Vec<u8>, ContextError> {
    let outside = || FilesError::Outside { entry: shown(name), destination: shown(b"/") };
    let parts = parts_below(name).ok_or_else(outside).map_err(ContextError::Unpack)?;
    Ok(parts.join(&b'/'))
}

/// A name that a client asks for, which leads out of nothing.
fn clean(name: &str) -> Vec<u8> {
    clean_parts(name).join("/").into_bytes()
}

fn unread(error: io::Error) -> ContextError {
    broken(UnpackError::Read(error))
}

fn broken(error: UnpackError) -> ContextError {
    ContextError::Unpack(FilesError::Archive(error))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Files by name, content and mode, all of one time.
    fn archive(files: &[(&str, &str, u32)], mtime: u64) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, content, mode) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(*mode);
            header.set_mtime(mtime);
            archive.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
        archive.into_inner().unwrap()
    }

    fn identity(archive: &[u8]) -> Fingerprint {
        let directory = tempfile::tempdir().unwrap();
        Spooled::receive(directory.path(), archive, &[]).unwrap().identity()
    }

    #[test]
    fn the_same_files_are_the_same_whatever_their_times() {
        let files = [("a", "1", 0o644), ("d/b", "2", 0o644)];
        let one = identity(&archive(&files, 1));
        assert_eq!(one, identity(&archive(&files, 2)));
        let whole = archive(&files, 3);
        let directory = tempfile::tempdir().unwrap();
        Spooled::receive(directory.path(), &whole[..1300], &[]).unwrap_err();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left of it");
        for others in [
            &[("a", "1", 0o644), ("d/b", "3", 0o644)][..],
            &[("a", "1", 0o755), ("d/b", "2", 0o644)],
            &[("a", "1", 0o644), ("d/c", "2", 0o644)],
            &[("a", "1", 0o644)],
            &[("a", "12", 0o644), ("d/b", "", 0o644)],
        ] {
            assert_ne!(one, identity(&archive(others, 1)), "{others:?}");
        }
    }

    #[test]
    fn texts_are_kept_and_the_rest_is_there_once_it_is_unpacked() {
        let directory = tempfile::tempdir().unwrap();
        let files =
            [("./Dockerfile", "old", 0o644), ("a", "1", 0o600), ("Dockerfile", "new", 0o644)];
        let names = ["/Dockerfile", "dockerfile"];
        let spooled =
            Spooled::receive(directory.path(), archive(&files, 1).as_slice(), &names).unwrap();
        assert_eq!(spooled.text("Dockerfile").as_deref(), Some("new"));
        assert_eq!((spooled.text("dockerfile"), spooled.text("a")), (None, None));
        let context = spooled.unpack(directory.path()).unwrap();
        assert_eq!(context.text("a").unwrap().as_deref(), Some("1"));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "the archive is gone");
    }
}
