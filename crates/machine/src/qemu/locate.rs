//! Finding QEMU, and whether it is new enough.

use std::env::{consts::EXE_SUFFIX, split_paths};
use std::ffi::OsString;
use std::fmt::{Display, Formatter, Result as FmtResult};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::MachineError;
use crate::spec::{Arch, HostOs};

/// How long QEMU may take to print a line about itself.
pub(super) const ASK_DEADLINE: Duration = Duration::from_secs(20);

/// Where package managers put programs that a desktop session's `PATH` lacks.
const USUAL_PLACES: &[(HostOs, &str)] = &[
    (HostOs::Linux, "/usr/bin"),
    (HostOs::MacOs, "/opt/homebrew/bin"),
    (HostOs::MacOs, "/usr/local/bin"),
    (HostOs::MacOs, "/opt/local/bin"),
    (HostOs::Windows, "C:\\Program Files\\qemu"),
];

/// A version of QEMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QemuVersion {
    /// The first number.
    pub major: u32,
    /// The second.
    pub minor: u32,
    /// The third.
    pub micro: u32,
}

impl QemuVersion {
    /// The oldest that Naru is tested with.
    pub const OLDEST: Self = Self { major: 7, minor: 2, micro: 0 };

    /// Reads the first line of `qemu --version`:
    /// `QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)`.
    pub fn parse(output: &str) -> Option<Self> {
        let rest = output.lines().next()?.strip_prefix("QEMU emulator version ")?;
        let number = rest.split(|c: char| c != '.' && !c.is_ascii_digit()).next()?;
        let mut parts = number.split('.').map(str::parse);
        let mut part = || parts.next().transpose().ok().flatten();
        Some(Self { major: part()?, minor: part()?, micro: part().unwrap_or(0) })
    }
}

impl Display for QemuVersion {
    fn fmt(&self, f: &mut Formatter<'_>) -> FmtResult {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)
    }
}

/// Where to look for QEMU, in this order.
#[derive(Clone, Debug, Default)]
pub struct QemuSearch {
    /// The user's setting. If there is one, nothing else is tried.
    pub setting: Option<PathBuf>,
    /// The folder of a QEMU that came with the app.
    pub bundled_dir: Option<PathBuf>,
    /// The environment's `PATH`.
    pub path: Option<OsString>,
}

/// A QEMU that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qemu {
    /// The program.
    pub program: PathBuf,
    /// Its version.
    pub version: QemuVersion,
}

/// Finds the QEMU for this architecture and asks its version.
pub async fn find_qemu(search: &QemuSearch, arch: Arch) -> Result<Qemu, MachineError> {
    let name = format!("qemu-system-{}{EXE_SUFFIX}", arch.as_str());
    let program = locate(search, &name)?;
    let version = ask_version(&program).await?;
    if version < QemuVersion::OLDEST {
        let needed = QemuVersion::OLDEST;
        return Err(MachineError::QemuTooOld { program, found: version, needed });
    }
    Ok(Qemu { program, version })
}

fn locate(search: &QemuSearch, name: &str) -> Result<PathBuf, MachineError> {
    let mut candidates = Vec::new();
    if let Some(setting) = &search.setting {
        candidates.push(setting.clone());
    } else {
        candidates.extend(search.bundled_dir.iter().map(|dir| dir.join(name)));
        let path = search.path.iter().flat_map(split_paths);
        candidates.extend(path.filter(|dir| dir.is_absolute()).map(|dir| dir.join(name)));
        let usual = USUAL_PLACES.iter().filter(|(os, _)| *os == HostOs::current());
        candidates.extend(usual.map(|(_, dir)| Path::new(dir).join(name)));
    }
    let found = candidates.iter().find(|path| is_program(path)).cloned();
    found.ok_or_else(|| {
        let mut searched: Vec<String> = Vec::new();
        for place in candidates.iter().map(|path| path.display().to_string()) {
            if !searched.contains(&place) {
                searched.push(place);
            }
        }
        MachineError::QemuMissing { program: name.to_owned(), searched }
    })
}

fn is_program(path: &Path) -> bool {
    let Ok(metadata) = path.metadata() else { return false };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
    }
    #[cfg(not(unix))]
    {
        metadata.is_file()
    }
}

async fn ask_version(program: &Path) -> Result<QemuVersion, MachineError> {
    let unusable =
        |reason: String| MachineError::QemuUnusable { program: program.to_path_buf(), reason };
    let output = ask(program, &["--version"]).await.map_err(unusable)?;
    QemuVersion::parse(&output)
        .ok_or_else(|| unusable("it prints no version that Naru understands".to_owned()))
}

/// Runs QEMU for what it prints. The error is what it did instead.
pub(super) async fn ask(program: &Path, arguments: &[&str]) -> Result<String, String> {
    let child =
        Command::new(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = match timeout(ASK_DEADLINE, child).await {
        Err(_) => return Err(format!("it does not answer within {} s", ASK_DEADLINE.as_secs())),
        Ok(Err(error)) => return Err(error.to_string()),
        Ok(Ok(output)) => output,
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}: {}", output.status, said.trim_end()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_distributions_print_them() {
        let cases = [
            ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright", (7, 2, 22)),
            ("QEMU emulator version 10.0.2", (10, 0, 2)),
            ("QEMU emulator version 9.1.0 (v9.1.0-12064-gc658eebf44)\r\n", (9, 1, 0)),
            ("QEMU emulator version 8.2", (8, 2, 0)),
        ];
        for (output, (major, minor, micro)) in cases {
            let expected = Some(QemuVersion { major, minor, micro });
            assert_eq!(QemuVersion::parse(output), expected, "{output}");
        }
        for other in ["", "qemu", "QEMU emulator version x", "QEMU emulator version 7"] {
            assert_eq!(QemuVersion::parse(other), None, "{other}");
        }
    }
}
