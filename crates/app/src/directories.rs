//! Where Naru keeps what it keeps.

use std::fs::File;
use std::path::{Path, PathBuf};

use directories::{BaseDirs, ProjectDirs};
use sha2::{Digest, Sha256};

use crate::config::Environment;
use crate::local::Address;
use crate::{AppError, private_file};

/// The directories of one Naru; all of them are private to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directories {
    /// The data disk and the console log.
    pub data: PathBuf,
    /// `settings.json`.
    pub config: PathBuf,
    /// Sockets and locks; gone after a reboot where the platform does that.
    pub runtime: PathBuf,
    /// Docker's own configuration, where the context is registered.
    pub docker_config: PathBuf,
    /// Kernel, initramfs and data disk template; only read. A machine that runs is seen and
    /// stopped without them.
    pub vm_images: Option<PathBuf>,
    /// What tells this Naru's pipes from those of another home; empty for the user's own.
    pipe_suffix: String,
}

impl Directories {
    /// Finds the directories for `environment` without creating them.
    ///
    /// `vm_images` is what the installation brings; the environment goes before it.
    /// With a `NARU_HOME` everything lies below it, docker's configuration too unless
    /// `DOCKER_CONFIG` names another: such a Naru leaves the user's own things alone.
    pub fn find(environment: &Environment, vm_images: Option<PathBuf>) -> Result<Self, AppError> {
        let vm_images = environment.vm_images.clone().or(vm_images).or_else(beside_program);
        if let Some(home) = &environment.home {
            let home = std::path::absolute(home).map_err(|source| AppError::File {
                action: "find",
                path: home.clone(),
                source,
            })?;
            let docker_config = environment.docker_config.clone();
            return Ok(Self {
                data: home.join("data"),
                config: home.join("config"),
                runtime: home.join("run"),
                docker_config: docker_config.unwrap_or_else(|| home.join("docker")),
                vm_images,
                pipe_suffix: format!("_{}", short_hash(&home)),
            });
        }
        let project = ProjectDirs::from("org", "Naru", "naru").ok_or(AppError::NoHome)?;
        let base = BaseDirs::new().ok_or(AppError::NoHome)?;
        let runtime = project.runtime_dir().map(Path::to_owned);
        let docker_config = environment.docker_config.clone();
        Ok(Self {
            data: project.data_local_dir().to_owned(),
            config: project.config_local_dir().to_owned(),
            runtime: runtime.unwrap_or_else(|| project.data_local_dir().join("run")),
            docker_config: docker_config.unwrap_or_else(|| base.home_dir().join(".docker")),
            vm_images,
            pipe_suffix: String::new(),
        })
    }

    /// Creates Naru's own directories, or makes those there are private.
    pub(crate) fn create(&self) -> Result<(), AppError> {
        for path in [&self.data, &self.config, &self.runtime] {
            private_file::create_directory(path)?;
        }
        Ok(())
    }

    /// The settings.
    pub fn settings_file(&self) -> PathBuf {
        self.config.join("settings.json")
    }

    /// The machine's disk.
    pub(crate) fn data_disk(&self) -> PathBuf {
        self.data.join("data.img")
    }

    /// What the guest's console said, over all starts.
    pub fn console_log(&self) -> PathBuf {
        self.data.join("serial.log")
    }

    /// Where the window was when it was last seen.
    pub(crate) fn window_file(&self) -> PathBuf {
        self.data.join("window.json")
    }

    /// What the tray said when the window was there last.
    pub(crate) fn tray_file(&self) -> PathBuf {
        self.data.join("tray.json")
    }

    /// What the background process says of itself.
    pub fn log(&self) -> PathBuf {
        self.data.join("naru.log")
    }

    /// Begins a new log for the background process.
    pub fn create_log(&self) -> Result<File, AppError> {
        self.create()?;
        let path = self.log();
        let file = private_file::open_or_create(&path)?;
        let emptied = file.set_len(0);
        emptied.map_err(|source| AppError::File { action: "write", path, source })?;
        Ok(file)
    }

    /// The bundled image, as `docker save` writes it.
    pub fn demo_image(&self) -> Result<PathBuf, AppError> {
        Ok(self.vm_images()?.join("demo-image.tar"))
    }

    /// What the VM image is made of.
    pub(crate) fn manifest(&self) -> Result<PathBuf, AppError> {
        Ok(self.vm_images()?.join("manifest.json"))
    }

    /// Kernel, initramfs and data disk template, for who cannot do without.
    pub(crate) fn vm_images(&self) -> Result<&Path, AppError> {
        self.vm_images.as_deref().ok_or(AppError::NoVmImages)
    }

    /// Held by the one process that owns the machine and the sockets.
    pub(crate) fn owner_lock(&self) -> PathBuf {
        self.runtime.join("owner.lock")
    }

    /// Where the Docker API is served.
    pub fn docker_socket(&self) -> Address {
        self.address("docker.sock", "naru_engine")
    }

    /// Where the owner takes requests of other Naru processes.
    pub(crate) fn control_socket(&self) -> Address {
        self.address("control.sock", "naru_control")
    }

    /// Held by the one process that has the window.
    pub(crate) fn window_lock(&self) -> PathBuf {
        self.runtime.join("window.lock")
    }

    /// Where that process is asked to bring it to the front.
    pub(crate) fn window_socket(&self) -> Address {
        self.address("window.sock", "naru_window")
    }

    fn address(&self, file: &str, pipe: &str) -> Address {
        if cfg!(windows) {
            return Address::pipe(&format!("{pipe}{}", self.pipe_suffix));
        }
        Address::socket(self.runtime.join(file))
    }
}

/// The images that lie beside an installed program.
fn beside_program() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let path = program.parent()?.join("vm-images");
    path.is_dir().then_some(path)
}

fn short_hash(path: &Path) -> String {
    let hash = Sha256::digest(path.as_os_str().as_encoded_bytes());
    hex(&hash[..6])
}

/// The bytes as lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for digit in [byte >> 4, byte & 0xf] {
            text.extend(char::from_digit(digit.into(), 16));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(home: Option<&str>, docker_config: Option<&str>) -> Environment {
        Environment {
            home: home.map(PathBuf::from),
            vm_images: Some("/images".into()),
            docker_config: docker_config.map(PathBuf::from),
        }
    }

    #[test]
    fn a_home_takes_everything_below_it() {
        let found = Directories::find(&environment(Some("/h"), None), None).unwrap();
        for path in [&found.data, &found.config, &found.runtime, &found.docker_config] {
            assert!(path.starts_with("/h"), "{} is outside the home", path.display());
        }
    }

    #[test]
    fn docker_config_is_respected_with_and_without_a_home() {
        for home in [None, Some("/h")] {
            let found = Directories::find(&environment(home, Some("/d")), None).unwrap();
            assert_eq!(found.docker_config, PathBuf::from("/d"));
        }
    }

    #[test]
    fn two_homes_have_different_pipes() {
        let suffix =
            |home| Directories::find(&environment(Some(home), None), None).unwrap().pipe_suffix;
        assert_ne!(suffix("/a"), suffix("/b"));
    }
}
