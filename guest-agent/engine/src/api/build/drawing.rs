//! A build as Docker's classic builder tells it: one step after the other.
//!
//! Stages are made side by side. What is said of one waits until all before it are told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use naru_image_store::{Digest, ImageReference, PullEvent};
use serde_json::{Value, json};

use super::super::image_pull;
use super::super::lines::Lines;
use crate::build::{BuildError, Outcome, Progress, Step, Stream, Warning};

/// What may wait of a stage until those before it are told, and what is said of the rest.
const WAITING_MAX: usize = 2 << 20;
const CLIPPED: &str = "[output clipped, log limit 2MiB reached]\n";
const RULE: &str = "--------------------";
/// Lines that are shown before and after an instruction that failed.
const AROUND: usize = 2;

/// Draws a build.
#[derive(Debug)]
pub(super) struct Drawing {
    lines: Lines,
    is_quiet: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    total: usize,
    /// The stages that are not told to their ends, with what waits of them.
    stages: Vec<Told>,
    /// The last bytes of a step's output that are no whole character yet.
    unfinished: HashMap<usize, Vec<u8>>,
    warnings: Vec<String>,
    /// What a quiet build has kept to itself.
    kept: Waiting,
}

#[derive(Debug)]
struct Told {
    stage: usize,
    /// How many of its steps have not ended.
    left: usize,
    waiting: Waiting,
}

/// Lines that wait; of more than a limit the rest is not kept.
#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<Value>,
    bytes: usize,
}

impl Waiting {
    fn push(&mut self, line: Value) {
        if self.bytes > WAITING_MAX {
            return;
        }
        self.bytes += line["stream"].as_str().map_or(0, str::len);
        let is_full = self.bytes > WAITING_MAX;
        self.lines.push(if is_full { json!({ "stream": CLIPPED }) } else { line });
    }
}

impl Drawing {
    pub(super) fn new(lines: Lines, is_quiet: bool) -> Self {
        Self { lines, is_quiet, state: Mutex::default() }
    }

    /// Says what came of it.
    pub(super) fn succeeded(&self, id: &Digest, names: &[ImageReference]) {
        if self.is_quiet {
            self.lines.send(json!({ "stream": format!("{id}\n") }));
            return;
        }
        for warning in &self.state().warnings {
            self.lines.send(json!({ "stream": format!("[Warning] {warning}\n") }));
        }
        self.lines.send(json!({ "aux": { "ID": id.to_string() } }));
        self.lines.send(json!({ "stream": format!("Successfully built {}\n", id.short()) }));
        for name in names {
            let name = name.familiar();
            self.lines.send(json!({ "stream": format!("Successfully tagged {name}\n") }));
        }
    }

    /// Says where it failed; why is said by the last line of the answer.
    pub(super) fn failed(&self, error: &BuildError, file: &str, text: &str) {
        let mut state = self.state();
        let all: Vec<Value> = std::mem::take(&mut state.kept.lines)
            .into_iter()
            .chain(state.stages.drain(..).flat_map(|told| told.waiting.lines))
            .collect();
        for line in all {
            self.lines.send(line);
        }
        if let BuildError::Instruction(failed) = error {
            let excerpt = excerpt(file, text, failed.lines);
            self.lines.send(json!({ "stream": excerpt }));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, step: &Step, text: &str) {
        let mut state = self.state();
        self.tell(&mut state, step.stage, json!({ "stream": text }));
    }

    fn tell(&self, state: &mut State, stage: usize, line: Value) {
        let place = state.stages.iter_mut().position(|told| told.stage == stage);
        match place {
            Some(0) => self.send(state, line),
            Some(place) => state.stages[place].waiting.push(line),
            None => {}
        }
    }

    fn send(&self, state: &mut State, line: Value) {
        if self.is_quiet {
            state.kept.push(line);
        } else {
            self.lines.send(line);
        }
    }

    /// Goes on to the next stages, as far as those are.
    fn go_on(&self, state: &mut State) {
        while state.stages.first().is_some_and(|told| told.left == 0) {
            state.stages.remove(0);
            let waiting = state.stages.first_mut().map(|told| std::mem::take(&mut told.waiting));
            for line in waiting.unwrap_or_default().lines {
                self.send(state, line);
            }
        }
    }
}

#[async_trait]
impl Progress for Drawing {
    fn pulling(&self, _image: &str, event: &PullEvent) {
        self.send(&mut self.state(), image_pull::line(event));
    }

    fn planned(&self, steps: &[Arc<Step>]) {
        let mut state = self.state();
        state.total = steps.len();
        for step in steps {
            let stage = step.stage;
            if let Some(told) = state.stages.iter_mut().find(|told| told.stage == stage) {
                told.left += 1;
            } else {
                state.stages.push(Told { stage, left: 1, waiting: Waiting::default() });
            }
        }
    }

    fn started(&self, step: &Arc<Step>) {
        let total = self.state().total;
        self.say(step, &format!("Step {}/{total} : {}\n", step.number + 1, step.text));
    }

    fn output(&self, step: &Arc<Step>, _stream: Stream, bytes: Bytes) {
        let mut state = self.state();
        let mut all = state.unfinished.remove(&step.number).unwrap_or_default();
        all.extend_from_slice(&bytes);
        let end = match std::str::from_utf8(&all) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => all.len(),
        };
        let rest = all.split_off(end);
        if !rest.is_empty() {
            state.unfinished.insert(step.number, rest);
        }
        if !all.is_empty() {
            let text = String::from_utf8_lossy(&all);
            self.tell(&mut state, step.stage, json!({ "stream": text }));
        }
    }

    async fn room(&self) {
        self.lines.room().await;
    }

    fn warning(&self, warning: Warning) {
        self.state().warnings.push(warning.message);
    }

    fn ended(&self, step: &Arc<Step>, outcome: Outcome<'_>) {
        let (id, is_cached) = match outcome {
            Outcome::Cached(id) => (id, true),
            Outcome::Done(id) => (id, false),
            Outcome::Failed(_) => return,
        };
        // What changes nothing but the configuration is not called cached: it is just done.
        if is_cached && step.place.is_some_and(|(place, _)| place > 1) {
            self.say(step, " ---> Using cache\n");
        }
        self.say(step, &format!(" ---> {}\n", id.short()));
        let mut state = self.state();
        if let Some(told) = state.stages.iter_mut().find(|told| told.stage == step.stage) {
            told.left = told.left.saturating_sub(1);
        }
        self.go_on(&mut state);
    }
}

/// The lines of an instruction, marked, and those around it.
fn excerpt(file: &str, text: &str, (first, last): (u32, u32)) -> String {
    let number = |line: u32| usize::try_from(line).unwrap_or(usize::MAX);
    let marked = number(first)..=number(last);
    let begin = number(first).saturating_sub(AROUND + 1);
    let end = number(last).saturating_add(AROUND);
    let lines = (begin + 1..=end).zip(text.lines().skip(begin)).map(|(number, line)| {
        let mark = if marked.contains(&number) { ">>>" } else { "   " };
        format!("{number:4} | {mark} {line}\n")
    });
    let lines: String = lines.collect();
    format!("{file}:{first}\n{RULE}\n{lines}{RULE}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(number: usize, stage: usize, text: &str) -> Arc<Step> {
        Arc::new(Step {
            number,
            stage,
            stage_name: format!("stage-{stage}"),
            place: Some((number + 1, 2)),
            text: text.to_owned(),
            lines: (1, 1),
            inputs: Vec::new(),
        })
    }

    /// All that is told by what `tell` does to a drawing.
    fn told(is_quiet: bool, tell: impl FnOnce(&Drawing)) -> String {
        let (lines, mut receiver) = Lines::kept();
        let drawing = Drawing::new(lines, is_quiet);
        tell(&drawing);
        let mut told = String::new();
        while let Ok(line) = receiver.try_recv() {
            told.push_str(line.unwrap()["stream"].as_str().unwrap_or_default());
        }
        told
    }

    #[test]
    fn stages_are_told_one_after_the_other_however_they_are_made() {
        let [one, two] = [step(0, 0, "FROM one"), step(1, 3, "FROM two")];
        let id = Digest::of(b"x");
        let short = id.short().to_owned();
        let told = told(false, |drawing| {
            drawing.planned(&[Arc::clone(&one), Arc::clone(&two)]);
            drawing.started(&two);
            drawing.started(&one);
            drawing.output(&two, Stream::Stdout, Bytes::from_static(b"second \xed\x95"));
            drawing.output(&one, Stream::Stderr, Bytes::from_static(b"first\n"));
            drawing.output(&two, Stream::Stdout, Bytes::from_static(b"\x9c\n"));
            drawing.ended(&two, Outcome::Done(&id));
            drawing.ended(&one, Outcome::Done(&id));
        });
        let expected = format!(
            "Step 1/2 : FROM one\nfirst\n ---> {short}\nStep 2/2 : FROM two\nsecond \u{d55c}\n ---> \
             {short}\n"
        );
        assert_eq!(told, expected);
    }

    #[test]
    fn what_waits_is_clipped_and_a_quiet_build_says_all_when_it_fails() {
        let [one, two] = [step(0, 0, "FROM one"), step(1, 1, "FROM two")];
        let write = |drawing: &Drawing| {
            drawing.planned(&[Arc::clone(&one), Arc::clone(&two)]);
            drawing.started(&two);
            for _ in 0..5 {
                let bytes = Bytes::from(vec![b'x'; 1 << 20]);
                drawing.output(&two, Stream::Stdout, bytes);
            }
        };
        assert_eq!(told(false, write), "");
        let error = BuildError::Cancelled;
        for is_quiet in [false, true] {
            let told = told(is_quiet, |drawing| {
                write(drawing);
                drawing.failed(&error, "Dockerfile", "");
            });
            assert!(told.starts_with("Step 2/2 : FROM two\nxxx") && told.ends_with(CLIPPED));
            assert!(told.len() < WAITING_MAX + 1000, "{}", told.len());
        }
        let id = Digest::of(b"x");
        let quiet = told(true, |drawing| {
            write(drawing);
            drawing.succeeded(&id, &[]);
        });
        assert_eq!(quiet, format!("{id}\n"));
    }

    #[test]
    fn the_instruction_that_failed_is_marked() {
        let text = "FROM x\nRUN a \\\n  b\nRUN c\nRUN d\nRUN e\n";
        assert_eq!(
            excerpt("Dockerfile", text, (2, 3)),
            "Dockerfile:2\n--------------------\n   1 |     FROM x\n   2 | >>> RUN a \\\n   3 | \
             >>>   b\n   4 |     RUN c\n   5 |     RUN d\n--------------------\n"
        );
    }
}
