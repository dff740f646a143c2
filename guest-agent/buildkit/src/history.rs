//! The builds that have ended, as far as buildx asks for them.
//!
//! It is kept in memory, the newest builds with what they told: enough for `buildx history ls`
//! and `logs`, and for a client whose `Status` comes after a build that failed at once. It ends
//! with the engine. Nothing refers to blobs, so that no content store stands behind it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tonic::Status;

use crate::progress::Progress;
use crate::wire::history::{
    BuildHistoryEvent, BuildHistoryEventType, BuildHistoryRecord, BuildHistoryRequest,
    UpdateBuildHistoryRequest,
};

/// How many builds are kept, and how much they may have told in all.
const BUILDS: usize = 50;
const BYTES: usize = 32 << 20;
/// How many events a listener may be behind; older ones it does not see.
const EVENTS: usize = 64;

/// A build that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) record: BuildHistoryRecord,
    pub(crate) progress: Progress,
    /// Not shown to anyone, only found by name.
    pub(crate) is_internal: bool,
}

/// The newest builds, the oldest first.
#[derive(Debug)]
pub(crate) struct History {
    builds: Mutex<VecDeque<Finished>>,
    events: broadcast::Sender<BuildHistoryEvent>,
}

impl Default for History {
    fn default() -> Self {
        Self { builds: Mutex::default(), events: broadcast::Sender::new(EVENTS) }
    }
}

impl History {
    pub(crate) fn started(&self, record: BuildHistoryRecord) {
        self.tell(BuildHistoryEventType::Started, record);
    }

    pub(crate) fn finished(&self, finished: Finished) {
        if !finished.is_internal {
            self.tell(BuildHistoryEventType::Complete, finished.record.clone());
        }
        let mut builds = self.locked();
        // A name that is used again is the newer build's.
        builds.retain(|build| build.record.r#ref != finished.record.r#ref);
        builds.push_back(finished);
        let mut weight: usize = builds.iter().map(|build| build.progress.weight()).sum();
        while builds.len() > 1 && (builds.len() > BUILDS || weight > BYTES) {
            // Pinned ones go last, and the one that has just come not at all.
            let newest = builds.len() - 1;
            let oldest = builds.iter().take(newest).position(|build| !build.record.pinned);
            let Some(gone) = builds.remove(oldest.unwrap_or(0)) else { break };
            weight -= gone.progress.weight();
        }
    }

    pub(crate) fn progress(&self, reference: &str) -> Option<Progress> {
        let builds = self.locked();
        let build = builds.iter().find(|build| build.record.r#ref == reference)?;
        Some(build.progress.clone())
    }

    /// What there is and, unless the request says otherwise, what happens from now on.
    /// `active` gives the records of the builds that are under way.
    pub(crate) fn listen(
        &self,
        request: &BuildHistoryRequest,
        active: impl FnOnce() -> Vec<BuildHistoryRecord>,
    ) -> Result<BoxStream<'static, Result<BuildHistoryEvent, Status>>, Status> {
        if !request.filter.is_empty() {
            return Err(Status::unimplemented("filters of the build history are not supported"));
        }
        // Before the snapshot, so that nothing falls between the two.
        let events = self.events.subscribe();
        let active = active().into_iter().map(|record| (BuildHistoryEventType::Started, record));
        let mut present: Vec<_> = active.collect();
        if !request.active_only {
            let builds = self.locked();
            // The newest first, so that a limit leaves those.
            let shown = builds.iter().rev().filter(|build| !build.is_internal);
            let complete = BuildHistoryEventType::Complete;
            present.extend(shown.map(|build| (complete, build.record.clone())));
        }
        let reference = request.r#ref.clone();
        let is_meant =
            move |record: &BuildHistoryRecord| reference.is_empty() || record.r#ref == reference;
        present.retain(|(_, record)| is_meant(record));
        if let Ok(limit @ 1..) = usize::try_from(request.limit) {
            present.truncate(limit);
        }
        let present = stream::iter(present).map(|(kind, record)| event(kind, record));
        if request.early_exit {
            return Ok(present.map(Ok).boxed());
        }
        let later = stream::unfold(events, |mut events| async move {
            loop {
                match events.recv().await {
                    Ok(event) => return Some((event, events)),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        });
        let later = later
            .filter(move |event| std::future::ready(event.record.as_ref().is_some_and(&is_meant)));
        Ok(present.chain(later).map(Ok).boxed())
    }

    /// Pins a build or lets go of it, or removes it.
    pub(crate) fn update(&self, request: &UpdateBuildHistoryRequest) -> Result<(), Status> {
        let mut builds = self.locked();
        let place = builds
            .iter()
            .position(|build| build.record.r#ref == request.r#ref && !build.is_internal);
        let Some(place) = place else {
            return Err(Status::not_found(format!("no build record for {}", request.r#ref)));
        };
        if request.delete {
            let removed = builds.remove(place);
            drop(builds);
            if let Some(removed) = removed {
                self.tell(BuildHistoryEventType::Deleted, removed.record);
            }
        } else if !request.finalize {
            // To finalize means to write the trace down now; there is none.
            builds[place].record.pinned = request.pinned;
        }
        Ok(())
    }

    fn tell(&self, kind: BuildHistoryEventType, record: BuildHistoryRecord) {
        // That nobody listens is the rule.
        drop(self.events.send(event(kind, record)));
    }

    fn locked(&self) -> MutexGuard<'_, VecDeque<Finished>> {
        self.builds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn event(kind: BuildHistoryEventType, record: BuildHistoryRecord) -> BuildHistoryEvent {
    BuildHistoryEvent { r#type: kind.into(), record: Some(record) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finish(history: &History, reference: &str, is_internal: bool) {
        let record =
            BuildHistoryRecord { r#ref: reference.to_owned(), ..BuildHistoryRecord::default() };
        history.finished(Finished { record, progress: Progress::default(), is_internal });
    }

    async fn listed(
        history: &History,
        request: BuildHistoryRequest,
    ) -> anyhow::Result<Vec<String>> {
        let events =
            history.listen(&BuildHistoryRequest { early_exit: true, ..request }, Vec::new)?;
        let events: Vec<_> = events.collect().await;
        let records = events.into_iter().filter_map(|event| event.ok()?.record);
        Ok(records.map(|record| record.r#ref).collect())
    }

    #[tokio::test]
    async fn the_newest_and_the_pinned_builds_are_kept() -> anyhow::Result<()> {
        let history = History::default();
        finish(&history, "kept", false);
        let request = UpdateBuildHistoryRequest {
            r#ref: "kept".to_owned(),
            pinned: true,
            ..UpdateBuildHistoryRequest::default()
        };
        history.update(&request)?;
        for build in 0..BUILDS {
            finish(&history, &build.to_string(), false);
        }
        let all = listed(&history, BuildHistoryRequest::default()).await?;
        assert_eq!(all.len(), BUILDS);
        assert!(all.contains(&"kept".to_owned()) && !all.contains(&"0".to_owned()));
        history.update(&UpdateBuildHistoryRequest { delete: true, ..request.clone() })?;
        assert!(history.update(&request).is_err(), "it is gone");
        Ok(())
    }

    #[tokio::test]
    async fn internal_builds_are_found_by_name_alone() -> anyhow::Result<()> {
        let history = History::default();
        finish(&history, "a", true);
        assert!(listed(&history, BuildHistoryRequest::default()).await?.is_empty());
        assert!(history.progress("a").is_some());
        Ok(())
    }

    #[tokio::test]
    async fn a_listener_hears_of_what_ends_later() -> anyhow::Result<()> {
        let history = History::default();
        let request = BuildHistoryRequest { r#ref: "b".to_owned(), ..Default::default() };
        let mut events = history.listen(&request, Vec::new)?;
        finish(&history, "a", false);
        finish(&history, "b", false);
        let event = events.next().await.transpose()?.and_then(|event| event.record);
        assert_eq!(event.map(|record| record.r#ref).as_deref(), Some("b"));
        Ok(())
    }
}
