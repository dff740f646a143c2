//! What an engine that was killed has left on the disk, removed when the next one starts.

use std::collections::HashSet;
use std::fs::read_dir;
use std::os::unix::net::UnixStream;
use std::path::Path;

use naru_shim::wire::SOCKET_NAME;

use crate::container::{Record, ShimAddress, release_shm};
use crate::engine::Engine;
use crate::files::remove_all;

impl Engine {
    /// Removes what belongs to none of the containers in `records`, all that there are.
    pub(crate) fn sweep(&self, records: &[Record]) {
        self.sweep_shims(records);
        let known: HashSet<&str> = records.iter().map(|record| record.id.as_str()).collect();
        for entry in read_dir(self.paths().root.join("containers")).into_iter().flatten().flatten()
        {
            if entry.file_name().to_str().is_some_and(|name| known.contains(name)) {
                continue;
            }
            tracing::info!(path = %entry.path().display(), "sweeping what a removal left");
            release_shm(&entry.path());
            remove_or_tell(&entry.path());
        }
    }

    /// Removes the run directories of shims that are gone. Without its directory one that an
    /// engine had just started when it was killed cannot begin any more.
    fn sweep_shims(&self, records: &[Record]) {
        let address = |record: &Record| self.shim_address(&record.id).directory().to_owned();
        let of_containers: HashSet<_> = records.iter().map(address).collect();
        for entry in read_dir(&self.paths().run).into_iter().flatten().flatten() {
            let path = entry.path();
            let Some(shim) = ShimAddress::of_directory(&path) else { continue };
            if UnixStream::connect(path.join(SOCKET_NAME)).is_err() {
                remove_or_tell(&path);
            } else if !of_containers.contains(&path) {
                self.bury_exec(shim);
            }
        }
    }

    /// An exec goes on without its engine. Nobody can ask for it any more, but what it leaves
    /// is to be removed at its end.
    fn bury_exec(&self, shim: ShimAddress) {
        self.tasks().spawn(async move {
            // An error says that it has just ended.
            if let Ok(events) = shim.watch().await {
                drop(events.exited().await);
            }
            remove_or_tell(shim.directory());
        });
    }
}

fn remove_or_tell(path: &Path) {
    if let Err(error) = remove_all(path) {
        tracing::warn!(path = %path.display(), %error, "left behind");
    }
}
