//! What a build tells, as BuildKit's clients draw it.
//!
//! A step that changes files is a vertex; one that changes the configuration alone is none, as in
//! BuildKit. What the door does itself (reading the Dockerfile, exporting) is a vertex, too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use naru_buildkit::wire::control::{Vertex, VertexStatus, VertexWarning};
use naru_buildkit::wire::google::Timestamp;
use naru_buildkit::wire::ops::{Position, Range, SourceInfo};
use naru_buildkit::{BuildContext, Progress};
use naru_dockerfile::Rule;
use naru_image_store::{Digest, LayerState, PullEvent};

use super::failure;
use crate::build::{BuildError, DockerfileText, Outcome, Step, Stream, Warning};

/// Draws one build for one platform.
#[derive(Debug)]
pub(super) struct Drawing {
    progress: Progress,
    /// The client's name of the build: clients draw several as one.
    reference: String,
    dockerfile: DockerfileText,
    /// Said before each step, where there are several platforms.
    platform: Option<String>,
    /// Stages are named where there are several, or the only one has a name.
    names_stages: bool,
    steps: Mutex<HashMap<String, Drawn>>,
}

/// What was told of a step.
#[derive(Clone, Debug)]
struct Drawn {
    vertex: Vertex,
    lines: (u32, u32),
    has_failed: bool,
}

impl Drawing {
    pub(super) fn new(
        context: &BuildContext,
        dockerfile: DockerfileText,
        platform: Option<String>,
        names_stages: bool,
    ) -> Self {
        let (progress, reference) = (context.progress().clone(), context.reference().to_owned());
        Self { progress, reference, dockerfile, platform, names_stages, steps: Mutex::default() }
    }

    /// The build has failed: so have the steps that said so, for a reason that is known now.
    pub(super) fn fail(&self, error: &BuildError) -> naru_buildkit::BuildError {
        let mut told = failure::told(error, &self.dockerfile);
        let place = failure::lines(error);
        for drawn in self.steps().values_mut().filter(|drawn| drawn.has_failed) {
            drawn.has_failed = false;
            let is_it = place == Some(drawn.lines);
            if is_it {
                told = told.at_vertex(&drawn.vertex.digest);
            }
            // Others were given up for its sake.
            let message = if is_it { told.to_string() } else { "context canceled".to_owned() };
            drawn.vertex.completed = Some(Timestamp::now());
            drawn.vertex.error = message;
            self.progress.vertex(drawn.vertex.clone());
        }
        told
    }

    /// The same step has the same digest however the others are numbered.
    fn digest(&self, step: &Step) -> String {
        let (platform, (first, last)) = (self.platform.as_deref().unwrap_or_default(), step.lines);
        let Step { stage, text, .. } = step;
        digest(&self.reference, &format!("{platform}\n{stage}\n{first}-{last}\n{text}"))
    }

    fn name(&self, step: &Step, (place, of): (usize, usize)) -> String {
        let platform = self.platform.iter().map(String::as_str);
        let stage = self.names_stages.then_some(step.stage_name.as_str());
        // Aligned as BuildKit does.
        let width = of.to_string().len();
        let count = format!("{place:>width$}/{of}");
        let words: Vec<&str> = platform.chain(stage).chain([count.as_str()]).collect();
        format!("[{}] {}", words.join(" "), step.text)
    }

    /// Changes what was told of a step, and tells it.
    fn tell(&self, step: &Step, change: impl FnOnce(&mut Drawn) -> bool) {
        let Some(place) = step.place else { return };
        let digest = self.digest(step);
        let mut steps = self.steps();
        let drawn = steps.entry(digest.clone()).or_insert_with(|| Drawn {
            vertex: Vertex { digest, ..Vertex::default() },
            lines: step.lines,
            has_failed: false,
        });
        drawn.vertex.name = self.name(step, place);
        if change(drawn) {
            self.progress.vertex(drawn.vertex.clone());
        }
    }

    fn steps(&self) -> MutexGuard<'_, HashMap<String, Drawn>> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl crate::build::Progress for Drawing {
    fn planned(&self, steps: &[Arc<Step>]) {
        for step in steps {
            let inputs = step.inputs.iter().filter_map(|number| steps.get(*number));
            let inputs: Vec<String> = inputs.map(|input| self.digest(input)).collect();
            self.tell(step, |drawn| {
                let is_new = drawn.vertex.started.is_none();
                drawn.vertex.inputs = inputs;
                is_new
            });
        }
    }

    fn started(&self, step: &Arc<Step>) {
        self.tell(step, |drawn| {
            drawn.vertex.started = Some(Timestamp::now());
            true
        });
    }

    fn output(&self, step: &Arc<Step>, stream: Stream, bytes: Bytes) {
        let number = match stream {
            Stream::Stdout => 1,
            Stream::Stderr => 2,
        };
        self.progress.log(&self.digest(step), number, bytes);
    }

    fn pulling(&self, image: &str, event: &PullEvent) {
        let name = format!("[internal] pull {image}");
        let digest = digest(&self.reference, &name);
        let mut steps = self.steps();
        let drawn = steps.entry(digest.clone()).or_insert_with(|| {
            let started = Some(Timestamp::now());
            let vertex = Vertex { digest, name, started, ..Vertex::default() };
            self.progress.vertex(vertex.clone());
            Drawn { vertex, lines: (0, 0), has_failed: false }
        });
        let part = |name: &str, current: u64, total: u64, completed| VertexStatus {
            id: name.to_owned(),
            vertex: drawn.vertex.digest.clone(),
            current: i64::try_from(current).unwrap_or(i64::MAX),
            total: i64::try_from(total).unwrap_or(i64::MAX),
            timestamp: Some(Timestamp::now()),
            started: drawn.vertex.started,
            completed,
            ..VertexStatus::default()
        };
        match event {
            PullEvent::Layer { id, state: LayerState::Downloading { current, total } } => {
                self.progress.status(part(id, *current, *total, None));
            }
            PullEvent::Layer { id, state: LayerState::Extracting { current, total } } => {
                self.progress.status(part(&format!("extracting {id}"), *current, *total, None));
            }
            PullEvent::Layer { id, state: LayerState::PullComplete } => {
                let name = format!("extracting {id}");
                self.progress.status(part(&name, 0, 0, Some(Timestamp::now())));
            }
            PullEvent::Digest(_) => {
                drawn.vertex.completed = Some(Timestamp::now());
                self.progress.vertex(drawn.vertex.clone());
            }
            PullEvent::Layer { .. } | PullEvent::PullingFrom { .. } => {}
        }
    }

    fn warning(&self, warning: Warning) {
        let source = SourceInfo {
            filename: self.dockerfile.name.clone(),
            data: self.dockerfile.text.clone().into_bytes(),
            language: "Dockerfile".to_owned(),
        };
        let at = |line: u32| Position { line: i32::try_from(line).unwrap_or(0), character: 0 };
        let range = |(first, last)| Range { start: Some(at(first)), end: Some(at(last)) };
        // Clients draw what is about a step that they know of.
        let definition = digest(&self.reference, &definition_step(&self.dockerfile.name));
        let rule = warning.rule;
        self.progress.warning(VertexWarning {
            vertex: rule.map(|_| definition).unwrap_or_default(),
            level: 1,
            detail: rule.iter().map(|rule| rule.description.as_bytes().to_vec()).collect(),
            url: rule.map(Rule::url).unwrap_or_default(),
            short: warning.message.into_bytes(),
            info: warning.lines.is_some().then_some(source),
            ranges: warning.lines.into_iter().map(range).collect(),
        });
    }

    fn ended(&self, step: &Arc<Step>, outcome: Outcome<'_>) {
        self.tell(step, |drawn| {
            match outcome {
                Outcome::Cached(_) => drawn.vertex.cached = true,
                Outcome::Done(_) => {}
                Outcome::Failed(_) => {
                    drawn.has_failed = true;
                    return false;
                }
            }
            drawn.vertex.started.get_or_insert_with(Timestamp::now);
            drawn.vertex.completed = Some(Timestamp::now());
            true
        });
    }
}

/// The name of the step that reads the Dockerfile.
pub(super) fn definition_step(filename: &str) -> String {
    format!("[internal] load build definition from {filename}")
}

/// Tells a step from all others that a client may know of.
fn digest(reference: &str, step: &str) -> String {
    Digest::of(format!("{reference}\n{step}").as_bytes()).to_string()
}

/// A step of the door's own.
#[derive(Debug)]
pub(super) struct OwnStep {
    progress: Progress,
    vertex: Vertex,
}

impl OwnStep {
    /// It begins.
    pub(super) fn begin(context: &BuildContext, name: &str) -> Self {
        let progress = context.progress();
        let vertex = Vertex {
            digest: digest(context.reference(), name),
            name: name.to_owned(),
            started: Some(Timestamp::now()),
            ..Vertex::default()
        };
        progress.vertex(vertex.clone());
        Self { progress: progress.clone(), vertex }
    }

    /// A part of it is done.
    pub(super) fn part(&self, name: &str, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.progress.status(VertexStatus {
            id: name.to_owned(),
            vertex: self.vertex.digest.clone(),
            current: bytes,
            timestamp: Some(Timestamp::now()),
            started: self.vertex.started,
            completed: Some(Timestamp::now()),
            ..VertexStatus::default()
        });
    }

    /// It ends as this did.
    pub(super) fn end<T, E: std::fmt::Display>(mut self, result: Result<T, E>) -> Result<T, E> {
        self.vertex.completed = Some(Timestamp::now());
        if let Err(error) = &result {
            self.vertex.error = error.to_string();
        }
        self.progress.vertex(self.vertex);
        result
    }
}
