//! Which stages need which.

use std::collections::HashSet;

use crate::error::{DockerfileError, Problem};
use crate::position::Word;
use crate::suggest::nearest;

type Outcome<T> = Result<T, DockerfileError>;

/// Where files come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: nothing is in it.
    Scratch,
    /// The stage with this number.
    Stage(usize),
    /// A directory, a repository or an image that whoever builds gives under this name.
    Context(String),
    /// What is nothing of these is an image.
    Image(String),
}

/// An instruction that takes files from elsewhere than the context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// Which of the stage's instructions it is.
    pub instruction: usize,
    /// Which of its mounts it is and where that goes, if it is a `RUN`.
    pub mount: Option<(usize, String)>,
    /// Where it says so, and what.
    pub from: Word,
    /// Where they come from.
    pub origin: Origin,
}

/// A stage and what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name, or `stage-` and its number.
    pub name: String,
    /// What it is made on.
    pub base: Origin,
    /// Whether that is taken in its place: none of its instructions are carried out.
    pub is_replaced: bool,
    /// The platform of that, if one is asked for.
    pub platform: Option<String>,
    /// What else it needs.
    pub uses: Vec<Use>,
}

/// All stages of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// The stages, in the file's order.
    pub nodes: Vec<Node>,
}

impl Origin {
    fn stage(&self) -> Option<usize> {
        match self {
            Self::Stage(stage) => Some(*stage),
            Self::Scratch | Self::Context(_) | Self::Image(_) => None,
        }
    }
}

impl Node {
    /// The stages that its instructions take files from.
    fn used(&self) -> impl Iterator<Item = usize> {
        self.uses.iter().filter_map(|needed| needed.origin.stage())
    }

    /// What comes later is not made yet.
    fn refuse_later(&self, number: usize) -> Outcome<()> {
        let is_later =
            |needed: &&Use| matches!(needed.origin, Origin::Stage(stage) if stage >= number);
        let Some(needed) = self.uses.iter().find(is_later) else { return Ok(()) };
        let from = needed.from.text.clone();
        let problem = match &needed.mount {
            Some((_, target)) => Problem::MountFromLater { from, target: target.clone() },
            None => Problem::CopyFromLater { from, stage: self.name.clone() },
        };
        Err(DockerfileError::at(needed.from.at, problem))
    }
}

impl Graph {
    /// The stage that is asked for, by its name or number; the last one if none is.
    pub fn target(&self, name: Option<&str>) -> Outcome<usize> {
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Ok(self.nodes.len().saturating_sub(1));
        };
        // As everywhere, of two with the same name the later one is meant.
        let named = self.nodes.iter().rposition(|node| node.name.eq_ignore_ascii_case(name));
        let numbered = || name.parse().ok().filter(|number| *number < self.nodes.len());
        named.or_else(numbered).ok_or_else(|| {
            let nearest = nearest(name, self.nodes.iter().map(|node| node.name.as_str()));
            let nearest = nearest.map(str::to_owned);
            DockerfileError::nowhere(Problem::Target { name: name.to_owned(), nearest })
        })
    }

    /// The stages that `target` needs, and itself, in an order in which they can be made: that of
    /// the file.
    pub fn needed(&self, target: usize) -> Outcome<Vec<usize>> {
        let mut is_needed = vec![false; self.nodes.len()];
        let mut open = vec![target];
        while let Some(number) = open.pop() {
            let (Some(seen), Some(node)) = (is_needed.get_mut(number), self.nodes.get(number))
            else {
                continue;
            };
            if !std::mem::replace(seen, true) {
                node.refuse_later(number)?;
                open.extend(node.base.stage().into_iter().chain(node.used()));
            }
        }
        Ok((0..self.nodes.len()).filter(|number| is_needed[*number]).collect())
    }

    /// All stages, each of which could be made.
    pub fn all(&self) -> Outcome<Vec<usize>> {
        let nodes = self.nodes.iter().enumerate();
        nodes.map(|(number, node)| node.refuse_later(number).map(|()| number)).collect()
    }

    /// The images that those stages need.
    pub fn images(&self, stages: &[usize]) -> Vec<&str> {
        let nodes = stages.iter().filter_map(|stage| self.nodes.get(*stage));
        let origins = nodes.flat_map(|node| {
            [&node.base].into_iter().chain(node.uses.iter().map(|needed| &needed.origin))
        });
        let mut seen = HashSet::new();
        let images = origins.filter_map(|origin| match origin {
            Origin::Image(image) => Some(image.as_str()),
            Origin::Scratch | Origin::Stage(_) | Origin::Context(_) => None,
        });
        images.filter(|image| seen.insert(*image)).collect()
    }

    /// As in Docker, what a stage is made on is not looked at: it comes before it, and where it
    /// takes part in a circle, something is copied from a later stage.
    pub(crate) fn refuse_circles(&self) -> Outcome<()> {
        // Stages whose needs are all met are taken away until none is left, or a circle.
        let mut users: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        let mut open: Vec<usize> = Vec::new();
        let mut needs: Vec<usize> = Vec::new();
        for (number, node) in self.nodes.iter().enumerate() {
            for stage in node.used() {
                users[stage].push(number);
            }
            needs.push(node.used().count());
            if node.used().next().is_none() {
                open.push(number);
            }
        }
        while let Some(number) = open.pop() {
            for user in &users[number] {
                needs[*user] -= 1;
                if needs[*user] == 0 {
                    open.push(*user);
                }
            }
        }
        let Some(number) = needs.iter().position(|needs| *needs > 0) else { return Ok(()) };
        let node = &self.nodes[number];
        let is_in_it =
            |needed: &&Use| matches!(needed.origin, Origin::Stage(stage) if needs[stage] > 0);
        let problem = Problem::Circular(node.name.clone());
        Err(match node.uses.iter().find(is_in_it) {
            Some(needed) => DockerfileError::at(needed.from.at, problem),
            None => DockerfileError::nowhere(problem),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::Dockerfile;
    use crate::instruction::Command;
    use crate::position::Position;
    use crate::scope::Inputs;

    fn graph(text: &str) -> Result<Graph, String> {
        let file = Dockerfile::parse(text).unwrap();
        let globals = file.globals(&Inputs::default()).unwrap();
        file.graph(&globals, &Inputs::default()).map_err(|error| match error.at {
            Some(at) => format!("{at} {error}"),
            None => error.to_string(),
        })
    }

    #[test]
    fn only_what_a_target_needs_is_made() {
        let graph = graph(
            "ARG base=one\nFROM alpine AS one\nFROM scratch AS Two\nFROM ${base} AS three\n\
             COPY --from=TWO a b\nCOPY --from=busybox:1 c d\nFROM debian AS four\n\
             RUN --mount=from=three,target=/x --mount=type=cache,target=/y,from=0 make\n\
             FROM $base\nCOPY --from=1 a b\nCOPY --from=scratch a b",
        )
        .unwrap();
        assert_eq!(graph.nodes[2].base, Origin::Stage(0));
        assert_eq!(graph.nodes[3].uses[0].origin, Origin::Stage(2));
        assert_eq!(graph.nodes[3].uses[1].origin, Origin::Image("0".into()), "not a number");
        assert_eq!(graph.nodes[4].uses[1].origin, Origin::Scratch);
        for (target, number, needed) in [
            (Some("three"), 2, &[0, 1, 2][..]),
            (Some("FOUR"), 3, &[0, 1, 2, 3]),
            (Some("0"), 0, &[0]),
            (None, 4, &[0, 1, 4]),
            (Some(""), 4, &[0, 1, 4]),
        ] {
            assert_eq!(graph.target(target), Ok(number));
            assert_eq!(graph.needed(number).unwrap(), needed);
        }
        assert_eq!(graph.images(&[0, 1, 2]), ["alpine", "busybox:1"]);
        let error = graph.target(Some("thre")).unwrap_err().to_string();
        assert_eq!(error, "target stage \"thre\" could not be found (did you mean three?)");
        graph.target(Some("5")).unwrap_err();
        // Before anything else is wrong.
        let file = Dockerfile::parse("FROM x\nCOPY --from=7 a b").unwrap();
        let inputs = Inputs { target: Some("nope".to_owned()), ..Inputs::default() };
        let error = file.graph(&file.globals(&inputs).unwrap(), &inputs).unwrap_err().to_string();
        assert_eq!(error, "target stage \"nope\" could not be found");
    }

    #[test]
    fn of_two_stages_with_a_name_the_later_is_meant() {
        let graph = graph("FROM x AS a\nFROM a AS a\nFROM y\nCOPY --from=a / /").unwrap();
        assert_eq!(graph.nodes[1].base, Origin::Stage(0));
        assert_eq!(graph.nodes[2].uses[0].origin, Origin::Stage(1));
        assert_eq!(graph.target(Some("a")), Ok(1));
    }

    #[test]
    fn contexts_take_the_places_of_images_and_stages() {
        let file = Dockerfile::parse(
            "FROM docker.io/library/base:latest AS a\nFROM busybox AS b\nCOPY --from=a / /\n\
             FROM scratch\nCOPY --from=b / /\nRUN --mount=from=data x",
        )
        .unwrap();
        let contexts = ["base", "b", "data", "scratch"].map(str::to_owned).into();
        let inputs = Inputs { contexts, ..Inputs::default() };
        let graph = file.graph(&file.globals(&inputs).unwrap(), &inputs).unwrap();
        let context = |name: &str| Origin::Context(name.to_owned());
        assert_eq!(graph.nodes[0].base, context("base"));
        assert!(!graph.nodes[0].is_replaced && graph.nodes[1].is_replaced);
        assert_eq!(graph.nodes[1].base, context("b"));
        assert_eq!(graph.nodes[2].base, Origin::Scratch);
        assert_eq!(graph.nodes[2].uses[1].origin, context("data"));
        assert_eq!(graph.needed(2), Ok(vec![1, 2]));
        assert_eq!(graph.images(&[0, 1, 2]), [""; 0]);
    }

    #[test]
    fn circles_and_stages_that_are_not_there_are_errors() {
        for (text, message) in [
            ("FROM x AS a\nCOPY --from=a b c", "2:6 circular dependency detected on stage: a"),
            ("FROM x\nCOPY --from=0 b c", "2:6 circular dependency detected on stage: stage-0"),
            (
                "FROM x AS a\nCOPY --from=b c d\nFROM y AS b\nRUN --mount=from=a x",
                "2:6 circular dependency detected on stage: a",
            ),
            ("FROM x\nCOPY --from=7 b c", "2:6 invalid stage index 7"),
            ("FROM x\nCOPY --from=-1 b c", "2:6 invalid stage index -1"),
            ("FROM $x", "1:6 base name ($x) should not be blank"),
            (
                "FROM --platform=$BUILDPLATFRM x",
                "1:6 empty platform value from expression $BUILDPLATFRM (did you mean \
                 BUILDPLATFORM?)",
            ),
            (
                "FROM x\nCOPY --from=$y a b",
                "2:6 variable expansion is not supported for --from, define a new stage with FROM \
                 using ARG from global scope as a workaround",
            ),
        ] {
            assert_eq!(graph(text), Err(message.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_comes_later_cannot_be_copied() {
        let later = graph("FROM x AS a\nCOPY --from=b c d\nFROM y AS b\nFROM z").unwrap();
        assert_eq!(later.needed(2), Ok(vec![2]), "nobody asks");
        let error = later.needed(0).unwrap_err().to_string();
        let expected =
            "cannot copy from stage \"b\", it needs to be defined before current stage \"a\"";
        assert_eq!(error, expected);
        let later = graph("FROM x AS a\nCOPY --from=1 c d\nFROM a AS b").unwrap();
        let error = later.needed(1).unwrap_err().to_string();
        let expected =
            "cannot copy from stage \"1\", it needs to be defined before current stage \"a\"";
        assert_eq!(error, expected);
        let later = graph("FROM x\nRUN --mount=from=B,dst=/c c\nFROM y AS b").unwrap();
        let error = later.needed(0).unwrap_err().to_string();
        let expected = "cannot mount from stage \"B\" to \"/c\", stage needs to be defined before current command";
        assert_eq!(error, expected);
    }

    #[test]
    fn a_hundred_thousand_stages_are_no_trouble() {
        let others = (1..100_000).map(|number| format!("FROM a{} AS a{number}\n", number - 1));
        let text: String = ["FROM x AS a0\n".to_owned()].into_iter().chain(others).collect();
        let graph = graph(&text).unwrap();
        assert_eq!(graph.needed(99_999).unwrap().len(), 100_000);
    }

    #[test]
    fn triggers_stand_before_the_instructions_and_may_need_stages() {
        let mut file = Dockerfile::parse(
            "FROM x AS a\nONBUILD COPY --from=c <<E /\n1\nE\nFROM y AS c\nFROM a\nRUN b",
        )
        .unwrap();
        let triggers = file.stages[0].triggers();
        assert_eq!(triggers, ["COPY --from=c <<E /\n1\nE"]);
        file.add_triggers(2, &triggers).unwrap();
        let instructions = &file.stages[2].instructions;
        assert!(instructions[0].is_trigger && !instructions[1].is_trigger);
        assert_eq!(instructions[0].at, Position { line: 6, column: 1 });
        let Command::Copy(files) = &instructions[0].command else { panic!("it is one") };
        assert_eq!(files.documents[0].content, "1\n");
        let inputs = Inputs::default();
        let graph = file.graph(&file.globals(&inputs).unwrap(), &inputs).unwrap();
        assert_eq!(graph.needed(2).unwrap(), [0, 1, 2]);
        for (trigger, message) in [
            ("RUN a\nRUN b", "onbuild trigger should be a single expression"),
            ("", "onbuild trigger should be a single expression"),
            ("FROM x", "FROM isn't allowed as an ONBUILD trigger"),
            ("ONBUILD RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
            ("RUNN x", "unknown instruction: RUNN (did you mean RUN?)"),
        ] {
            let error = file.add_triggers(0, &[trigger.to_owned()]).unwrap_err();
            assert_eq!((error.to_string(), error.at.unwrap().line), (message.to_owned(), 1));
        }
    }
}
