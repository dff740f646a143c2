//! The one door to blocking work.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::error::ImageError;

/// Layers unpacked at the same time, over all pulls: enough to keep a disk and a few
/// processors busy, few enough to bound the memory of their buffers.
const PERMITS: usize = 6;

/// Runs blocking work on tokio's blocking threads, at most [`PERMITS`] at a time.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    permits: Arc<Semaphore>,
}

impl Door {
    pub(crate) fn new() -> Self {
        Self { permits: Arc::new(Semaphore::new(PERMITS)) }
    }

    /// Runs `work`. Dropping the future before it began cancels it; afterwards it runs on to
    /// its end, keeping its permit.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce() -> Result<T, ImageError> + Send + 'static,
    ) -> Result<T, ImageError> {
        let interrupted = || ImageError::Interrupted { operation };
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| interrupted())?;
        spawn_blocking(move || {
            let outcome = work();
            drop(permit);
            outcome
        })
        .await
        .map_err(|_| interrupted())?
    }
}
