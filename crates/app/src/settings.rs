//! The settings file: read at each use, written at once.
//!
//! It is small and seldom read, and several Naru processes share it; so there is no
//! copy in memory that could be out of date.

pub mod by_name;

use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use naru_ipc::{RegistrySettings, Settings};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{AppError, Directories, private_file};

/// The smallest machine on which the engine and a container fit.
const MIN_MEMORY_MIB: u32 = 256;
/// Below this the data disk's template itself does not fit.
const MIN_DISK_GIB: u32 = 1;
/// What a window can be read at and still shows something.
const TEXT_PERCENT: RangeInclusive<u32> = 50..=300;
const GIB: u64 = 1 << 30;

/// The settings of one Naru.
#[derive(Clone, Debug)]
pub(crate) struct SettingsFile {
    path: PathBuf,
    data_disk: PathBuf,
}

/// What stands in the file: our settings, and whatever a newer version added.
#[derive(Default, Serialize, Deserialize)]
struct Stored {
    #[serde(flatten)]
    settings: Settings,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl SettingsFile {
    /// The file at `path`, for the machine with `data_disk`; neither need exist.
    pub(crate) fn new(path: PathBuf, data_disk: PathBuf) -> Self {
        Self { path, data_disk }
    }

    /// That of a Naru with these directories.
    pub(crate) fn of(directories: &Directories) -> Self {
        Self::new(directories.settings_file(), directories.data_disk())
    }

    /// The settings; the defaults when there is no file.
    ///
    /// A file that cannot be understood stays where it is and is an error.
    pub(crate) fn load(&self) -> Result<Settings, AppError> {
        self.read().map(|stored| stored.settings)
    }

    /// Checks and writes `settings`, and keeps fields that are not ours.
    ///
    /// A file that could not be understood is put aside as `settings.json.broken`.
    pub(crate) fn save(&self, settings: Settings) -> Result<Settings, AppError> {
        let stored = match self.read() {
            Ok(stored) => stored,
            Err(AppError::BrokenSettings { .. }) => {
                self.put_aside()?;
                Stored::default()
            }
            Err(error) => return Err(error),
        };
        self.check(&settings)?;
        let stored = Stored { settings, rest: stored.rest };
        let mut text = serde_json::to_vec_pretty(&stored)
            .map_err(|source| AppError::BrokenSettings { path: self.path.clone(), source })?;
        text.push(b'\n');
        private_file::write_atomically(&self.path, &text)?;
        Ok(stored.settings)
    }

    /// Refuses settings that cannot work.
    pub(crate) fn check(&self, settings: &Settings) -> Result<(), AppError> {
        check(settings, self.least_disk_gib())
    }

    /// The data disk's size now, which is what it cannot be made smaller than.
    fn least_disk_gib(&self) -> u32 {
        let bytes = fs::metadata(&self.data_disk).map_or(0, |metadata| metadata.len());
        u32::try_from(bytes.div_ceil(GIB)).unwrap_or(u32::MAX).max(MIN_DISK_GIB)
    }

    fn read(&self) -> Result<Stored, AppError> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Stored::default()),
            Err(source) => {
                return Err(AppError::File { action: "read", path: self.path.clone(), source });
            }
        };
        serde_json::from_slice(&text)
            .map_err(|source| AppError::BrokenSettings { path: self.path.clone(), source })
    }

    fn put_aside(&self) -> Result<(), AppError> {
        let aside = private_file::beside(&self.path, "broken");
        tracing::warn!(path = %self.path.display(), aside = %aside.display(), "broken settings put aside");
        fs::rename(&self.path, aside).map_err(|source| AppError::File {
            action: "put aside",
            path: self.path.clone(),
            source,
        })
    }
}

/// Refuses what no machine can be started with.
fn check(new: &Settings, least_disk_gib: u32) -> Result<(), AppError> {
    let refuse = |setting, reason: String| Err(AppError::InvalidSetting { setting, reason });
    if !TEXT_PERCENT.contains(&new.text_percent) {
        let (least, most) = (TEXT_PERCENT.start(), TEXT_PERCENT.end());
        return refuse("text_percent", format!("it goes from {least} to {most}"));
    }
    if new.cpus == 0 {
        return refuse("cpus", "at least 1 is needed".to_owned());
    }
    if new.memory_mib < MIN_MEMORY_MIB {
        return refuse("memory_mib", format!("at least {MIN_MEMORY_MIB} is needed"));
    }
    if new.disk_gib < least_disk_gib {
        let reason = format!("the disk only grows, so at least {least_disk_gib} is needed");
        return refuse("disk_gib", reason);
    }
    if !["auto", "kvm", "hvf", "whpx", "tcg"].contains(&new.accelerator.as_str()) {
        return refuse("accelerator", format!("{:?} is not known", new.accelerator));
    }
    if !["auto", "vsock", "virtio-serial"].contains(&new.carrier.as_str()) {
        return refuse("carrier", format!("{:?} is not known", new.carrier));
    }
    for registry in &new.insecure_registries {
        if !is_registry(registry) {
            return refuse("insecure_registries", format!("{registry:?} is not host[:port]"));
        }
    }
    check_registries(&new.registries).or_else(|reason| refuse("registries", reason))
}

/// What can be told here; the engine knows more, such as what is in certificates.
fn check_registries(settings: &RegistrySettings) -> Result<(), String> {
    for (name, host) in &settings.hosts {
        if !is_registry(name) {
            return Err(format!("{name:?} is not host[:port]"));
        }
        if host.client_certificate.is_empty() != host.client_key.is_empty() {
            return Err(format!("{name} has a client certificate or a key without the other"));
        }
    }
    let is_network = |text: &str| {
        text.split_once('/').is_some_and(|(address, length)| {
            address.parse::<IpAddr>().is_ok() && length.parse::<u8>().is_ok_and(|bits| bits <= 128)
        })
    };
    match settings.insecure.iter().find(|text| !is_registry(text) && !is_network(text)) {
        Some(text) => Err(format!("{text:?} is neither host[:port] nor address/length")),
        None => Ok(()),
    }
}

/// Whether `text` has the shape `host[:port]`, an IPv6 host in brackets.
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host_fits = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-')
        }
    };
    host_fits && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_with(text: &str) -> (tempfile::TempDir, SettingsFile) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("settings.json");
        fs::write(&path, text).unwrap();
        let data_disk = directory.path().join("data.img");
        (directory, SettingsFile::new(path, data_disk))
    }

    #[test]
    fn an_older_file_is_read_with_defaults_for_what_it_lacks() {
        let (_directory, file) = file_with(r#"{"cpus": 5}"#);
        let settings = file.load().unwrap();
        assert_eq!(settings, Settings { cpus: 5, ..Settings::default() });
    }

    #[test]
    fn fields_of_a_newer_version_survive_a_save() {
        let (_directory, file) = file_with(r#"{"cpus": 5, "rosetta": {"on": true}}"#);
        let settings = file.load().unwrap();
        file.save(Settings { memory_mib: 4096, ..settings }).unwrap();
        let text = fs::read_to_string(&file.path).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["rosetta"]["on"], true);
        assert_eq!(value["cpus"], 5);
        assert_eq!(value["memory_mib"], 4096);
    }

    #[test]
    fn a_broken_file_is_an_error_and_is_kept_aside_on_the_next_save() {
        let (directory, file) = file_with("{\"cpus\": ");
        assert!(matches!(file.load(), Err(AppError::BrokenSettings { .. })));
        assert_eq!(fs::read_to_string(&file.path).unwrap(), "{\"cpus\": ");
        file.save(Settings::default()).unwrap();
        let aside = directory.path().join("settings.json.broken");
        assert_eq!(fs::read_to_string(aside).unwrap(), "{\"cpus\": ");
        assert_eq!(file.load().unwrap(), Settings::default());
    }

    #[test]
    fn a_setting_that_cannot_work_is_refused_and_changes_nothing() {
        let (_directory, file) = file_with(r#"{"disk_gib": 20}"#);
        fs::File::create(&file.data_disk).unwrap().set_len(20 * GIB).unwrap();
        let good = file.load().unwrap();
        let bad = [
            Settings { cpus: 0, ..good.clone() },
            Settings { memory_mib: 1, ..good.clone() },
            Settings { disk_gib: 19, ..good.clone() },
            Settings { accelerator: "magic".to_owned(), ..good.clone() },
            Settings { carrier: "pigeon".to_owned(), ..good.clone() },
            Settings { insecure_registries: vec!["http://x".to_owned()], ..good.clone() },
            Settings { registries: registries(r#"{"hosts":{"http://x":{}}}"#), ..good.clone() },
            Settings { registries: registries(r#"{"insecure":["10.0.0.0/x"]}"#), ..good.clone() },
            Settings {
                registries: registries(r#"{"hosts":{"x":{"client_key":"k"}}}"#),
                ..good.clone()
            },
        ];
        for settings in bad {
            let refused = file.save(settings.clone());
            assert!(matches!(refused, Err(AppError::InvalidSetting { .. })), "{settings:?}");
        }
        assert_eq!(file.load().unwrap(), good);
    }

    fn registries(text: &str) -> RegistrySettings {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn settings_for_registries_are_kept_and_a_slip_in_them_is_named() {
        let text = r#"{"hosts":{"a:1":{"proxy":""}},"insecure":["10.0.0.0/8"],"no_proxy":"b"}"#;
        let (_directory, file) = file_with("{}");
        let settings = Settings { registries: registries(text), ..Settings::default() };
        assert_eq!(file.save(settings.clone()).unwrap(), settings);
        assert_eq!(file.load().unwrap(), settings);
        let (_directory, file) = file_with(r#"{"registries":{"mirors":[]}}"#);
        let error = naru_error::chain(&file.load().unwrap_err());
        assert!(error.contains("mirors"), "{error}");
    }

    #[test]
    fn a_disk_that_was_not_made_yet_can_be_made_smaller() {
        let (_directory, file) = file_with(r#"{"disk_gib": 20}"#);
        let settings = file.load().unwrap();
        file.save(Settings { disk_gib: 4, ..settings }).unwrap();
    }

    #[test]
    fn registries_are_hosts_with_a_port_or_without() {
        for good in ["localhost", "localhost:5000", "10.0.0.1:80", "[::1]:5000", "[::1]", "a.b-c"] {
            assert!(is_registry(good), "{good}");
        }
        for bad in ["", ":5000", "a/b", "a:99999", "::1", "[x]", "a b"] {
            assert!(!is_registry(bad), "{bad}");
        }
    }
}
