//! Where HTTP/2 runs its streams: among the door's tasks, so that they end with it.

use tokio_util::task::TaskTracker;

/// Spawns on a tracker.
#[derive(Clone, Debug)]
pub(crate) struct Executor(pub(crate) TaskTracker);

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}
