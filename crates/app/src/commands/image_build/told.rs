//! What the engine says of a build, as the classic builder says it, told as steps.

use naru_ipc::{BuildEvent, BuildLines};

use super::folder::Placed;

/// What follows the Dockerfile's place where a build failed.
const RULE: &str = "\n--------------------\n";

/// Reads a build's output. A program's own output is among it and may look like anything: what
/// it can have wrong is no more than what is shown.
#[derive(Debug)]
pub(super) struct Told {
    dockerfile: String,
    /// Those that are not told yet: steps come in the file's order.
    instructions: std::vec::IntoIter<Placed>,
    number: u32,
    total: u32,
    is_cached: bool,
    has_ended: bool,
    /// The last that was said, if that may be where the build failed.
    excerpt: Option<(u32, String)>,
}

impl Told {
    pub(super) fn new(dockerfile: &str, instructions: Vec<Placed>) -> Self {
        Self {
            dockerfile: dockerfile.to_owned(),
            instructions: instructions.into_iter(),
            number: 0,
            total: 0,
            is_cached: false,
            has_ended: true,
            excerpt: None,
        }
    }

    /// Whether a step has begun.
    pub(super) fn has_begun(&self) -> bool {
        self.number > 0
    }

    /// What a piece of the output says.
    pub(super) fn take(&mut self, said: &str) -> Vec<BuildEvent> {
        let mut events: Vec<BuildEvent> =
            self.excerpt.take().map(|(_, text)| BuildEvent::Output { text }).into_iter().collect();
        if let Some(line) = self.place_of_failure(said) {
            self.excerpt = Some((line, said.to_owned()));
            return events;
        }
        if let Some((total, text)) = self.next_step(said) {
            self.number += 1;
            self.total = total;
            (self.is_cached, self.has_ended) = (false, false);
            let lines = self.lines_of(text);
            let text = text.to_owned();
            events.push(BuildEvent::Step { number: self.number, total, text, lines });
        } else if !self.has_ended && said == " ---> Using cache\n" {
            self.is_cached = true;
        } else if !self.has_ended && is_result(said) {
            self.has_ended = true;
            events.push(BuildEvent::Ended { cached: self.is_cached });
        } else if !self.is_farewell(said) {
            events.push(BuildEvent::Output { text: said.to_owned() });
        }
        events
    }

    /// Where it failed, once nothing more comes: that is said last.
    pub(super) fn failed(&mut self, all: &[Placed]) -> Option<BuildEvent> {
        let (line, _) = self.excerpt.take()?;
        let placed = all.iter().find(|placed| placed.lines.first == line);
        let lines = placed.map_or(BuildLines { first: line, last: line }, |placed| placed.lines);
        Some(BuildEvent::Failed { lines })
    }

    /// `Step 2/3 : RUN make`, if that is the next one.
    fn next_step<'a>(&self, said: &'a str) -> Option<(u32, &'a str)> {
        let (place, text) = said.strip_prefix("Step ")?.split_once(" : ")?;
        let (number, total) = place.split_once('/')?;
        let (number, total): (u32, u32) = (number.parse().ok()?, total.parse().ok()?);
        let fits = number == self.number + 1 && number <= total;
        let same_total = self.total == 0 || self.total == total;
        (fits && same_total).then(|| (total, text.trim_end_matches('\n')))
    }

    /// Those before it are of stages that are not built. One that is not found is a trigger.
    fn lines_of(&mut self, text: &str) -> Option<BuildLines> {
        let at = self.instructions.as_slice().iter().position(|placed| placed.text == text)?;
        self.instructions.nth(at).map(|placed| placed.lines)
    }

    fn place_of_failure(&self, said: &str) -> Option<u32> {
        let rest = said.strip_prefix(self.dockerfile.as_str())?.strip_prefix(':')?;
        let (line, _) = rest.split_once(RULE)?;
        line.parse().ok()
    }

    /// What is said once all is done: the answer says the same.
    fn is_farewell(&self, said: &str) -> bool {
        let is_over = self.has_ended && self.number == self.total;
        is_over
            && ["Successfully built ", "Successfully tagged "].iter().any(|it| said.starts_with(it))
    }
}

/// ` ---> 0123456789ab`
fn is_result(said: &str) -> bool {
    let id = said.strip_prefix(" ---> ").and_then(|rest| rest.strip_suffix('\n'));
    id.is_some_and(|id| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::super::folder::Known;
    use super::*;

    const TEXT: &str = "FROM a AS unused\nRUN one\nFROM b\nRUN one\nRUN two \\\n  three\n";

    fn told(said: &[&str]) -> (Vec<BuildEvent>, Option<BuildEvent>) {
        let all = Known::of(TEXT).instructions;
        let mut told = Told::new("Dockerfile", all.clone());
        let events = said.iter().flat_map(|said| told.take(said)).collect();
        (events, told.failed(&all))
    }

    fn step(number: u32, text: &str, lines: Option<(u32, u32)>) -> BuildEvent {
        let lines = lines.map(|(first, last)| BuildLines { first, last });
        BuildEvent::Step { number, total: 3, text: text.to_owned(), lines }
    }

    fn output(text: &str) -> BuildEvent {
        BuildEvent::Output { text: text.to_owned() }
    }

    #[test]
    fn steps_have_their_lines_also_where_a_stage_is_left_out() {
        let two = Known::of(TEXT).instructions.pop().unwrap().text;
        let (events, failed) = told(&[
            "Step 1/3 : FROM b\n",
            " ---> 0123456789ab\n",
            "Step 2/3 : RUN one\n",
            "hello\n",
            " ---> Using cache\n",
            " ---> 0123456789ab\n",
            &format!("Step 3/3 : {two}\n"),
            " ---> 0123456789ab\n",
            "Successfully built 0123456789ab\n",
            "Successfully tagged a:latest\n",
        ]);
        let expected = [
            step(1, "FROM b", Some((3, 3))),
            BuildEvent::Ended { cached: false },
            step(2, "RUN one", Some((4, 4))),
            output("hello\n"),
            BuildEvent::Ended { cached: true },
            step(3, &two, Some((5, 6))),
            BuildEvent::Ended { cached: false },
        ];
        assert_eq!(events, expected);
        assert_eq!(failed, None);
    }

    #[test]
    fn the_place_where_it_failed_is_what_is_said_last() {
        let excerpt = "Dockerfile:5\n--------------------\n   5 | >>> RUN two\n";
        let (events, failed) = told(&["Step 1/3 : FROM b\n", "oh\n", excerpt]);
        assert_eq!(events, [step(1, "FROM b", Some((3, 3))), output("oh\n")]);
        let lines = BuildLines { first: 5, last: 6 };
        assert_eq!(failed, Some(BuildEvent::Failed { lines }));
        // A program that says so, and goes on.
        let (events, failed) = told(&[excerpt, "more\n"]);
        assert_eq!((events, failed), (vec![output(excerpt), output("more\n")], None));
    }

    #[test]
    fn output_that_looks_like_a_step_is_one_only_where_that_comes_next() {
        let (events, _) = told(&["Step 2/3 : RUN one\n", "Step 1/3 : ONBUILD\n", "Step 2/9 : x\n"]);
        let expected =
            [output("Step 2/3 : RUN one\n"), step(1, "ONBUILD", None), output("Step 2/9 : x\n")];
        assert_eq!(events, expected);
    }
}
