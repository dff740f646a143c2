//! The archive's files on disk, under numbers: their names are not trusted with paths.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::ArchiveError;
use crate::digest::Digest;
use crate::error::ImageError;
use crate::layers::Ingest;
use crate::room::{Kept, Room, WhileRoom};
use crate::stream::{buffered, decompressed};
use crate::unpack::{Kind, Tape, UnpackError, clean_name};

/// Manifests, indexes and configurations are small.
const MAX_JSON: u64 = 8 << 20;
/// All that is read of them, however often: a short list names a large one again and again. Those of
/// an image take some ten kilobytes.
const MAX_READ: u64 = 256 << 20;
/// A small one is as much work as one of this size.
const MIN_READ: u64 = 4 << 10;
/// Old `docker save` wrote a layer that it had before as a link; links to links are not made.
const MAX_LINKS: usize = 4;

/// All names together: they are kept in memory, and those of real images are a fraction of it.
const MAX_NAMES: usize = 32 << 20;
/// What a name takes beside itself.
const NAME_BYTES: usize = 96;
const COPY_BUFFER: usize = 128 << 10;

/// An archive taken apart; deleted when dropped.
#[derive(Debug)]
pub(super) struct Spool {
    ingest: Ingest,
    members: HashMap<String, Member>,
    names: usize,
    /// How much was read of small files.
    read: AtomicU64,
}

#[derive(Debug)]
enum Member {
    /// A file, under its number.
    File(usize),
    /// Another name of the member of this cleaned name.
    Link(String),
}

impl Spool {
    /// Takes `archive` apart into `ingest`. Blocks.
    pub(super) fn read(archive: impl Read, ingest: Ingest) -> Result<Self, ImageError> {
        let reader =
            decompressed(buffered(archive)).map_err(|error| refused(UnpackError::Read(error)))?;
        let room = Room::of(ingest.path()).map_err(ImageError::io("inspect", ingest.path()))?;
        let mut tape = Tape::new(WhileRoom::new(buffered(reader), room));
        let mut spool = Self { ingest, members: HashMap::new(), names: 0, read: AtomicU64::new(0) };
        let mut buffer = vec![0; COPY_BUFFER];
        let mut number = 0;
        while let Some(member) = tape.next_member().map_err(refused)? {
            let name = clean_name(&member.name).map_err(refused)?;
            match member.kind {
                Kind::File => {
                    number += 1;
                    copy(&mut tape, &spool.path(number), &mut buffer)?;
                    spool.add(name, Member::File(number))?;
                }
                Kind::Symlink | Kind::HardLink => {
                    let link = String::from_utf8_lossy(&member.link).into_owned();
                    let above = match (member.kind, name.rsplit_once('/')) {
                        (Kind::Symlink, Some((above, _))) => above,
                        _ => "",
                    };
                    let target = clean_name(format!("{above}/{link}").as_bytes());
                    spool.add(name, Member::Link(target.map_err(refused)?))?;
                }
                _ => {}
            }
        }
        tape.read_past_end().map_err(refused)?;
        Ok(spool)
    }

    /// Adds a member; of several of one name the last counts.
    fn add(&mut self, name: String, member: Member) -> Result<(), ImageError> {
        let target = if let Member::Link(target) = &member { target.len() } else { 0 };
        self.names += name.len() + target + NAME_BYTES;
        if self.names > MAX_NAMES {
            return Err(ArchiveError::TooMany.into());
        }
        if let Some(Member::File(number)) = self.members.insert(name, member) {
            let path = self.path(number);
            fs::remove_file(&path).map_err(ImageError::io("delete", &path))?;
        }
        Ok(())
    }

    fn path(&self, number: usize) -> PathBuf {
        self.ingest.path().join(number.to_string())
    }

    /// Where the content of `name` is.
    pub(super) fn find(&self, name: &str) -> Result<PathBuf, ArchiveError> {
        let missing = || ArchiveError::Missing { name: name.to_owned() };
        let mut wanted = clean_name(name.as_bytes()).map_err(|_| missing())?;
        for _ in 0..MAX_LINKS {
            match self.members.get(&wanted).ok_or_else(missing)? {
                Member::File(number) => return Ok(self.path(*number)),
                Member::Link(target) => wanted.clone_from(target),
            }
        }
        Err(missing())
    }

    /// The content of a small file.
    pub(super) fn small(&self, name: &str) -> Result<Vec<u8>, ImageError> {
        let path = self.find(name)?;
        let size = fs::metadata(&path).map_err(ImageError::io("inspect", &path))?.len();
        if size > MAX_JSON {
            return Err(ArchiveError::TooLarge { name: name.to_owned() }.into());
        }
        let work = size.max(MIN_READ);
        if self.read.fetch_add(work, Ordering::Relaxed) + work > MAX_READ {
            return Err(ArchiveError::TooMuch.into());
        }
        fs::read(&path).map_err(ImageError::io("read", &path))
    }

    /// The content of the small file that `digest` names in an OCI layout.
    pub(super) fn small_blob(&self, digest: &Digest) -> Result<Vec<u8>, ImageError> {
        let name = blob_name(digest);
        let content = self.small(&name)?;
        if Digest::of(&content) != *digest {
            return Err(ArchiveError::Digest { name, expected: digest.to_string() }.into());
        }
        Ok(content)
    }
}

fn refused(error: UnpackError) -> ImageError {
    match error {
        UnpackError::Read(source) if let Some(kept) = Kept::of(&source) => ImageError::Kept(kept),
        error => ArchiveError::from(error).into(),
    }
}

/// Copies the member last given out to a new file; tells a broken archive from a full disk.
fn copy(tape: &mut impl Read, path: &Path, buffer: &mut [u8]) -> Result<(), ImageError> {
    let mut file = File::create_new(path).map_err(ImageError::io("create", path))?;
    loop {
        match tape.read(buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                file.write_all(&buffer[..count]).map_err(ImageError::io("write", path))?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(refused(UnpackError::Read(error))),
        }
    }
}

/// Where an OCI layout keeps a blob.
pub(super) fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

#[cfg(test)]
mod tests {
    use naru_test_framework::oci::LayerWriter;
    use serde_json::json;

    use super::super::check_plan;

    #[test]
    fn a_file_that_is_named_without_end_is_not_read_without_end() {
        let planned = |bytes: usize, times: usize| {
            let rows = json!(vec![json!({ "Config": "config" }); times]).to_string();
            let mut archive = LayerWriter::new();
            archive.file("manifest.json", 0o644, rows.as_bytes()).unwrap();
            archive.file("config", 0o644, &vec![b' '; bytes]).unwrap();
            let root = tempfile::tempdir().unwrap();
            check_plan(&archive.into_tar(), root.path()).map_err(|error| naru_error::chain(&error))
        };
        let refused = || Err("archive names too much JSON".to_owned());
        assert_eq!(planned(8 << 20, 30), Ok(30));
        assert_eq!(planned(8 << 20, 40), refused());
        assert_eq!(planned(7, 60_000), Ok(60_000));
        assert_eq!(planned(7, 70_000), refused());
    }
}
