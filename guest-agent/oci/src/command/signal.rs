//! `kill`, `pause`, `resume`.

use nix::libc::SIGKILL;
use nix::sys::signal::Signal;

use crate::error::{OciError, Result};
use crate::process::ProcessId;
use crate::store::{Container, Status, Store};

/// The last signal that exists (`_NSIG`).
const SIGNAL_MAX: i32 = 64;

/// Sends a signal to the first process, or to all.
pub(crate) fn kill(store: &Store, id: &str, signal: &str, all: bool) -> Result<()> {
    let signal = number(signal)?;
    let container = store.find(id)?;
    if all {
        return kill_all(&container, signal);
    }
    container.record.process.ok_or(OciError::NotRunning)?.signal(signal)
}

fn kill_all(container: &Container, signal: i32) -> Result<()> {
    let cgroup = container.cgroup()?;
    if !cgroup.directory().exists() {
        return Ok(());
    }
    if signal == SIGKILL {
        return Ok(cgroup.kill_all()?);
    }
    for process in cgroup.processes()?.into_iter().filter_map(ProcessId::now) {
        match process.signal(signal) {
            // It has ended meanwhile.
            Ok(()) | Err(OciError::NotRunning) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Stops all processes where they are.
pub(crate) fn pause(store: &Store, id: &str) -> Result<()> {
    let container = expect(store, id, "pause", Status::Running)?;
    Ok(container.cgroup()?.freeze()?)
}

/// Lets them go on.
pub(crate) fn resume(store: &Store, id: &str) -> Result<()> {
    let container = expect(store, id, "resume", Status::Paused)?;
    Ok(container.cgroup()?.thaw()?)
}

fn expect(store: &Store, id: &str, operation: &'static str, expected: Status) -> Result<Container> {
    let container = store.find(id)?;
    let status = container.status()?;
    if status == expected {
        return Ok(container);
    }
    Err(OciError::WrongState { operation, id: id.to_owned(), status: status.as_str() })
}

/// A signal by number, or by name with or without `SIG`.
fn number(text: &str) -> Result<i32> {
    let invalid = || OciError::Invalid(format!("unknown signal {text:?}"));
    if let Ok(number) = text.parse::<i32>() {
        return if (0..=SIGNAL_MAX).contains(&number) { Ok(number) } else { Err(invalid()) };
    }
    let name = text.to_uppercase();
    let name = if name.starts_with("SIG") { name } else { format!("SIG{name}") };
    name.parse::<Signal>().map(|signal| signal as i32).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        for text in ["9", "KILL", "SIGKILL", "sigkill"] {
            assert_eq!(number(text).ok(), Some(SIGKILL), "{text}");
        }
        assert_eq!(number("37").ok(), Some(37), "a real-time signal");
        for text in ["65", "-1", "SIGNONSENSE", ""] {
            assert!(number(text).is_err(), "{text}");
        }
    }
}
