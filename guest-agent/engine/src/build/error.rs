//! What can go wrong in a build.

use std::error::Error;
use std::fmt::{self, Display, Formatter};

use naru_dockerfile::DockerfileError;
use naru_error::ErrorKind;
use naru_image_store::ImageError;

use super::context::ContextError;
use super::copy::CopyError;
use crate::error::EngineError;

/// A build that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The Dockerfile makes no sense. The message says all of it, so that this is no source.
    #[error("{}", .0.message())]
    Dockerfile(DockerfileError),
    /// An instruction could not be carried out.
    #[error(transparent)]
    Instruction(Box<FailedInstruction>),
    /// A program ended in failure; the words are those of Docker's classic builder.
    #[error("The command '{command}' returned a non-zero code: {code}")]
    Exit {
        /// What was run.
        command: String,
        /// The exit status, or 128 and the signal's number.
        code: i32,
        /// The last that it wrote.
        output: String,
    },
    /// The client has gone, or wants it no more.
    #[error("the build was cancelled")]
    Cancelled,
    /// What is asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// What is asked for is not there.
    #[error("{0}")]
    NotFound(String),
    /// Docker or BuildKit know it, this builder does not.
    #[error("{0}")]
    Unsupported(String),
    /// The client's side of it failed: its files, its secrets.
    #[error("{0}")]
    Client(String),
    /// The context cannot be had.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// Files cannot be copied.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The engine failed.
    #[error(transparent)]
    Engine(Box<EngineError>),
}

/// An instruction that failed, and where it stands. It says what its cause says.
#[derive(Debug)]
pub struct FailedInstruction {
    /// Its first and its last line, from 1.
    pub lines: (u32, u32),
    /// The instruction, its lines put together.
    pub text: String,
    /// Why.
    pub cause: BuildError,
}

impl Display for FailedInstruction {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.cause, formatter)
    }
}

impl Error for FailedInstruction {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

impl BuildError {
    /// The exit code of the program that failed, if one did.
    pub fn exit_code(&self) -> Option<i32> {
        match self {
            Self::Exit { code, .. } => Some(*code),
            Self::Instruction(failed) => failed.cause.exit_code(),
            _ => None,
        }
    }

    /// The kind that the HTTP status derives from.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Dockerfile(error) => error.kind(),
            Self::Instruction(failed) => failed.cause.kind(),
            Self::Exit { .. } | Self::Invalid(_) | Self::Client(_) => ErrorKind::InvalidArgument,
            Self::Cancelled => ErrorKind::Cancelled,
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::Unsupported(_) => ErrorKind::Unsupported,
            Self::Context(error) => error.kind(),
            Self::Copy(error) => error.kind(),
            Self::Engine(error) => error.kind(),
        }
    }
}

impl From<DockerfileError> for BuildError {
    fn from(error: DockerfileError) -> Self {
        Self::Dockerfile(error)
    }
}

impl From<EngineError> for BuildError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Build(error) => error,
            EngineError::Dockerfile(error) => Self::Dockerfile(error),
            error => Self::Engine(Box::new(error)),
        }
    }
}

impl From<ImageError> for BuildError {
    fn from(error: ImageError) -> Self {
        Self::Engine(Box::new(error.into()))
    }
}
