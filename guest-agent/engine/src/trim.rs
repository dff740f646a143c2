//! Giving the machine's disk back: what files no longer take, the host's file of the disk need
//! not hold either.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::args::Mode;
use crate::engine::Engine;
use crate::sys::trim_file_system;

/// So long it is waited for more to be removed.
const DELAY: Duration = Duration::from_secs(5);

/// Whether a trim is coming.
#[derive(Debug, Default)]
pub(crate) struct Trim(AtomicBool);

impl Engine {
    /// Something was removed: its room is given back soon, at once with all that is removed
    /// until then. A native engine's disk is its host's, who trims as it pleases.
    pub(crate) fn trim_soon(&self) {
        if self.mode() != Mode::Vm || self.trim().0.swap(true, Ordering::AcqRel) {
            return;
        }
        let engine = self.clone();
        self.tasks().spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(DELAY) => {}
                // What is not trimmed now is with what is removed after the next start.
                () = engine.closing().cancelled() => return,
            }
            // Before it begins: what is removed meanwhile may come too late for it.
            engine.trim().0.store(false, Ordering::Release);
            let root = engine.paths().root.clone();
            let trimmed = engine.run_blocking(move || {
                trim_file_system(&root).map_err(crate::EngineError::io("trimming", root))
            });
            match trimmed.await {
                Ok(bytes) => tracing::info!(bytes, "gave free room on the disk back"),
                Err(error) => {
                    tracing::warn!(error = naru_error::chain(&error), "the disk is not trimmed");
                }
            }
        });
    }
}
