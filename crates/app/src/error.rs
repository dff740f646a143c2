//! What can go wrong behind the window, and what to advise.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use naru_error::ErrorKind;
use naru_ipc::{Hint, IpcError};
use naru_machine::{ExitReport, Hint as MachineHint, MachineError};
use naru_protocol::handshake::Mismatch;
use naru_transport::TransportError;

use crate::at_registry;

/// What the guest's init puts before an error on its console.
const GUEST_ERROR: &str = "init: error: ";

/// Any failure of the app.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The platform names no home directory for this user.
    #[error("this user has no home directory")]
    NoHome,
    /// Nobody says where kernel and initramfs are.
    #[error("the machine's image is not installed")]
    NoVmImages,
    /// A file could not be worked with.
    #[error("cannot {action} {path}", path = path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The settings file is not what Naru writes.
    #[error("the settings in {path} cannot be understood", path = path.display())]
    BrokenSettings {
        /// The file.
        path: PathBuf,
        /// Where it goes wrong.
        source: serde_json::Error,
    },
    /// A setting that cannot work.
    #[error("the setting {setting} is refused: {reason}")]
    InvalidSetting {
        /// The setting's name.
        setting: &'static str,
        /// Why.
        reason: String,
    },
    /// Nothing in the settings is called so.
    #[error("there is no setting {name:?}")]
    NoSetting {
        /// As it was asked for.
        name: String,
    },
    /// A value of another type than the setting's.
    #[error("the setting {name} is refused")]
    SettingValue {
        /// The setting's name.
        name: String,
        /// What would be right.
        source: serde_json::Error,
    },
    /// The machine is off, and what was asked needs it.
    #[error("the Naru machine is not running")]
    NotRunning,
    /// The machine is on its way up or down.
    #[error("the Naru machine is {doing}; try again when it is done")]
    Busy {
        /// `starting` or `stopping`.
        doing: &'static str,
    },
    /// The start was given up because someone asked to stop.
    #[error("the start was cancelled")]
    StartCancelled,
    /// The machine could not be started, or ended.
    #[error(transparent)]
    Machine(Arc<MachineError>),
    /// The guest switched itself off before its engine ran, and said why.
    #[error("the machine could not start: {reason}")]
    GuestGaveUp {
        /// Its own words.
        reason: String,
    },
    /// The guest switched itself off.
    #[error("the machine switched itself off")]
    PoweredOff,
    /// The machine could not be reached.
    #[error("the machine cannot be reached")]
    Transport(#[source] TransportError),
    /// App and agent are of different versions.
    #[error(transparent)]
    Mismatch(Mismatch),
    /// Something did not happen in time.
    #[error("{what} did not come in time")]
    Deadline {
        /// What was waited for.
        what: &'static str,
    },
    /// A request to the engine broke off.
    #[error("the engine did not answer {path}")]
    Http {
        /// The request's path.
        path: String,
        /// What broke.
        source: hyper::Error,
    },
    /// The engine refused a request.
    #[error("{message}")]
    Refused {
        /// The request's path.
        path: String,
        /// The HTTP status.
        status: u16,
        /// The engine's sentence.
        message: String,
    },
    /// A container that cannot be made anew, since it could not be kept until another one runs.
    #[error("the container {name} is removed when it ends: it cannot be made anew, but run anew")]
    WouldBeGone {
        /// Its name.
        name: String,
    },
    /// A name that no container or image can have.
    #[error("{name:?} is not a valid {what}")]
    InvalidName {
        /// What it should name.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The other side speaks JSON that is not ours.
    #[error("{what} cannot be understood")]
    Garbled {
        /// What was read.
        what: &'static str,
        /// Where it goes wrong.
        source: serde_json::Error,
    },
    /// Docker's API said no, or could not be reached.
    #[error("{}", docker_message(.0))]
    Docker(bollard::errors::Error),
    /// The process that owns the machine said no.
    #[error(transparent)]
    Owner(IpcError),
    /// The process that owns the machine did not answer.
    #[error("the Naru process that owns the machine does not answer")]
    OwnerSilent {
        /// What broke.
        source: io::Error,
    },
    /// The process that owns the machine is ending.
    #[error("the Naru process that owns the machine is ending; try again")]
    OwnerEnded,
    /// The background process ended before it was ready.
    #[error("the background process ended; see {log}", log = log.display())]
    OwnerFailed {
        /// What it said.
        log: PathBuf,
    },
    /// The system refused something that is no file.
    #[error("cannot {action}")]
    System {
        /// What was tried.
        action: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// A stream of this name is open.
    #[error("a stream named {stream_id:?} is open")]
    StreamExists {
        /// The stream's name.
        stream_id: String,
    },
    /// No such terminal is open.
    #[error("no terminal named {stream_id:?} is open")]
    NoTerminal {
        /// The stream's name.
        stream_id: String,
    },
    /// A registry, or the engine for it, said no. What advice fits is seen in its words.
    #[error(transparent)]
    AtRegistry(Box<Self>),
    /// The engine said why in the midst of its work.
    #[error("{message}")]
    Said {
        /// Its sentence.
        message: String,
    },
    /// It should be a file.
    #[error("{path} is not a file", path = path.display())]
    NoFile {
        /// What is there.
        path: PathBuf,
    },
    /// It should be a folder.
    #[error("{path} is not a folder", path = path.display())]
    NoFolder {
        /// What is there.
        path: PathBuf,
    },
    /// A step of a build failed, as the engine says.
    #[error("{message}")]
    BuildFailed {
        /// Its sentence.
        message: String,
    },
    /// The computer has no compose that answers.
    #[error("this computer has no docker compose")]
    NoCompose,
    /// Compose ended in failure.
    #[error("{message}")]
    ComposeFailed {
        /// The last that it said.
        message: String,
    },
    /// Somebody ended a save, load, push, build, or compose.
    #[error("it was cancelled")]
    TransferCancelled,
    /// A container's file was asked for, and it is something else.
    #[error("it is not a regular file")]
    NotAFile,
    /// A file is not what somebody began to change.
    #[error("the file has changed meanwhile")]
    FileChanged,
    /// Somebody ended the pull.
    #[error("the pull was cancelled")]
    PullCancelled,
    /// The container is not running, and what was asked needs it.
    #[error("container {container:?} is not running")]
    ContainerNotRunning {
        /// As it was named.
        container: String,
    },
}

impl AppError {
    /// What sort of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                ErrorKind::NotFound
            }
            Self::NoHome
            | Self::File { .. }
            | Self::Garbled { .. }
            | Self::OwnerFailed { .. }
            | Self::System { .. }
            | Self::Said { .. } => ErrorKind::Internal,
            Self::NoVmImages
            | Self::NoCompose
            | Self::BrokenSettings { .. }
            | Self::NotRunning
            | Self::WouldBeGone { .. }
            | Self::GuestGaveUp { .. }
            | Self::Mismatch(_) => ErrorKind::Precondition,
            Self::InvalidSetting { .. }
            | Self::SettingValue { .. }
            | Self::InvalidName { .. }
            | Self::NoFile { .. }
            | Self::NoFolder { .. }
            | Self::BuildFailed { .. }
            | Self::ComposeFailed { .. }
            | Self::NotAFile => ErrorKind::InvalidArgument,
            Self::AtRegistry(error) => at_registry::kind(error),
            Self::Busy { .. } | Self::ContainerNotRunning { .. } | Self::FileChanged => {
                ErrorKind::Conflict
            }
            Self::StartCancelled | Self::PullCancelled | Self::TransferCancelled => {
                ErrorKind::Cancelled
            }
            Self::Machine(error) => error.kind(),
            Self::Transport(error) => error.kind(),
            Self::Deadline { .. } => ErrorKind::Deadline,
            Self::Http { .. } | Self::OwnerSilent { .. } | Self::OwnerEnded | Self::PoweredOff => {
                ErrorKind::Unavailable
            }
            Self::Refused { status, .. } => kind_of_status(*status),
            Self::Docker(error) => docker_kind(error),
            Self::Owner(error) => kind_named(&error.kind),
            Self::StreamExists { .. } => ErrorKind::AlreadyExists,
            Self::NoTerminal { .. } | Self::NoSetting { .. } => ErrorKind::NotFound,
        }
    }

    /// The same failure of something that took a registry.
    pub(crate) fn at_registry(self) -> Self {
        match self {
            Self::Docker(_) | Self::Refused { .. } | Self::Said { .. } | Self::Deadline { .. } => {
                Self::AtRegistry(Box::new(self))
            }
            error => error,
        }
    }

    /// How QEMU ended, if that is what happened.
    pub(crate) fn exit_report(&self) -> Option<&ExitReport> {
        match self {
            Self::Machine(error) => match &**error {
                MachineError::Died { report } => Some(report),
                _ => None,
            },
            _ => None,
        }
    }

    /// The same failure in the guest's words, if it switched itself off and said why.
    pub(crate) fn in_the_guests_words(self) -> Self {
        let said = self.exit_report().filter(|report| report.code == Some(0)).map(|report| {
            let lines = report.serial_tail.lines();
            let errors = lines.filter_map(|line| line.split_once(GUEST_ERROR));
            errors.map(|(_, error)| error.trim_end()).collect::<Vec<_>>().join("; ")
        });
        match said {
            Some(reason) if !reason.is_empty() => Self::GuestGaveUp { reason },
            _ => self,
        }
    }

    /// Advice that fits.
    pub fn hints(&self) -> Vec<Hint> {
        let hint = match self {
            Self::NoVmImages => Hint::Reinstall,
            Self::NoCompose => Hint::InstallCompose,
            Self::BrokenSettings { .. } => Hint::ResetSettings,
            Self::NotRunning => Hint::StartMachine,
            Self::AtRegistry(error) => return at_registry::hints(error),
            Self::Mismatch(_) => Hint::RestartMachine,
            Self::GuestGaveUp { .. } => Hint::ReadConsole,
            Self::Machine(error) => {
                let mut hints: Vec<_> =
                    error.hints().into_iter().map(|hint| of_machine(hint, error)).collect();
                // The machine has one for each operating system where the window has one.
                hints.dedup();
                return hints;
            }
            Self::Owner(error) => return error.hints.clone(),
            _ => return Vec::new(),
        };
        vec![hint]
    }
}

/// The machine's advice as the window and the command have words for it.
fn of_machine(hint: MachineHint, error: &MachineError) -> Hint {
    match (hint_of(hint), error) {
        (Hint::InstallQemu, MachineError::QemuTooOld { .. }) => Hint::UpgradeQemu,
        (hint, _) => hint,
    }
}

/// The same where there is no error that it goes with.
pub(crate) fn hint_of(hint: MachineHint) -> Hint {
    match hint {
        MachineHint::InstallQemuLinux
        | MachineHint::InstallQemuMacOs
        | MachineHint::InstallQemuWindows => Hint::InstallQemu,
        MachineHint::SetQemuPath => Hint::CheckSettings,
        MachineHint::JoinKvmGroup => Hint::JoinKvmGroup,
        MachineHint::QuitOtherInstance => Hint::CloseOtherInstance,
        MachineHint::FreeDiskSpace => Hint::FreeDiskSpace,
        MachineHint::ReduceResources => Hint::LessMemory,
        MachineHint::ReadSerialLog => Hint::ReadConsole,
        MachineHint::Reinstall => Hint::Reinstall,
    }
}

/// Not a cause: its words are the message.
impl From<bollard::errors::Error> for AppError {
    fn from(error: bollard::errors::Error) -> Self {
        Self::Docker(error)
    }
}

impl From<AppError> for IpcError {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Owner(error) => error,
            error => Self {
                kind: error.kind().as_str().to_owned(),
                message: naru_error::chain(&error),
                hints: error.hints(),
            },
        }
    }
}

/// The kind of this name; an unknown one is a newer Naru's and counts as internal.
pub fn kind_named(name: &str) -> ErrorKind {
    const ALL: [ErrorKind; 12] = [
        ErrorKind::NotFound,
        ErrorKind::InvalidArgument,
        ErrorKind::Conflict,
        ErrorKind::AlreadyExists,
        ErrorKind::Precondition,
        ErrorKind::Unavailable,
        ErrorKind::Unauthorized,
        ErrorKind::Forbidden,
        ErrorKind::Unsupported,
        ErrorKind::Cancelled,
        ErrorKind::Deadline,
        ErrorKind::Internal,
    ];
    ALL.into_iter().find(|kind| kind.as_str() == name).unwrap_or(ErrorKind::Internal)
}

/// The engine's words without bollard's own around them.
fn docker_message(error: &bollard::errors::Error) -> String {
    use bollard::errors::Error as Docker;
    match error {
        Docker::DockerResponseServerError { message, .. } => message.clone(),
        Docker::DockerStreamError { error } => error.clone(),
        error => error.to_string(),
    }
}

fn docker_kind(error: &bollard::errors::Error) -> ErrorKind {
    use bollard::errors::Error as Docker;
    match error {
        Docker::DockerResponseServerError { status_code, .. } => kind_of_status(*status_code),
        Docker::RequestTimeoutError => ErrorKind::Deadline,
        Docker::SocketNotFoundError(_)
        | Docker::HyperLegacyError { .. }
        | Docker::HyperResponseError { .. }
        | Docker::IOError { .. } => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    }
}

fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        400 => ErrorKind::InvalidArgument,
        401 => ErrorKind::Unauthorized,
        403 => ErrorKind::Forbidden,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        501 => ErrorKind::Unsupported,
        503 => ErrorKind::Unavailable,
        504 => ErrorKind::Deadline,
        _ => ErrorKind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use bollard::errors::Error as Docker;

    use super::*;

    #[test]
    fn the_engines_sentence_arrives_as_it_was_said() {
        let error = AppError::from(Docker::DockerResponseServerError {
            status_code: 404,
            message: "No such image: nope:latest".to_owned(),
        });
        let error = IpcError::from(error);
        assert_eq!(error.kind, "not_found");
        assert_eq!(error.message, "No such image: nope:latest");
    }

    #[test]
    fn a_guest_that_gives_up_is_quoted_and_one_that_dies_is_not() {
        let died = |code| {
            let report = ExitReport {
                code,
                signal: None,
                accelerator_failed: false,
                stderr_tail: String::new(),
                serial_tail: "[ 5.1] init: error: no disk\r\n[ 5.2] init: error: put it back\r\n\
                    [ 5.3] init: power off\r\n"
                    .to_owned(),
            };
            AppError::from(Arc::new(MachineError::Died { report })).in_the_guests_words()
        };
        assert_eq!(died(Some(0)).to_string(), "the machine could not start: no disk; put it back");
        assert!(matches!(died(Some(1)), AppError::Machine(_)));
    }

    #[test]
    fn an_owners_error_passes_through_unchanged() {
        let said = IpcError::new(ErrorKind::Unsupported, "no QEMU").with_hint(Hint::InstallQemu);
        let error = AppError::Owner(said.clone());
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(IpcError::from(error), said);
    }
}
