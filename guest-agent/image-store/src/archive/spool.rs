//! The archive's files on disk, under numbers: their names are not trusted with paths.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;

use super::error::ArchiveError;
use crate::digest::Digest;
use crate::error::ImageError;
use crate::layers::Ingest;
use crate::stream::{buffered, decompressed};
use crate::unpack::{Kind, Tape, UnpackError, clean_name};

/// Manifests, indexes and configurations are small.
const MAX_JSON: u64 = 8 << 20;
/// Old `docker save` wrote a layer that it had before as a link; links to links are not made.
const MAX_LINKS: usize = 4;

/// An archive taken apart; deleted when dropped.
#[derive(Debug)]
pub(super) struct Spool {
    ingest: Ingest,
    /// Cleaned name to number.
    files: HashMap<String, usize>,
    /// Cleaned name to cleaned target.
    links: HashMap<String, String>,
}

impl Spool {
    /// Takes `archive` apart into `ingest`. Blocks.
    pub(super) fn read(archive: impl Read, ingest: Ingest) -> Result<Self, ImageError> {
        let refused = |error: UnpackError| ImageError::from(ArchiveError::from(error));
        let reader =
            decompressed(buffered(archive)).map_err(|error| refused(UnpackError::Read(error)))?;
        let mut tape = Tape::new(buffered(reader));
        let mut spool = Self { ingest, files: HashMap::new(), links: HashMap::new() };
        while let Some(member) = tape.next_member().map_err(refused)? {
            let name = clean_name(&member.name).map_err(refused)?;
            match member.kind {
                Kind::File => {
                    let number = spool.files.len() + spool.links.len();
                    let path = spool.path(number);
                    let mut file = File::create(&path).map_err(ImageError::io("create", &path))?;
                    io::copy(&mut tape, &mut file).map_err(ImageError::io("write", &path))?;
                    spool.files.insert(name, number);
                }
                Kind::Symlink | Kind::HardLink => {
                    let link = String::from_utf8_lossy(&member.link).into_owned();
                    let above = match (member.kind, name.rsplit_once('/')) {
                        (Kind::Symlink, Some((above, _))) => above,
                        _ => "",
                    };
                    let target = clean_name(format!("{above}/{link}").as_bytes());
                    spool.links.insert(name, target.map_err(refused)?);
                }
                _ => {}
            }
        }
        Ok(spool)
    }

    fn path(&self, number: usize) -> PathBuf {
        self.ingest.path().join(number.to_string())
    }

    /// Where the content of `name` is.
    pub(super) fn find(&self, name: &str) -> Result<PathBuf, ArchiveError> {
        let missing = || ArchiveError::Missing { name: name.to_owned() };
        let mut wanted = clean_name(name.as_bytes()).map_err(|_| missing())?;
        for _ in 0..MAX_LINKS {
            if let Some(number) = self.files.get(&wanted) {
                return Ok(self.path(*number));
            }
            wanted = self.links.get(&wanted).ok_or_else(missing)?.clone();
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

/// Where an OCI layout keeps a blob.
pub(super) fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}
