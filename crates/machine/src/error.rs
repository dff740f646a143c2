//! What can go wrong with the machine, and what a person can do about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use naru_error::ErrorKind;

use crate::life::ExitReport;
use crate::qemu::locate::QemuVersion;

/// Advice that goes with an error. Window and command line choose the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hint {
    /// `apt install qemu-system`, or the distribution's like.
    InstallQemuLinux,
    /// `brew install qemu`.
    InstallQemuMacOs,
    /// The installer of qemu.org, or `winget install qemu`.
    InstallQemuWindows,
    /// The QEMU program can be named in the settings.
    SetQemuPath,
    /// The user has to be in the group that owns `/dev/kvm`.
    JoinKvmGroup,
    /// Another program of this user runs the machine; quit it or use it.
    QuitOtherInstance,
    /// The disk is full.
    FreeDiskSpace,
    /// Give the machine less memory or fewer processors.
    ReduceResources,
    /// The serial log says what the machine did last.
    ReadSerialLog,
    /// The app's files are incomplete; install it again.
    Reinstall,
}

/// A failure to make the machine run.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// No QEMU on this computer, or not where the setting says.
    #[error("cannot find {program} in {}", .searched.join(", "))]
    QemuMissing {
        /// The file name looked for.
        program: String,
        /// Where.
        searched: Vec<String>,
    },
    /// QEMU is there but does not say its version.
    #[error("{} is not a usable QEMU: {reason}", .program.display())]
    QemuUnusable {
        /// The program.
        program: PathBuf,
        /// What it did instead.
        reason: String,
    },
    /// QEMU is older than what Naru was made for.
    #[error("{} is QEMU {found}, but {needed} or later is needed", .program.display())]
    QemuTooOld {
        /// The program.
        program: PathBuf,
        /// Its version.
        found: QemuVersion,
        /// The oldest that will do.
        needed: QemuVersion,
    },
    /// A value of the specification is out of its bounds.
    #[error("the machine's {field} cannot be {value}: {reason}")]
    InvalidSpec {
        /// Which value.
        field: &'static str,
        /// What it was.
        value: String,
        /// The bound.
        reason: String,
    },
    /// A file of the VM image is not there.
    #[error("the machine's {what} is missing at {}", .path.display())]
    ImageMissing {
        /// Kernel, initramfs or disk template.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
    },
    /// Another process holds the disk.
    #[error("the machine is already running{}", .pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    AlreadyRunning {
        /// The process that holds the lock, if it left its number.
        pid: Option<u32>,
    },
    /// The computer's disk has no room.
    #[error("no space left for the machine's disk {}", .path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// A file of the machine could not be handled.
    #[error("cannot {operation} {}", .path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// QEMU could not be executed.
    #[error("cannot start {}", .program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// QEMU runs but its monitor does not answer.
    #[error("QEMU's monitor does not answer within {} s", .waited.as_secs())]
    MonitorSilent {
        /// How long it was given.
        waited: Duration,
    },
    /// QEMU's monitor refused or broke.
    #[error("QEMU's monitor failed")]
    Monitor {
        /// What it said.
        source: qapi::ExecuteError,
    },
    /// The machine ended when it should run.
    #[error("the machine ended unexpectedly: {report}")]
    Died {
        /// All that is known about it.
        report: ExitReport,
    },
    /// The request does not fit what the machine is doing.
    #[error("the start was given up because the machine was stopped")]
    Cancelled,
}

impl MachineError {
    /// Which of the closed set of kinds this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::QemuMissing { .. } | Self::QemuTooOld { .. } | Self::QemuUnusable { .. } => {
                ErrorKind::Precondition
            }
            Self::InvalidSpec { .. } => ErrorKind::InvalidArgument,
            Self::ImageMissing { .. } => ErrorKind::NotFound,
            Self::AlreadyRunning { .. } => ErrorKind::Conflict,
            Self::File { .. } | Self::Spawn { .. } | Self::Monitor { .. } => ErrorKind::Internal,
            Self::MonitorSilent { .. } => ErrorKind::Deadline,
            Self::DiskFull { .. } | Self::Died { .. } => ErrorKind::Unavailable,
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }

    /// What the user can do.
    pub fn hints(&self) -> Vec<Hint> {
        let install = if cfg!(windows) {
            Hint::InstallQemuWindows
        } else if cfg!(target_os = "macos") {
            Hint::InstallQemuMacOs
        } else {
            Hint::InstallQemuLinux
        };
        match self {
            Self::QemuMissing { .. } | Self::QemuTooOld { .. } | Self::QemuUnusable { .. } => {
                vec![install, Hint::SetQemuPath]
            }
            Self::AlreadyRunning { .. } => vec![Hint::QuitOtherInstance],
            Self::DiskFull { .. } => vec![Hint::FreeDiskSpace],
            Self::ImageMissing { .. } => vec![Hint::Reinstall],
            Self::Died { report } if report.is_out_of_memory() => vec![Hint::ReduceResources],
            Self::Died { .. } | Self::MonitorSilent { .. } => vec![Hint::ReadSerialLog],
            Self::InvalidSpec { .. }
            | Self::File { .. }
            | Self::Spawn { .. }
            | Self::Monitor { .. }
            | Self::Cancelled => Vec::new(),
        }
    }

    /// A file operation's failure; a full disk is told apart.
    pub(crate) fn file(operation: &'static str, path: &std::path::Path, source: io::Error) -> Self {
        if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return Self::DiskFull { path: path.to_path_buf() };
        }
        Self::File { operation, path: path.to_path_buf(), source }
    }
}
