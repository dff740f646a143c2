//! What a client has beside the files that it was asked for: of a name that is not there, the one
//! that may be meant.

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use naru_buildkit::ContextRequest;
use naru_buildkit::fsutil::{Entry, Sink};
use naru_dockerfile::nearest;

use super::client::Client;
use crate::build::BuildError;

/// So many names are compared with one that is not there.
const NAMES_MAX: usize = 10_000;
/// What patterns have a meaning for.
const SPECIAL: [char; 5] = ['*', '?', '[', '\\', '!'];

impl Client {
    /// Of the first part of a path that is not there another name, with all before it.
    /// `request` is for the directory, without what is none of the build's.
    pub(super) async fn nearest(
        &self,
        request: &ContextRequest,
        path: &str,
    ) -> Result<Option<String>, BuildError> {
        let mut here = String::new();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let mut names = Names { parent: PathBuf::from(&here), found: Vec::new() };
            let mut request = request.clone();
            request.include.push(format!("{here}*"));
            request.exclude.push(format!("{here}*/*"));
            self.look(request, &mut names).await?;
            if !names.found.iter().any(|name| name == part) {
                let meant = nearest(part, names.found.iter().map(String::as_str));
                return Ok(meant.map(|name| format!("/{here}{name}")));
            }
            if part.contains(SPECIAL) {
                return Ok(None);
            }
            here = format!("{here}{part}/");
        }
        Ok(None)
    }
}

/// The names in a directory.
struct Names {
    parent: PathBuf,
    found: Vec<String>,
}

#[async_trait]
impl Sink for Names {
    /// No contents are wanted.
    type File = ();

    async fn entry(&mut self, entry: &Entry) -> io::Result<bool> {
        if entry.path.parent() == Some(&self.parent)
            && self.found.len() < NAMES_MAX
            && let Some(name) = entry.path.file_name()
        {
            self.found.push(name.to_string_lossy().into_owned());
        }
        Ok(false)
    }

    async fn open(&mut self, _path: &Path) -> io::Result<()> {
        Err(not_wanted())
    }

    async fn write(&mut self, _file: &mut (), _data: Bytes) -> io::Result<()> {
        Err(not_wanted())
    }

    async fn close(&mut self, _file: ()) -> io::Result<()> {
        Err(not_wanted())
    }
}

fn not_wanted() -> io::Error {
    io::Error::other("it was not wanted")
}
