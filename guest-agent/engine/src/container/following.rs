//! A container's log over its restarts.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use futures::Stream;
use tokio::sync::watch;

use super::logs::{Feed, LogFeed, Upto};
use super::{Container, Record};
use crate::engine::Engine;

impl Engine {
    /// Up to where the log is there now, and what the container's shim writes after it, and
    /// those that its policy starts.
    pub(crate) async fn follow_log(&self, container: &Arc<Container>) -> (Upto, Feed) {
        let path = self.paths().log(&container.id);
        let next = Next::new(Arc::clone(container), path).files();
        // An error says that there is no process, or not any more.
        let (upto, feed) = match container.shim.follow_log().await {
            Ok((file, feed)) => (Upto::Following(file), Some(feed)),
            Err(_) => (Upto::Now, None),
        };
        (upto, Feed::start(feed, next, self.tasks()))
    }
}

/// What comes after the process whose log was followed.
struct Next {
    container: Arc<Container>,
    path: PathBuf,
    watch: watch::Receiver<Record>,
    /// What it is now was told already.
    is_told: bool,
    is_over: bool,
}

impl Next {
    fn new(container: Arc<Container>, path: PathBuf) -> Self {
        let watch = container.watch();
        Self { container, path, watch, is_told: false, is_over: false }
    }

    /// The present file, and the line of the shim that writes to it; without the line where the
    /// process has ended before it could be followed.
    fn files(self) -> impl Stream<Item = (File, Option<LogFeed>)> + Send + 'static {
        futures::stream::unfold(self, |mut next| async { Some((next.file().await?, next)) })
    }

    async fn file(&mut self) -> Option<(File, Option<LogFeed>)> {
        while !self.is_over {
            if self.is_told && self.watch.changed().await.is_err() {
                // The container is gone, and its log with it.
                return None;
            }
            let (runs, comes_again) = {
                let record = self.watch.borrow_and_update();
                (record.running(), record.counts_as_running())
            };
            self.is_told = true;
            if runs {
                // An error says that it has ended, which will be written down.
                if let Ok((file, feed)) = self.container.shim.follow_log().await {
                    return Some((file, Some(feed)));
                }
                continue;
            }
            self.is_over = !comes_again;
            if let Ok(file) = File::open(&self.path) {
                return Some((file, None));
            }
        }
        None
    }
}
