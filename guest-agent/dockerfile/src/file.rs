//! A Dockerfile: arguments, then stages of instructions.

use crate::directives::{Directives, ESCAPE};
use crate::error::{DockerfileError, Problem};
use crate::instruction::{Command, From, Instruction};
use crate::keyword::Keyword;
use crate::parse::instruction;
use crate::position::Position;
use crate::scope::{Globals, Inputs, is_predefined};
use crate::source::{Source, read};

/// The instructions that `docker commit --change` takes.
const CHANGES: [Keyword; 11] = [
    Keyword::Cmd,
    Keyword::Entrypoint,
    Keyword::Env,
    Keyword::Expose,
    Keyword::Healthcheck,
    Keyword::Label,
    Keyword::OnBuild,
    Keyword::StopSignal,
    Keyword::User,
    Keyword::Volume,
    Keyword::WorkDir,
];

/// A file that has been understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dockerfile {
    /// What stands before everything else.
    pub directives: Directives,
    /// The `ARG`s before the first stage.
    pub arguments: Vec<Instruction>,
    /// The stages, at least one.
    pub stages: Vec<Stage>,
}

/// A stage: an image in the making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// What it is made on, and its name.
    pub from: From,
    /// Where its `FROM` is.
    pub at: Position,
    /// The `FROM` as it is written.
    pub source: String,
    /// What follows the `FROM`.
    pub instructions: Vec<Instruction>,
}

impl Stage {
    /// The triggers that stages made on this one begin with.
    pub fn triggers(&self) -> Vec<String> {
        let triggers = self.instructions.iter().filter_map(|instruction| {
            let Command::OnBuild(trigger) = &instruction.command else { return None };
            Some(trigger.text.clone())
        });
        triggers.collect()
    }
}

impl Dockerfile {
    /// Reads a file.
    pub fn parse(text: &str) -> Result<Self, DockerfileError> {
        if text.is_empty() {
            return Err(DockerfileError::nowhere(Problem::Empty));
        }
        let Source { directives, lines } = read(text)?;
        if lines.is_empty() {
            return Err(DockerfileError::nowhere(Problem::NoInstructions));
        }
        let mut file = Self { directives, arguments: Vec::new(), stages: Vec::new() };
        for line in &lines {
            let instruction = instruction(line, file.directives.escape)?;
            let at = instruction.at;
            match (&instruction.command, file.stages.last_mut()) {
                (Command::From(from), _) => {
                    let (from, source) = (from.clone(), instruction.source);
                    file.stages.push(Stage { from, at, source, instructions: Vec::new() });
                }
                (_, Some(stage)) => stage.instructions.push(instruction),
                (Command::Arg(_), None) => file.arguments.push(instruction),
                (command, None) => {
                    let error = DockerfileError::at(at, Problem::NoStage);
                    return Err(error.in_instruction(command.keyword()));
                }
            }
        }
        if file.stages.is_empty() {
            return Err(DockerfileError::nowhere(Problem::NoStages));
        }
        Ok(file)
    }

    /// What its `FROM`s see.
    pub fn globals(&self, inputs: &Inputs) -> Result<Globals, DockerfileError> {
        let last = self.stages.last().and_then(|stage| stage.from.name.as_deref());
        Globals::new(&self.arguments, self.directives.escape, inputs, last)
    }

    /// The build arguments that nothing in the file asks for.
    pub fn unused_arguments<'a>(&self, inputs: &'a Inputs) -> Vec<&'a str> {
        let stages = self.stages.iter().flat_map(|stage| &stage.instructions);
        let declared: Vec<&str> = self
            .arguments
            .iter()
            .chain(stages)
            .filter_map(|instruction| match &instruction.command {
                Command::Arg(arguments) => Some(arguments),
                _ => None,
            })
            .flatten()
            .map(|argument| argument.name.text.as_str())
            .collect();
        let given = inputs.arguments.keys().map(String::as_str);
        given.filter(|name| !declared.contains(name) && !is_predefined(name)).collect()
    }

    /// Puts the triggers of a stage's base before its instructions. The graph is to be made anew
    /// after that: they may need other stages.
    pub fn add_triggers(
        &mut self,
        stage: usize,
        triggers: &[String],
    ) -> Result<(), DockerfileError> {
        let Some(stage) = self.stages.get_mut(stage) else { return Ok(()) };
        let found: Result<Vec<_>, _> =
            triggers.iter().map(|trigger| triggered(trigger, stage.at)).collect();
        stage.instructions.splice(0..0, found?).for_each(drop);
        Ok(())
    }
}

/// A trigger, as if it stood where the `FROM` does.
fn triggered(trigger: &str, at: Position) -> Result<Instruction, DockerfileError> {
    let moved = |error: DockerfileError| DockerfileError { at: Some(at), ..error };
    let lines = read(trigger).map_err(moved)?.lines;
    let [mut line] = <[_; 1]>::try_from(lines)
        .map_err(|_| DockerfileError::at(at, Problem::TriggerNotSingle))?;
    line.place = Some(at);
    line.last = at.line;
    let instruction = instruction(&line, ESCAPE)?;
    match instruction.command.keyword() {
        Keyword::OnBuild => Err(DockerfileError::at(at, Problem::ChainedTrigger)),
        keyword @ (Keyword::From | Keyword::Maintainer) => {
            Err(DockerfileError::at(at, Problem::Trigger(keyword.as_str())))
        }
        _ => Ok(Instruction { is_trigger: true, ..instruction }),
    }
}

/// Instructions that change nothing but an image's configuration, and what escapes in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The escape character.
    pub escape: char,
    /// The instructions.
    pub instructions: Vec<Instruction>,
}

impl Changes {
    /// Reads what `docker commit --change` gives. All others are refused.
    pub fn parse(changes: &[String]) -> Result<Self, DockerfileError> {
        let Source { directives, lines } = read(&changes.join("\n"))?;
        let escape = directives.escape;
        for line in &lines {
            let name = line.text().first_word().0;
            if !Keyword::of(name.as_str()).is_some_and(|keyword| CHANGES.contains(&keyword)) {
                return Err(name.error(Problem::NotAChange(name.word().text)));
            }
        }
        let instructions = lines.iter().map(|line| instruction(line, escape));
        Ok(Self { escape, instructions: instructions.collect::<Result<_, _>>()? })
    }
}
