//! What can go wrong, on either side of the fork.

use std::error::Error;
use std::fmt;
use std::io;

use naru_error::ErrorKind;
use rustix::io::Errno as RustixErrno;
use serde::{Deserialize, Serialize};

/// A `Result` of this crate.
pub(crate) type Result<T> = std::result::Result<T, RuntimeError>;

/// An error number of the kernel; it can cross from the child to its parent.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Errno(i32);

impl Errno {
    /// The number, as `errno.h` has it.
    pub fn raw(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Errno {
    /// The C library's text in lower case and without the number, as `runc` words it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = io::Error::from_raw_os_error(self.0).to_string();
        let text = text.split(" (os error").next().unwrap_or_default();
        formatter.write_str(&text.to_lowercase())
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({self})", self.0)
    }
}

impl Error for Errno {}

impl From<RustixErrno> for Errno {
    fn from(errno: RustixErrno) -> Self {
        Self(errno.raw_os_error())
    }
}

impl From<io::Error> for Errno {
    /// Errors that did not come from the kernel count as `EIO`.
    fn from(error: io::Error) -> Self {
        Self(error.raw_os_error().unwrap_or(libc::EIO))
    }
}

/// Why a container or a process in one could not be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// The specification asks for something that this runtime does not do.
    #[error("{what} is not supported")]
    Unsupported {
        /// The part of the specification.
        what: String,
    },
    /// The specification contradicts itself or the OCI runtime specification.
    #[error("{reason}")]
    Invalid {
        /// What is wrong and where.
        reason: String,
    },
    /// A limit needs a cgroup controller that the host's cgroup v2 tree does not have.
    #[error("{limit} needs the cgroup v2 controller {controller}, which this host does not have")]
    MissingController {
        /// The limit by its name in the specification.
        limit: String,
        /// The controller.
        controller: String,
    },
    /// The program's name has no slash and is in no directory of `PATH`.
    #[error("exec: {program:?}: executable file not found in $PATH")]
    NotInPath {
        /// The first of the process's arguments.
        program: String,
    },
    /// The program's path leads nowhere.
    #[error("exec: {program:?}: stat {program}: no such file or directory")]
    NoSuchProgram {
        /// The first of the process's arguments.
        program: String,
    },
    /// The program's path leads to something that cannot be run.
    #[error("exec: {program:?}: {reason}")]
    NotExecutable {
        /// The first of the process's arguments.
        program: String,
        /// `permission denied`, with what stands before it.
        reason: String,
    },
    /// The kernel refused to run the program.
    #[error("exec {program}: {source}")]
    Exec {
        /// The path that was tried.
        program: String,
        /// The kernel's reason.
        source: Errno,
    },
    /// The process cannot work where it is to; the words are `runc`'s.
    #[error("chdir to cwd ({path:?}) set in config.json failed: {source}")]
    WorkingDirectory {
        /// The directory.
        path: String,
        /// The kernel's reason.
        source: Errno,
    },
    /// A hook could not be run, or ended with an error.
    #[error("{kind} hook {path} failed: {reason}")]
    Hook {
        /// When it is run, in the specification's word.
        kind: String,
        /// The program.
        path: String,
        /// What it said last, or what else is known.
        reason: String,
    },
    /// A step of the set-up failed.
    #[error("{operation} {subject}: {source}")]
    System {
        /// What was tried.
        operation: String,
        /// What it was tried on.
        subject: String,
        /// The kernel's reason.
        source: Errno,
    },
    /// The processes of a cgroup could not be frozen in time.
    #[error("not all processes of the container could be stopped")]
    StillMoving,
    /// The child ended without a word, for example because the OOM killer took it.
    #[error("the container's process ended before it was set up")]
    ChildEnded,
}

impl RuntimeError {
    /// What sort of error this is. A program that is not there is `NotFound`; one that may
    /// not be run is [`Self::is_permission_denied`].
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unsupported { .. } | Self::MissingController { .. } => ErrorKind::Unsupported,
            Self::NotInPath { .. } | Self::NoSuchProgram { .. } => ErrorKind::NotFound,
            Self::Exec { source, .. } | Self::WorkingDirectory { source, .. }
                if source.raw() == libc::ENOENT =>
            {
                ErrorKind::NotFound
            }
            Self::WorkingDirectory { .. }
            | Self::Invalid { .. }
            | Self::NotExecutable { .. }
            | Self::Exec { .. } => ErrorKind::InvalidArgument,
            Self::Hook { .. } | Self::System { .. } | Self::StillMoving | Self::ChildEnded => {
                ErrorKind::Internal
            }
        }
    }

    /// Whether there is no such program, or no such directory for it (a shell would end with
    /// status 127).
    pub fn is_program_not_found(&self) -> bool {
        self.kind() == ErrorKind::NotFound
    }

    /// Whether the program is there and cannot be run (a shell would end with status 126).
    pub fn is_permission_denied(&self) -> bool {
        match self {
            Self::NotExecutable { .. } => true,
            Self::Exec { source, .. } => source.raw() != libc::ENOENT,
            Self::WorkingDirectory { source, .. } => source.raw() == libc::EACCES,
            _ => false,
        }
    }

    /// Whether the program is there, and the kernel knows nobody who runs one of its sort.
    pub fn is_format_unknown(&self) -> bool {
        matches!(self, Self::Exec { source, .. } if source.raw() == libc::ENOEXEC)
    }

    /// Whether the program is there, and what is to run it is not.
    pub fn is_interpreter_missing(&self) -> bool {
        matches!(self, Self::Exec { source, .. } if source.raw() == libc::ENOENT)
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }

    pub(crate) fn invalid(reason: impl Into<String>) -> Self {
        Self::Invalid { reason: reason.into() }
    }
}

/// Names the step in which a system call failed.
pub(crate) trait Context<T> {
    /// `operation` is a verb, `subject` what it was done to.
    fn context(self, operation: &str, subject: impl fmt::Display) -> Result<T>;
}

impl<T, E: Into<Errno>> Context<T> for std::result::Result<T, E> {
    fn context(self, operation: &str, subject: impl fmt::Display) -> Result<T> {
        self.map_err(|error| RuntimeError::System {
            operation: operation.to_owned(),
            subject: subject.to_string(),
            source: error.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_number_reads_as_runc_words_it() {
        assert_eq!(Errno(libc::ENOENT).to_string(), "no such file or directory");
        assert_eq!(Errno(libc::EACCES).to_string(), "permission denied");
    }

    #[test]
    fn a_missing_program_is_told_from_one_that_cannot_be_run() {
        let missing = RuntimeError::NotInPath { program: "foo".to_owned() };
        assert_eq!(missing.to_string(), "exec: \"foo\": executable file not found in $PATH");
        assert!(missing.is_program_not_found() && !missing.is_permission_denied());

        let denied = RuntimeError::NotExecutable {
            program: "/etc/passwd".to_owned(),
            reason: "permission denied".to_owned(),
        };
        assert_eq!(denied.to_string(), "exec: \"/etc/passwd\": permission denied");
        assert!(denied.is_permission_denied() && !denied.is_program_not_found());
    }

    #[test]
    fn an_error_survives_the_way_from_child_to_parent() -> anyhow::Result<()> {
        let error = RuntimeError::System {
            operation: "mount".to_owned(),
            subject: "/proc".to_owned(),
            source: Errno(libc::EPERM),
        };
        let text = serde_json::to_string(&error)?;
        assert_eq!(serde_json::from_str::<RuntimeError>(&text)?, error);
        Ok(())
    }
}
