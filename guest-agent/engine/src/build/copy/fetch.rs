//! What is added from the web: fetched into a directory of its own first, so that its
//! fingerprint is known before anything is done with it.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use futures::TryStreamExt as _;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use naru_dockerfile::Fingerprint;
use naru_image_store::{Digest, ImageStore, WebFile, WebUrl};
use rustix::fs::{Timespec, Timestamps, futimens};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use tokio::fs;
use tokio::io::AsyncWriteExt as _;

use super::super::context::{Context, GitAccess, clone_git};
use super::error::{CopyError, Tried as _};
use super::plan::{CopyPlan, Source};
use crate::files::{Room, Tree};

/// As Docker has it: nobody else's to read.
const MODE: u32 = 0o600;

/// Files of the web, by the numbers of their sources.
#[derive(Debug)]
pub(crate) struct Fetched {
    tree: Tree,
    _directory: Context,
}

impl Fetched {
    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Where the file of a source is.
    pub(super) fn path(source: usize) -> Vec<u8> {
        format!("/{source}").into_bytes()
    }
}

impl CopyPlan {
    /// Whether something is to be fetched.
    pub(crate) fn needs_fetching(&self) -> bool {
        self.sources.iter().any(|source| matches!(source, Source::Web { .. } | Source::Git { .. }))
    }

    /// The repositories among that.
    pub(crate) fn remotes(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().filter_map(|source| match source {
            Source::Git { source, .. } => Some(source.remote.as_str()),
            _ => None,
        })
    }

    /// Fetches it into a new directory in `contexts`. Dropping this ends it.
    pub(crate) async fn fetch(
        &self,
        images: &ImageStore,
        access: &GitAccess,
        contexts: &Path,
    ) -> Result<Fetched, CopyError> {
        let directory = Context::new(contexts)?;
        for (number, source) in self.sources.iter().enumerate() {
            let path = directory.path().join(number.to_string());
            match source {
                Source::Web { url, checksum, .. } => {
                    fetch_file(images, url, checksum.as_ref(), &path).await?;
                }
                Source::Git { source, .. } => {
                    let made = fs::create_dir(&path).await;
                    made.tried("make the directory", path.as_os_str().as_bytes())?;
                    clone_git(images, source, access, &path, contexts).await?;
                }
                Source::Path { .. } | Source::Document { .. } => {}
            }
        }
        Ok(Fetched { tree: directory.tree()?, _directory: directory })
    }
}

async fn fetch_file(
    images: &ImageStore,
    url: &WebUrl,
    checksum: Option<&Digest>,
    path: &Path,
) -> Result<(), CopyError> {
    let web = images.fetch(url).await?;
    let modified = web.last_modified().and_then(moment);
    let shown = url.to_string();
    let (file, found) = download(web, path).await.tried("download", shown.as_bytes())?;
    if let Some(expected) = checksum.filter(|expected| expected.as_str() != found) {
        return Err(CopyError::Mismatch { found, expected: expected.to_string() });
    }
    finish(&file, modified).tried("download", shown.as_bytes())
}

/// Writes what comes, and gives its digest. It takes what room there is, and leaves some for
/// others: nobody says how much it will be.
async fn download(web: WebFile, path: &Path) -> io::Result<(File, String)> {
    let mut file = fs::File::create_new(path).await?;
    let mut left = Room::of(&file)?.bytes;
    let mut stream = web.into_stream();
    let mut hasher = Sha256::new();
    while let Some(chunk) = stream.try_next().await? {
        left = left.checked_sub(chunk.len() as u64).ok_or(Errno::NOSPC)?;
        hasher.update(&chunk);
        file.write_all(&chunk).await?;
    }
    file.flush().await?;
    let digest = format!("sha256:{}", Fingerprint::from_sha256(hasher.finalize().into()));
    Ok((file.into_std().await, digest))
}

/// A file whose server does not say how old it is is as old as can be.
fn finish(file: &File, modified: Option<Timestamp>) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(MODE))?;
    let time = Timespec { tv_sec: modified.map_or(0, Timestamp::as_second), tv_nsec: 0 };
    Ok(futimens(file, &Timestamps { last_access: time, last_modification: time })?)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn moment(text: &str) -> Option<Timestamp> {
    rfc2822::parse(text).ok().map(|moment| moment.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_how_old_a_file_is() {
        let moment = |text| moment(text).map(Timestamp::as_second);
        assert_eq!(moment("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(moment("yesterday"), None);
    }
}
