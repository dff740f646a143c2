//! A container's log over its restarts.

use std::fs::File;
use std::sync::Arc;

use super::Container;
use super::logs::{Feed, LogFeed, Upto};
use crate::engine::Engine;

impl Engine {
    /// Up to where the log is there now, and what the container's shim writes after it, and
    /// those that its policy starts.
    pub(crate) async fn follow_log(&self, container: &Arc<Container>) -> (Upto, Feed) {
        // An error says that there is no process, or not any more.
        let (upto, feed) = match container.shim.follow_log().await {
            Ok((file, feed)) => (Upto::Following(file), Some(feed)),
            Err(_) => (Upto::Now, None),
        };
        let container = Arc::clone(container);
        let next = move || next_log(Arc::clone(&container));
        (upto, Feed::start(feed, next, self.tasks()))
    }
}

/// The log of the process that comes next, if one does.
async fn next_log(container: Arc<Container>) -> Option<(File, LogFeed)> {
    let mut watch = container.watch();
    loop {
        let record = watch.wait_for(|record| !record.counts_as_running() || record.running());
        if !record.await.ok()?.running() {
            return None;
        }
        if let Ok(next) = container.shim.follow_log().await {
            return Some(next);
        }
        // Its end is not written down yet, or that of the next one.
        watch.changed().await.ok()?;
    }
}
