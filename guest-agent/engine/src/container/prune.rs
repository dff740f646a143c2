//! Removing all containers that are not in use.

use std::collections::HashSet;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use tokio::task::spawn_blocking;

use super::Record;
use crate::engine::Engine;
use crate::error::{EngineError, Result};

/// What a prune has removed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pruned {
    pub(crate) ids: Vec<String>,
    /// Bytes of the containers' own files.
    pub(crate) reclaimed: u64,
}

impl Engine {
    /// Removes every container that does not run and that is `wanted` gone, one after the
    /// other. A caller that goes away ends it between two.
    pub(crate) async fn prune_containers(
        &self,
        wanted: impl Fn(&Record) -> bool + Send,
    ) -> Result<Pruned> {
        let Ok(_alone) = self.pruning().try_lock() else {
            return Err(EngineError::Conflict("a prune operation is already running".to_owned()));
        };
        let mut pruned = Pruned::default();
        for container in self.containers().all() {
            let record = container.record();
            if record.counts_as_running() || !wanted(&record) {
                continue;
            }
            let upper = self.paths().container(&container.id).join("upper");
            let bytes = match spawn_blocking(move || written_bytes(&upper)).await {
                Ok(Ok(bytes)) => bytes,
                Ok(Err(error)) => {
                    tracing::info!(container_id = container.id, %error, "not measured");
                    0
                }
                Err(error) => return Err(EngineError::Defect(error.to_string())),
            };
            match self.remove_container(&container, false).await {
                Ok(()) => {
                    pruned.reclaimed = pruned.reclaimed.saturating_add(bytes);
                    pruned.ids.push(container.id.clone());
                }
                // Someone has started it, or removes it too.
                Err(error) => {
                    tracing::info!(container_id = container.id, %error, "not pruned");
                }
            }
        }
        let attributes = [("reclaimed".to_owned(), pruned.reclaimed.to_string())];
        self.events().publish("container", "prune", "", attributes.into());
        Ok(pruned)
    }
}

/// The bytes of all files below `directory`; of a file with several names once, of
/// directories none, as Docker counts.
fn written_bytes(directory: &Path) -> io::Result<u64> {
    let mut seen = HashSet::new();
    let mut bytes: u64 = 0;
    let mut directories: Vec<PathBuf> = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                directories.push(entry.path());
            } else if metadata.nlink() == 1 || seen.insert((metadata.dev(), metadata.ino())) {
                bytes = bytes.saturating_add(metadata.size());
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn each_file_counts_once_and_no_link_leads_away() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::create_dir(path.join("sub")).unwrap();
        fs::write(path.join("sub/one"), [0; 1000]).unwrap();
        fs::hard_link(path.join("sub/one"), path.join("two")).unwrap();
        symlink("/", path.join("link")).unwrap();
        assert_eq!(written_bytes(path).unwrap(), 1001, "a link is as long as its target's name");
    }
}
