//! Where a build's own files come from.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use naru_dockerfile::{Fingerprint, Ignore};

use super::error::BuildError;

/// Files that a client has, or has sent. What `.dockerignore` names is not among them.
#[async_trait]
pub(crate) trait BuildFiles: Send + Sync + Debug {
    /// The files of a directory of the client's, as far as they are wanted. It is called once for
    /// each directory that a build needs, and its result is kept for as long as the build takes.
    async fn fetch(&self, wanted: WantedFiles) -> Result<Arc<Directory>, BuildError>;

    /// What all files of a directory are, if that is known without fetching it: two with the same
    /// identity have the same files, whatever their times.
    async fn identity(&self, _context: Option<&str>) -> Option<Fingerprint> {
        None
    }

    /// What of the build's own directory is none of the build's, as far as that is known.
    async fn ignored(&self) -> Result<Option<Ignore>, BuildError> {
        Ok(None)
    }

    /// What may be meant by a path that a directory does not have, if the client has more than was
    /// wanted. It is asked when the build has failed: nothing more can go wrong.
    async fn nearest(&self, _context: Option<&str>, _path: &str) -> Option<String> {
        None
    }
}

/// What a build needs of a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WantedFiles {
    /// The name of the context; none is the build's own.
    pub(crate) context: Option<String>,
    /// The paths and patterns that are copied or mounted, relative to its root; none for all of
    /// it. More than these may be given.
    pub(crate) paths: Vec<String>,
}

/// A directory that stays as it is while this lives.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) path: PathBuf,
    /// What all its files are, if that is known without a look at them; see
    /// [`BuildFiles::identity`].
    pub(crate) identity: Option<Fingerprint>,
    /// Removes it when the build is over.
    pub(crate) _keeper: Box<dyn Debug + Send + Sync>,
}
