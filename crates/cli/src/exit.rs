//! How a failure leaves the process: one sentence, what to do, and a status.

use std::io::{self, Write};
use std::process::ExitCode;

use naru_error::ErrorKind;
use naru_ipc::IpcError;

/// Prints the error with its advice on standard error and gives the exit status.
pub(crate) fn failed(error: &IpcError) -> ExitCode {
    let mut stderr = io::stderr().lock();
    // There is nowhere left to complain to when this fails.
    drop(writeln!(stderr, "naru: {}", error.message));
    for advice in error.hints.iter().filter_map(|hint| advice(hint)) {
        drop(writeln!(stderr, "      {advice}"));
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
        ErrorKind::Precondition => 5,
        ErrorKind::Unavailable => 6,
        ErrorKind::Unauthorized => 7,
        ErrorKind::Unsupported => 8,
        ErrorKind::Deadline => 124,
        ErrorKind::Cancelled => 130,
    }
}

/// What a hint says to somebody at a terminal; a hint for the window alone says nothing.
fn advice(hint: &str) -> Option<&'static str> {
    match hint {
        "start-machine" => Some("Start it with `naru start`."),
        "restart-machine" => Some("Run `naru stop`, then `naru start`."),
        "restart-naru" => Some("Quit all of Naru, also its window, and start it again."),
        "install-qemu" => Some("Install QEMU 7.2 or later (Debian: apt install qemu-system-x86)."),
        "reinstall" => Some("Reinstall Naru, or set NARU_VM_IMAGES to the image's directory."),
        "reset-settings" => Some("Correct or remove the file; Naru then uses its defaults."),
        _ => None,
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
