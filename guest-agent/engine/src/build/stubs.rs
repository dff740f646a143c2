//! The places of mounts, which the runtime makes where they are missing, are no part of what a
//! program has written.

use std::sync::Arc;

use oci_spec::runtime::Mount;

use super::error::BuildError;
use super::workspace::Workspace;
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::files::{MADE_BY_RUNTIME, Tree};

/// These are file systems of the container's own: what is made in them goes with them.
const MOUNTED: [&str; 3] = ["dev", "proc", "sys"];

/// The paths that are missing, parents first.
#[derive(Debug)]
pub(super) struct Stubs(Vec<Vec<u8>>);

impl Stubs {
    /// Finds the places that are going to be made.
    pub(super) async fn find(
        workspace: &Arc<Workspace>,
        engine: &Engine,
        mounts: &[Mount],
    ) -> Result<Self, BuildError> {
        let targets: Vec<Vec<u8>> = mounts
            .iter()
            .filter(|mount| {
                let mut parts = mount.destination().components().skip(1);
                parts
                    .next()
                    .is_none_or(|first| !MOUNTED.iter().any(|name| first.as_os_str() == *name))
            })
            .map(|mount| mount.destination().to_string_lossy().into_owned().into_bytes())
            .chain(MADE_BY_RUNTIME.iter().map(|path| path.to_vec()))
            .collect();
        let workspace = Arc::clone(workspace);
        let found = engine.run_blocking(move || {
            let tree = workspace.below()?;
            let mut missing = Vec::new();
            for target in &targets {
                let path = tree.follow(target).map_err(EngineError::io("looking at", "a mount"))?;
                let ends = path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/');
                let ends = ends.map(|(end, _)| end).chain([path.len()]);
                for end in ends {
                    let part = &path[..end];
                    if tree.look(part).is_err() && !missing.iter().any(|known| known == part) {
                        missing.push(part.to_vec());
                    }
                }
            }
            Ok(missing)
        });
        Ok(Self(found.await?))
    }

    /// Removes those that are as they were made. What is in one stays, and it does.
    pub(super) async fn remove(
        self,
        engine: &Engine,
        workspace: &Arc<Workspace>,
    ) -> Result<(), BuildError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let upper = workspace.upper();
        let removed = engine.run_blocking(move || {
            let failed = || EngineError::io("removing the places of mounts in", &upper);
            let tree = Tree::at(&upper).map_err(failed())?;
            for path in self.0.iter().rev() {
                tree.remove_empty(path).map_err(failed())?;
            }
            Ok(())
        });
        Ok(removed.await?)
    }
}
