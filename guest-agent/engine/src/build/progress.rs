//! What a build tells of itself while it goes on.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use naru_dockerfile::Rule;
use naru_image_store::{Digest, PullEvent};

/// Takes what a build tells. Who cannot keep up has to drop, to store, or to let a program wait.
///
/// ```text
/// pulling* ─► planned(all) ─► for each step, those of several stages mixed:
///                             started ─► output* ─► ended(cached | done | failed)
/// ```
///
/// Images come first: what they say is to be done by those who are made on them is planned, too.
/// Each step that has started ends, also if the build is given up.
#[async_trait]
pub(crate) trait Progress: Send + Sync + Debug {
    /// An image comes, by the name that the Dockerfile gives it.
    fn pulling(&self, image: &str, event: &PullEvent);

    /// The steps that there will be, in the file's order.
    fn planned(&self, steps: &[Arc<Step>]);

    fn started(&self, step: &Arc<Step>);

    fn output(&self, step: &Arc<Step>, stream: Stream, bytes: Bytes);

    /// Waits until there is room for more output: a program may write without an end. Cancel
    /// safe.
    async fn room(&self) {}

    fn warning(&self, warning: Warning);

    fn ended(&self, step: &Arc<Step>, outcome: Outcome<'_>);
}

/// An instruction that is carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Which of all steps of the build it is, from 0.
    pub(crate) number: usize,
    /// The stage's place in the file, and its name: `stage-0` where it has none.
    pub(crate) stage: usize,
    pub(crate) stage_name: String,
    /// Which of the stage's steps it is, from 1, and how many those are. Instructions that change
    /// the configuration alone do not count, as in BuildKit; they have none.
    pub(crate) place: Option<(usize, usize)>,
    /// The instruction, its lines put together: `RUN make`.
    pub(crate) text: String,
    /// The lines where it stands, from 1.
    pub(crate) lines: (u32, u32),
    /// The steps whose results it uses, by their numbers.
    pub(crate) inputs: Vec<usize>,
}

/// What a program writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// What a Dockerfile's author should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Warning {
    pub(crate) message: String,
    /// The check that says so, if it is one.
    pub(crate) rule: Option<&'static Rule>,
    /// The lines that it is about.
    pub(crate) lines: Option<(u32, u32)>,
}

/// How a step ended.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "the classic builder says why in its last line")]
pub(crate) enum Outcome<'a> {
    /// It was done before. The digest is that of the configuration that an image of the stage
    /// up to here would have.
    Cached(&'a Digest),
    /// It is done now.
    Done(&'a Digest),
    /// It failed, as the build's error says; or others did, and it was given up.
    Failed(&'a str),
}
