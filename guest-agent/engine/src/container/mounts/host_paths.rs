//! Which paths of the host there are where the engine runs.
//!
//! In the VM a path that a client knows from its host means another place, or none. Only two
//! things are known to be meant: the machine's own files, and the socket of the Docker API, which
//! is the engine's own whatever the host calls it.

use std::path::{Path, PathBuf};

use bollard_stubs::models::HostConfig;

use crate::args::Mode;
use crate::engine::Engine;
use crate::error::{EngineError, Result};

/// Where hosts keep what their users work on; a directory of this name in the machine is not it.
const OF_HOSTS: [&str; 8] =
    ["/Users", "/home", "/mnt", "/Volumes", "/media", "/host_mnt", "/private", "/run/desktop"];

/// The names by which Docker's clients know the socket of any engine.
const SOCKETS: [&str; 3] = ["/var/run/docker.sock", "/run/docker.sock", "/var/run/docker.sock.raw"];

/// Refuses in the VM what is the host's, or nobody's.
pub(crate) fn refuse_unshared(mode: Mode, path: &Path) -> Result<()> {
    if mode == Mode::Native || (!is_of_hosts(path) && path.exists()) {
        return Ok(());
    }
    Err(EngineError::Invalid(format!(
        "Mounts denied: the path {} is not shared from the host and is not known to Naru's \
         machine: folders of the host cannot be shared with it yet, so use a volume, or docker cp",
        path.display()
    )))
}

fn is_of_hosts(path: &Path) -> bool {
    OF_HOSTS.iter().any(|top| path.starts_with(top))
}

/// Whether a source is written as Windows writes its paths: `C:\Users`, `\\nas\x`.
fn is_of_windows(source: &str) -> bool {
    let start = source.as_bytes();
    let has_drive =
        matches!(start, [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic());
    has_drive || source.starts_with("\\\\")
}

/// Refuses in the VM paths of Windows, which would be read as something else.
pub(super) fn refuse_windows(mode: Mode, host_config: &HostConfig) -> Result<()> {
    let mounts = host_config.mounts.iter().flatten();
    let mounts = mounts.filter_map(|mount| mount.source.as_ref());
    let binds = host_config.binds.iter().flatten();
    match binds.chain(mounts).find(|source| mode == Mode::Vm && is_of_windows(source)) {
        Some(source) => refuse_unshared(mode, Path::new(source)),
        None => Ok(()),
    }
}

impl Engine {
    /// Where a bind's source is for the kernel. The engine's own socket is there under each of
    /// its usual names, unless there is another's natively.
    pub(crate) fn bind_source(&self, source: &Path) -> PathBuf {
        if self.means_own_socket(source) {
            self.own_socket().map_or_else(|| source.to_owned(), Path::to_owned)
        } else {
            source.to_owned()
        }
    }

    pub(super) fn means_own_socket(&self, source: &Path) -> bool {
        let has_usual_name = SOCKETS.iter().any(|name| source == Path::new(name));
        match self.mode() {
            Mode::Native => has_usual_name && !source.exists(),
            // Hosts have it in directories of their own, and under a pipe's name.
            Mode::Vm => {
                let is_named_so = source.file_name().is_some_and(|name| name == "docker.sock");
                let is_pipe = source.starts_with("/pipe");
                let is_there = source.exists() && !is_of_hosts(source);
                has_usual_name || ((is_named_so || is_pipe) && !is_there)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_machines_own_files_are_there_in_it() {
        for path in ["/home/me/project", "/Users/me", "/mnt/c/x", "/nosuch/path"] {
            let error = refuse_unshared(Mode::Vm, Path::new(path)).unwrap_err().to_string();
            assert!(
                error.contains(&format!("the path {path} is not shared from the host")),
                "{error}"
            );
            refuse_unshared(Mode::Native, Path::new(path)).unwrap();
        }
        refuse_unshared(Mode::Vm, Path::new("/etc")).unwrap();
        // Not a directory of a user's.
        refuse_unshared(Mode::Vm, Path::new("/proc/self")).unwrap();
    }

    #[test]
    fn paths_of_windows_are_told_by_their_form() {
        for path in ["C:\\Users\\me", "c:/Users", "\\\\nas\\share"] {
            assert!(is_of_windows(path), "{path}");
        }
        for path in ["/c/Users", "//var/run/docker.sock", "c", "data", "C:"] {
            assert!(!is_of_windows(path), "{path}");
        }
    }
}
