//! What is wrong with a Dockerfile, in Docker's words.

use naru_error::ErrorKind;
use thiserror::Error;

use crate::keyword::Keyword;
use crate::position::Position;

/// Lines of the Dockerfile that are shown before and after the wrong one.
const EXCERPT: usize = 2;
/// As much is shown of a line: nobody reads on, and it may be all of a program.
const LINE_MAX: usize = 200;
const RULE: &str = "--------------------";

/// A Dockerfile that makes no sense, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{problem}")]
pub struct DockerfileError {
    /// What is wrong.
    pub problem: Problem,
    /// Where it is; none if it is nowhere in the text.
    pub at: Option<Position>,
    /// The instruction that it is in.
    pub keyword: Option<Keyword>,
}

impl DockerfileError {
    pub(crate) fn at(position: Position, problem: Problem) -> Self {
        Self { problem, at: Some(position), keyword: None }
    }

    pub(crate) fn nowhere(problem: Problem) -> Self {
        Self { problem, at: None, keyword: None }
    }

    pub(crate) fn in_instruction(mut self, keyword: Keyword) -> Self {
        self.keyword.get_or_insert(keyword);
        self
    }

    /// The kind that the HTTP status derives from: it is always the client's text.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidArgument
    }

    /// What would have been right.
    pub fn expected(&self) -> Option<&'static str> {
        match self.problem {
            Problem::UnknownInstruction { .. } => Some("an instruction, as COPY or RUN"),
            Problem::NoInstructions | Problem::NoStage => Some(Keyword::From.usage()),
            _ => self.keyword.map(Keyword::usage),
        }
    }

    /// The message as Docker's builder gives it, with the line.
    pub fn message(&self) -> String {
        match self.at {
            Some(Position { line, .. }) => {
                format!("dockerfile parse error on line {line}: {}", self.problem)
            }
            None => self.problem.to_string(),
        }
    }

    /// The message in one line with the column and what was expected, for clients that show the
    /// lines themselves.
    pub fn detailed_message(&self) -> String {
        let at = self.at.map(|at| format!("; at column {}", at.column)).unwrap_or_default();
        let expected = self.expected().map(|expected| format!("; expected: {expected}"));
        format!("{}{at}{}", self.message(), expected.unwrap_or_default())
    }

    /// File, line and column, the lines around with the wrong one marked, and what was expected,
    /// as clients of BuildKit print it.
    pub fn excerpt(&self, file: &str, source: &str) -> String {
        let Some(at) = self.at else { return String::new() };
        let wrong = usize::try_from(at.line).unwrap_or(usize::MAX);
        let first = wrong.saturating_sub(EXCERPT + 1);
        let last = wrong.saturating_add(EXCERPT);
        let lines = (first + 1..=last).zip(source.lines().skip(first)).map(|(number, line)| {
            let mark = if number == wrong { ">>>" } else { "   " };
            let shown: String = line.chars().take(LINE_MAX).collect();
            format!("{number:4} | {mark} {shown}\n")
        });
        let lines: String = lines.collect();
        let expected = self.expected().map(|expected| format!("expected: {expected}\n"));
        let expected = expected.unwrap_or_default();
        format!("{file}:{at}\n{RULE}\n{lines}{RULE}\n{expected}")
    }
}

/// `(did you mean …?)` where something is near.
fn meant(nearest: Option<&String>) -> String {
    nearest.map(|nearest| format!(" (did you mean {nearest}?)")).unwrap_or_default()
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// Nothing is in it.
    #[error("the Dockerfile cannot be empty")]
    Empty,
    /// Nothing but comments is in it.
    #[error("file with no instructions")]
    NoInstructions,
    /// `ARG` only.
    #[error("dockerfile contains no stages to build")]
    NoStages,
    /// An instruction before the first `FROM`.
    #[error("no build stage in current context")]
    NoStage,
    /// A line that no reader of Docker's takes.
    #[error("dockerfile line greater than max allowed size of {0}")]
    LineTooLong(usize),
    /// A directive that is there already.
    #[error("only one {0} parser directive can be used")]
    DirectiveTwice(String),
    /// `# escape=` with something else than the two that there are.
    #[error("invalid escape token '{0}' does not match ` or \\")]
    EscapeToken(String),
    /// `# syntax=` of a language that is not this one.
    #[error("syntax {0} needs a frontend that is not built in: only docker/dockerfile is")]
    Frontend(String),
    /// `# check=` with something that it does not take.
    #[error("failed to parse check options: invalid check option {0:?}")]
    CheckOption(String),
    /// `# check=error=` with something else than yes or no.
    #[error("failed to parse check options: failed to parse check option {0:?}")]
    CheckSwitch(String),
    /// Checks that found something, where that is to be an error.
    #[error("lint violation found for rules: {0}")]
    Checks(String),
    /// A here-document without its end.
    #[error("unterminated heredoc")]
    UnterminatedHeredoc,
    /// A here-document where a path is wanted.
    #[error("{0} cannot accept a heredoc as a destination")]
    HeredocDestination(&'static str),
    /// It is no instruction.
    #[error("unknown instruction: {name}{}", meant(.nearest.as_ref()))]
    UnknownInstruction {
        /// What is written.
        name: String,
        /// What may be meant.
        nearest: Option<String>,
    },
    /// An instruction that does more than change the configuration, or is none.
    #[error("{0} is not a valid change command")]
    NotAChange(String),
    /// It takes one argument.
    #[error("{0} requires exactly one argument")]
    ExactlyOne(&'static str),
    /// It takes arguments.
    #[error("{0} requires at least one argument")]
    AtLeastOne(&'static str),
    /// A name has no value.
    #[error("{0} must have two arguments")]
    TwoArguments(&'static str),
    /// `FROM a b`.
    #[error("FROM requires either one or three arguments")]
    FromArguments,
    /// `COPY a`.
    #[error(
        "{0} requires at least two arguments, but only one was provided. Destination could not be \
         determined"
    )]
    NoDestination(&'static str),
    /// A name is empty.
    #[error("{0} names can not be blank")]
    BlankName(&'static str),
    /// A word among names and values is neither.
    #[error("Syntax error - can't find = in {0:?}. Must be of the form: name=value")]
    NoEquals(String),
    /// A list has something else than texts in it.
    #[error("when using JSON array syntax, arrays must be comprised of strings only")]
    NotStrings,
    /// It takes a list only.
    #[error("{0} requires the arguments to be in JSON form")]
    NotJson(&'static str),
    /// A stage's name that could be taken for something else.
    #[error(
        "invalid name for build stage: {0:?}, name can't start with a number or contain symbols"
    )]
    StageName(String),
    /// The instruction has no such flag.
    #[error("unknown flag: --{name}{}", meant(.nearest.as_ref()))]
    UnknownFlag {
        /// What is written.
        name: String,
        /// What may be meant.
        nearest: Option<String>,
    },
    /// A flag of a newer language.
    #[error("unknown flag: --{name} (Dockerfile syntax {since} has it, and it is not supported)")]
    NewerFlag {
        /// The flag.
        name: String,
        /// The version that has it.
        since: &'static str,
    },
    /// The flag can be given once.
    #[error("duplicate flag specified: --{0}")]
    DuplicateFlag(String),
    /// The flag has no value.
    #[error("missing a value on flag: --{0}")]
    FlagWithoutValue(String),
    /// The flag is neither on nor off.
    #[error("expecting boolean value for flag --{name}, not: {value}")]
    FlagBoolean {
        /// The flag.
        name: String,
        /// Its value.
        value: String,
    },
    /// It is not how long something takes.
    #[error("time: {0}")]
    Duration(String),
    /// Shorter than can be measured.
    #[error("Interval {0:?} cannot be less than 1ms")]
    Interval(&'static str),
    /// Not how often something is tried.
    #[error("strconv.ParseInt: parsing {0:?}: invalid syntax")]
    Number(String),
    /// It cannot be tried less often than never.
    #[error("--retries cannot be negative ({0})")]
    NegativeRetries(i32),
    /// `HEALTHCHECK NONE` with more behind it.
    #[error("HEALTHCHECK NONE takes no arguments")]
    HealthNone,
    /// `HEALTHCHECK CMD` with nothing behind it.
    #[error("Missing command after HEALTHCHECK CMD")]
    HealthWithoutCommand,
    /// Neither `CMD` nor `NONE`.
    #[error("Unknown type {0:?} in HEALTHCHECK (try CMD)")]
    HealthType(String),
    /// A trigger that sets a trigger.
    #[error("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")]
    ChainedTrigger,
    /// An instruction that is no trigger.
    #[error("{0} isn't allowed as an ONBUILD trigger")]
    Trigger(&'static str),
    /// A trigger of an image that is not one instruction.
    #[error("onbuild trigger should be a single expression")]
    TriggerNotSingle,
    /// `RUN --network=…` of a kind that there is not.
    #[error("invalid network mode {0:?}")]
    Network(String),
    /// `RUN --security=…` of a kind that there is not.
    #[error("security {0:?} is not valid")]
    Security(String),
    /// What is wrong with a `RUN --mount`.
    #[error("{message}{}", meant(.nearest.as_ref()))]
    Mount {
        /// What is wrong.
        message: String,
        /// What may be meant.
        nearest: Option<String>,
    },
    /// What `--chmod` does not take.
    #[error("invalid chmod parameter: '{0}'. it should be octal string and between 0 and 07777")]
    Mode(String),
    /// What is wrong with where a repository is.
    #[error("{0}")]
    Git(String),
    /// What is wrong with a port.
    #[error("{0}")]
    Port(String),
    /// A volume without a path.
    #[error("VOLUME specified can not be an empty string")]
    EmptyVolume,
    /// What is wrong with quotes or variables.
    #[error("failed to process {word:?}: {message}")]
    Expansion {
        /// The text with them.
        word: String,
        /// What is wrong.
        message: String,
    },
    /// `FROM` with a variable that says nothing.
    #[error("base name ({0}) should not be blank")]
    BlankBase(String),
    /// `FROM --platform` with a variable that says nothing.
    #[error("empty platform value from expression {word}{}", meant(.nearest.as_ref()))]
    BlankPlatform {
        /// What is written.
        word: String,
        /// The variable that may be meant.
        nearest: Option<String>,
    },
    /// `COPY --from` with a variable.
    #[error(
        "variable expansion is not supported for --from, define a new stage with FROM using ARG \
         from global scope as a workaround"
    )]
    VariableFrom,
    /// A number that no stage has.
    #[error("invalid stage index {0}")]
    StageIndex(String),
    /// No stage has the name.
    #[error("target stage {name:?} could not be found{}", meant(.nearest.as_ref()))]
    Target {
        /// What is asked for.
        name: String,
        /// What may be meant.
        nearest: Option<String>,
    },
    /// A stage that needs itself.
    #[error("circular dependency detected on stage: {0}")]
    Circular(String),
    /// A stage that comes later.
    #[error(
        "cannot copy from stage {from:?}, it needs to be defined before current stage {stage:?}"
    )]
    CopyFromLater {
        /// The later one.
        from: String,
        /// The one that copies.
        stage: String,
    },
    /// A stage that comes later.
    #[error(
        "cannot mount from stage {from:?} to {target:?}, stage needs to be defined before current \
         command"
    )]
    MountFromLater {
        /// The later one.
        from: String,
        /// Where it would be.
        target: String,
    },
    /// A pattern of `.dockerignore` or `--exclude`.
    #[error("syntax error in pattern {0:?}")]
    Pattern(String),
    /// `!` with nothing behind it.
    #[error("illegal exclusion pattern: \"!\"")]
    EmptyExclusion,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_marks_the_line_and_says_what_was_expected() {
        let problem = Problem::ExactlyOne("USER");
        let error = DockerfileError::at(Position { line: 2, column: 1 }, problem)
            .in_instruction(Keyword::User);
        assert_eq!(
            error.message(),
            "dockerfile parse error on line 2: USER requires exactly one argument"
        );
        assert_eq!(
            error.detailed_message(),
            "dockerfile parse error on line 2: USER requires exactly one argument; at column 1; \
             expected: USER <user>[:<group>]"
        );
        assert_eq!(
            error.excerpt("Dockerfile", "FROM x\nUSER\nRUN a\nRUN b\nRUN c\n"),
            "Dockerfile:2:1\n--------------------\n   1 |     FROM x\n   2 | >>> USER\n   3 |     RUN a\n   \
             4 |     RUN b\n--------------------\nexpected: USER <user>[:<group>]\n"
        );
    }

    #[test]
    fn of_a_line_without_an_end_its_beginning_is_shown() {
        let error = DockerfileError::at(Position { line: 1, column: 1 }, Problem::NoStage);
        let excerpt = error.excerpt("Dockerfile", &"x".repeat(1 << 20));
        assert!(excerpt.len() < 2 * LINE_MAX, "{}", excerpt.len());
        let nowhere = DockerfileError::nowhere(Problem::Empty);
        assert_eq!(nowhere.detailed_message(), nowhere.message());
    }
}
