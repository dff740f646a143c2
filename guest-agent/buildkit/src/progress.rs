//! What a build has told of itself so far.
//!
//! The updates of a build are kept from its beginning, so that a client that asks late, asks
//! again, or asks after the end (`buildx history logs`) sees all of them. What a step prints is
//! clipped where BuildKit clips it, and the whole is bounded; a step's beginning and end are
//! always told.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, Stream};
use prost::Message as _;
use tokio::sync::watch;

use crate::wire::control::{StatusResponse, Vertex, VertexLog, VertexStatus, VertexWarning};
use crate::wire::google::Timestamp;

/// What one step may print, and what is said of the rest.
const STEP_LIMIT: usize = 2 << 20;
const CLIPPED: &[u8] = b"[output clipped, log limit 2MiB reached]\n";
/// What all that is told may come to, but for the steps themselves.
const TOTAL_LIMIT: usize = 32 << 20;

/// A build's progress. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    told: watch::Sender<Told>,
}

#[derive(Debug, Default)]
struct Told {
    updates: Vec<Arc<StatusResponse>>,
    weight: usize,
    /// How much each step has printed.
    printed: HashMap<String, usize>,
    has_ended: bool,
}

/// How many steps there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Steps {
    pub(crate) total: i32,
    pub(crate) cached: i32,
    pub(crate) completed: i32,
    pub(crate) warnings: i32,
}

impl Progress {
    /// Tells of a step: that there is one, that it began, that it ended. What is told of a
    /// step replaces what was told of it before.
    pub fn vertex(&self, vertex: Vertex) {
        let update = StatusResponse { vertexes: vec![vertex], ..StatusResponse::default() };
        self.told.send_modify(|told| told.push(update));
    }

    /// Tells how far a part of a step is.
    pub fn status(&self, status: VertexStatus) {
        let update = StatusResponse { statuses: vec![status], ..StatusResponse::default() };
        self.push_if_room(update);
    }

    /// Tells what a step printed: to standard output (1) or standard error (2).
    pub fn log(&self, vertex: &str, stream: i64, data: Bytes) {
        self.told.send_if_modified(|told| told.log(vertex, stream, data));
    }

    /// Tells what a step's author should know.
    pub fn warning(&self, warning: VertexWarning) {
        let update = StatusResponse { warnings: vec![warning], ..StatusResponse::default() };
        self.push_if_room(update);
    }

    /// Nothing more will be told.
    pub(crate) fn end(&self) {
        self.told.send_modify(|told| told.has_ended = true);
    }

    /// How much memory it takes, roughly.
    pub(crate) fn weight(&self) -> usize {
        self.told.borrow().weight
    }

    /// All updates from the first one on, until the end.
    pub(crate) fn follow(&self) -> impl Stream<Item = Arc<StatusResponse>> + Send + use<> {
        stream::unfold((self.told.subscribe(), 0), |(mut told, next)| async move {
            let update = {
                let told = told.wait_for(|told| told.updates.len() > next || told.has_ended);
                told.await.ok()?.updates.get(next).map(Arc::clone)?
            };
            Some((update, (told, next + 1)))
        })
    }

    pub(crate) fn steps(&self) -> Steps {
        let told = self.told.borrow();
        let mut steps = Steps::default();
        let mut vertexes = BTreeMap::new();
        for update in &told.updates {
            vertexes.extend(update.vertexes.iter().map(|vertex| (&vertex.digest, vertex)));
            steps.warnings += i32::try_from(update.warnings.len()).unwrap_or(0);
        }
        for vertex in vertexes.values() {
            steps.total += 1;
            steps.cached += i32::from(vertex.cached);
            steps.completed += i32::from(vertex.completed.is_some());
        }
        steps
    }

    fn push_if_room(&self, update: StatusResponse) {
        self.told.send_if_modified(|told| {
            let has_room = told.weight < TOTAL_LIMIT;
            if has_room {
                told.push(update);
            }
            has_room
        });
    }
}

impl Told {
    fn push(&mut self, update: StatusResponse) {
        self.weight += update.encoded_len();
        self.updates.push(Arc::new(update));
    }

    /// Whether anything was told.
    fn log(&mut self, vertex: &str, stream: i64, mut data: Bytes) -> bool {
        let printed = self.printed.entry(vertex.to_owned()).or_default();
        let room = STEP_LIMIT.saturating_sub(*printed).min(TOTAL_LIMIT.saturating_sub(self.weight));
        if data.is_empty() || *printed > STEP_LIMIT {
            return false;
        }
        let is_clipped = data.len() > room;
        data.truncate(room);
        // Past the limit means: the clipping was told as well.
        *printed = if is_clipped { STEP_LIMIT + 1 } else { *printed + data.len() };
        let mut logs = Vec::new();
        for msg in [data, Bytes::from_static(if is_clipped { CLIPPED } else { b"" })] {
            if !msg.is_empty() {
                let (vertex, timestamp) = (vertex.to_owned(), Some(Timestamp::now()));
                logs.push(VertexLog { vertex, timestamp, stream, msg });
            }
        }
        self.push(StatusResponse { logs, ..StatusResponse::default() });
        true
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

    use super::*;

    fn vertex(digest: &str, is_completed: bool) -> Vertex {
        let completed = is_completed.then(Timestamp::now);
        Vertex { digest: digest.to_owned(), completed, ..Vertex::default() }
    }

    async fn logged(progress: &Progress) -> Vec<Bytes> {
        let updates: Vec<_> = progress.follow().collect().await;
        updates.iter().flat_map(|update| update.logs.iter().map(|log| log.msg.clone())).collect()
    }

    #[tokio::test]
    async fn who_comes_late_sees_all_of_it() {
        let progress = Progress::default();
        progress.vertex(vertex("a", false));
        let early = progress.follow();
        progress.vertex(vertex("a", true));
        progress.end();
        let early: Vec<_> = early.collect().await;
        assert_eq!(early.len(), 2);
        assert_eq!(progress.follow().collect::<Vec<_>>().await, early);
        assert_eq!(progress.steps(), Steps { total: 1, completed: 1, ..Steps::default() });
    }

    #[tokio::test]
    async fn a_step_that_prints_for_ever_is_clipped_once() {
        let progress = Progress::default();
        let block = Bytes::from(vec![b'y'; 1 << 20]);
        for _ in 0..10 {
            progress.log("a", 1, block.slice(..(1 << 20) - 1));
        }
        progress.log("b", 1, Bytes::from_static(b"heard"));
        progress.end();
        let logs = logged(&progress).await;
        assert_eq!(logs.iter().filter(|log| log.as_ref() == CLIPPED).count(), 1);
        assert_eq!(logs.iter().map(Bytes::len).sum::<usize>(), STEP_LIMIT + CLIPPED.len() + 5);
        assert_eq!(logs.last().map(Bytes::as_ref), Some(b"heard".as_slice()));
    }

    #[tokio::test]
    async fn steps_are_told_even_when_there_is_no_room_for_more() {
        let progress = Progress::default();
        for step in 0..40 {
            progress.log(&step.to_string(), 1, Bytes::from(vec![b'y'; 1 << 20]));
        }
        let full = progress.weight();
        progress.status(VertexStatus { name: "layer".to_owned(), ..VertexStatus::default() });
        assert_eq!(progress.weight(), full);
        progress.vertex(vertex("a", true));
        assert_eq!(progress.steps().total, 1);
    }
}
