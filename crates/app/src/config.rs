//! What the environment says: the one place that reads it.

use std::ffi::OsString;
use std::path::PathBuf;

/// The environment variables Naru knows, as they were at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `NARU_HOME`: a directory that takes the place of the platform's own ones, so
    /// that several Narus can live side by side. Everything is put below it.
    pub home: Option<PathBuf>,
    /// `NARU_VM_IMAGES`: the directory with kernel, initramfs and data disk template.
    pub vm_images: Option<PathBuf>,
    /// `DOCKER_CONFIG`: docker's configuration directory, `~/.docker` without it.
    pub docker_config: Option<PathBuf>,
}

impl Environment {
    /// Where programs are looked for (`PATH`).
    pub(crate) fn program_path() -> Option<OsString> {
        std::env::var_os("PATH")
    }

    /// Reads this process's environment. An empty variable counts as unset.
    #[expect(clippy::disallowed_methods, reason = "this is the config module")]
    pub fn read() -> Self {
        let path = |name| {
            std::env::var(name).ok().filter(|value: &String| !value.is_empty()).map(PathBuf::from)
        };
        Self {
            home: path("NARU_HOME"),
            vm_images: path("NARU_VM_IMAGES"),
            docker_config: path("DOCKER_CONFIG"),
        }
    }
}
