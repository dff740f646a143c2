//! Which file a command names, as the container's user sees it.

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{Access, AtFlags, CWD, FileType, accessat, stat};
use rustix::io::Errno as RustixErrno;

use crate::error::{Errno, Result, RuntimeError};

/// A program that can most likely be run.
#[derive(Debug)]
pub(crate) struct Program {
    path: CString,
}

impl Program {
    /// Finds a command: a name with a slash is a path, any other is looked for in the
    /// directories of the environment's `PATH`. The rules and the wording are those of Go's
    /// `exec.LookPath`, which `runc` uses and whose messages clients know.
    pub(crate) fn find(command: &CStr, environment: &[CString]) -> Result<Self> {
        let program = || command.to_string_lossy().into_owned();
        if command.to_bytes().contains(&b'/') {
            return check(command)
                .map(|()| Self { path: command.to_owned() })
                .map_err(|error| error.about(program()));
        }
        let path =
            environment.iter().rev().find_map(|entry| entry.to_bytes().strip_prefix(b"PATH="));
        let mut denied = false;
        for directory in path.unwrap_or_default().split(|byte| *byte == b':') {
            let directory = if directory.is_empty() { b"." } else { directory };
            let candidate = [directory, b"/", command.to_bytes()].concat();
            let Ok(candidate) = CString::new(candidate) else { continue };
            match check(&candidate) {
                Ok(()) => return Ok(Self { path: candidate }),
                Err(Obstacle::Denied) => denied = true,
                Err(Obstacle::Missing | Obstacle::Directory) => {}
            }
        }
        Err(if denied {
            Obstacle::Denied.about(program())
        } else {
            RuntimeError::NotInPath { program: program() }
        })
    }

    pub(crate) fn path(&self) -> &CStr {
        &self.path
    }

    /// The error for a program that looked runnable and that the kernel did not run.
    pub(crate) fn refused(&self, source: Errno) -> RuntimeError {
        let program = OsStr::from_bytes(self.path.to_bytes()).to_string_lossy().into_owned();
        RuntimeError::Exec { program, source }
    }
}

/// Why a file cannot be run.
enum Obstacle {
    Missing,
    Denied,
    Directory,
}

impl Obstacle {
    fn about(&self, program: String) -> RuntimeError {
        let reason = match self {
            Self::Missing => return RuntimeError::NoSuchProgram { program },
            Self::Denied => "permission denied",
            Self::Directory => "is a directory: permission denied",
        };
        RuntimeError::NotExecutable { program, reason: reason.to_owned() }
    }
}

fn check(path: &CStr) -> std::result::Result<(), Obstacle> {
    let obstacle = |errno| match errno {
        RustixErrno::ACCESS | RustixErrno::PERM => Obstacle::Denied,
        _ => Obstacle::Missing,
    };
    let found = stat(path).map_err(obstacle)?;
    if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
        return Err(Obstacle::Directory);
    }
    // Root may "execute" a file in the eyes of access(2) only if some execute bit is set.
    accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS).map_err(obstacle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(command: &CStr, path: &str) -> Result<CString> {
        let environment = [CString::new(format!("PATH={path}")).unwrap_or_default()];
        Program::find(command, &environment).map(|program| program.path)
    }

    #[test]
    fn a_name_is_looked_for_in_path() {
        assert_eq!(find(c"sh", "/nowhere:/bin"), Ok(c"/bin/sh".to_owned()));
        let missing = find(c"no-such-thing", "/bin").map_err(|error| error.to_string());
        let expected = "exec: \"no-such-thing\": executable file not found in $PATH";
        assert_eq!(missing, Err(expected.to_owned()));
    }

    #[test]
    fn a_path_is_taken_as_it_is() {
        assert_eq!(find(c"/bin/sh", ""), Ok(c"/bin/sh".to_owned()));
        let missing = find(c"/x", "/bin").map_err(|error| error.to_string());
        assert_eq!(missing, Err("exec: \"/x\": stat /x: no such file or directory".to_owned()));
    }

    #[test]
    fn what_cannot_be_run_is_denied() {
        let denied = find(c"/etc/passwd", "").map_err(|error| error.to_string());
        assert_eq!(denied, Err("exec: \"/etc/passwd\": permission denied".to_owned()));
        let directory = find(c"/etc", "").map_err(|error| error.to_string());
        assert_eq!(directory, Err("exec: \"/etc\": is a directory: permission denied".to_owned()));
    }
}
