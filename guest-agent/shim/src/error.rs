//! What can go wrong with the shim itself; what goes wrong with the process is an event.

use std::io;

use naru_error::ErrorKind;

/// Why a shim gave up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShimError {
    /// The engine went away before it had said what to run.
    #[error("the engine sent no configuration")]
    NoConfiguration,
    /// The engine's configuration is not understood.
    #[error("the configuration is not understood")]
    Configuration(#[source] serde_json::Error),
    /// A system call failed.
    #[error("cannot {operation}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The kernel's reason.
        source: io::Error,
    },
}

impl ShimError {
    /// What sort of error this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoConfiguration => ErrorKind::Cancelled,
            Self::Configuration(_) => ErrorKind::InvalidArgument,
            Self::Io { .. } => ErrorKind::Internal,
        }
    }
}

/// Names the operation that failed.
pub(crate) trait Context<T> {
    fn context(self, operation: &'static str) -> Result<T, ShimError>;
}

impl<T, E: Into<io::Error>> Context<T> for Result<T, E> {
    fn context(self, operation: &'static str) -> Result<T, ShimError> {
        self.map_err(|error| ShimError::Io { operation, source: error.into() })
    }
}
