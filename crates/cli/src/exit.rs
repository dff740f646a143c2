//! How a failure leaves the process: one sentence, what to do, and a status.

use std::io::{self, Write};
use std::process::ExitCode;

use naru_error::ErrorKind;
use naru_ipc::{Hint, IpcError};

/// Prints the error with its advice on standard error and gives the exit status.
pub(crate) fn failed(error: &IpcError) -> ExitCode {
    let mut stderr = io::stderr().lock();
    // There is nowhere left to complain to when this fails.
    drop(writeln!(stderr, "naru: {}", error.message));
    for hint in &error.hints {
        drop(writeln!(stderr, "      {}", advice(*hint)));
    }
    ExitCode::from(code(naru_app::kind_named(&error.kind)))
}

/// The exit status of each kind. 2 is also what a wrong command line gives.
fn code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Internal => 1,
        ErrorKind::InvalidArgument => 2,
        ErrorKind::NotFound => 3,
        ErrorKind::Conflict | ErrorKind::AlreadyExists => 4,
        ErrorKind::Precondition | ErrorKind::Forbidden => 5,
        ErrorKind::Unavailable => 6,
        ErrorKind::Unauthorized => 7,
        ErrorKind::Unsupported => 8,
        ErrorKind::Deadline => 124,
        ErrorKind::Cancelled => 130,
    }
}

/// What a hint says to somebody at a terminal.
pub(crate) fn advice(hint: Hint) -> &'static str {
    match hint {
        Hint::CheckName => "Check the image's name and tag.",
        Hint::CheckNetwork => "Check the network, the registry's address and the proxy.",
        Hint::CheckSettings => "See the machine's settings.",
        Hint::CloseOtherInstance => "Another Naru uses this disk: use that one, or end it first.",
        Hint::FreeDiskSpace => "Free some disk space and try again.",
        Hint::InstallCompose if cfg!(target_os = "macos") => {
            "Install docker compose: brew install docker-compose."
        }
        Hint::InstallCompose if cfg!(windows) => {
            "Install docker compose: winget install --id Docker.DockerCompose."
        }
        Hint::InstallCompose => {
            "Install docker compose 2 or later (Debian 13: apt install docker-compose, Ubuntu: apt install docker-compose-v2, Fedora: dnf install docker-compose)."
        }
        Hint::InstallQemu => "Install QEMU 7.2 or later (Debian: apt install qemu-system-x86).",
        Hint::JoinKvmGroup => {
            "For hardware acceleration, join the group kvm: usermod -aG kvm USER, then log in again."
        }
        Hint::LessMemory => "Give the machine less memory in its settings.",
        Hint::LogIn => "Log in with `docker login`.",
        Hint::ReadConsole => "`naru logs` shows what the machine said.",
        Hint::Reinstall => "Reinstall Naru, or set NARU_VM_IMAGES to the image's directory.",
        Hint::ResetSettings => "Correct or remove the file; Naru then uses its defaults.",
        Hint::RestartMachine => "Run `naru stop`, then `naru start`.",
        Hint::RestartNaru => "Quit all of Naru, also its window, and start it again.",
        Hint::StartMachine => "Start it with `naru start`.",
        Hint::UpgradeQemu => "Install QEMU 7.2 or later, or name a newer one in the settings.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_failure_looks_like_success() {
        for name in ["internal", "not_found", "unavailable", "a newer kind"] {
            assert_ne!(code(naru_app::kind_named(name)), 0, "{name}");
        }
    }
}
