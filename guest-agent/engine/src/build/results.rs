//! What has become of the stages of a build.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::building::Building;
use super::error::BuildError;
use super::stage::Stage;

/// What each stage has come to, once it has.
#[derive(Debug)]
pub(super) struct Results(HashMap<usize, watch::Sender<Option<Made>>>);

type Made = Result<Arc<Stage>, Failed>;

/// It has failed, as whoever made it knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed;

impl Results {
    pub(super) fn new(stages: &[usize]) -> Self {
        Self(stages.iter().map(|stage| (*stage, watch::Sender::new(None))).collect())
    }

    pub(super) fn set(&self, number: usize, result: Made) {
        if let Some(sender) = self.0.get(&number) {
            sender.send_replace(Some(result));
        }
    }
}

impl Building {
    /// Waits for a stage. If that fails, this is given up.
    pub(super) async fn stage(&self, number: usize) -> Result<Arc<Stage>, BuildError> {
        let no_such = || BuildError::NotFound(format!("stage {number} is not built"));
        let mut result = self.results.0.get(&number).ok_or_else(no_such)?.subscribe();
        let done = result.wait_for(Option::is_some);
        let Some(Ok(done)) = self.cancelled.run_until_cancelled(done).await else {
            return Err(BuildError::Cancelled);
        };
        match &*done {
            Some(Ok(stage)) => Ok(Arc::clone(stage)),
            _ => Err(BuildError::Cancelled),
        }
    }
}
