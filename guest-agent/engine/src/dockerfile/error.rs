//! What is wrong with an instruction, in Docker's words.

use naru_error::ErrorKind;
use thiserror::Error;

/// An instruction that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DockerfileError {
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
    /// A name is empty.
    #[error("{0} names can not be blank")]
    BlankName(&'static str),
    /// A word among names and values is neither.
    #[error("Syntax error - can't find = in {0:?}. Must be of the form: name=value")]
    NoEquals(String),
    /// A list has something else than texts in it.
    #[error("when using JSON array syntax, arrays must be comprised of strings only")]
    NotStrings,
    /// The instruction has no such flag.
    #[error("unknown flag: {0}")]
    UnknownFlag(String),
    /// The flag has no value.
    #[error("missing a value on flag: {0}")]
    FlagWithoutValue(String),
    /// A flag's value cannot be read.
    #[error("invalid value for flag {name}: {value:?}")]
    FlagValue {
        /// The flag's name.
        name: &'static str,
        /// Its value.
        value: String,
    },
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
    Trigger(String),
    /// It is no port.
    #[error("Invalid containerPort: {0}")]
    Port(String),
    /// It is no protocol.
    #[error("Invalid proto: {0}")]
    Protocol(String),
    /// It is no signal.
    #[error("Invalid signal: {0}")]
    Signal(String),
    /// A volume without a path.
    #[error("VOLUME specified can not be an empty string")]
    EmptyVolume,
    /// A working directory without a path.
    #[error("cannot normalize nothing")]
    EmptyWorkdir,
    /// A quote or brace that is not closed.
    #[error("unexpected end of statement while looking for matching {0}")]
    Unclosed(&'static str),
    /// `${` without its end.
    #[error("syntax error: missing '}}'")]
    UnclosedSubstitution,
    /// A `${name…}` that is not known.
    #[error("unsupported modifier ({0}) in substitution")]
    Modifier(String),
    /// `${name:?message}` of a variable that is not set.
    #[error("{name}: {message}")]
    Unset {
        /// The variable.
        name: String,
        /// What its author says.
        message: String,
    },
}

impl DockerfileError {
    /// The kind that the HTTP status derives from: it is always the client's text.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidArgument
    }
}
