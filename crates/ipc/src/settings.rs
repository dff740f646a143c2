//! What a person can set.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::RegistrySettings;

/// The window's language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Language {
    /// The system's.
    #[default]
    System,
    /// English.
    En,
    /// Korean.
    Ko,
}

/// The window's colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Theme {
    /// The system's.
    #[default]
    System,
    /// Dark text on light.
    Light,
    /// Light text on dark.
    Dark,
}

/// All settings. A file from an older version, with fields missing, is read with
/// these defaults; what a newer one added is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default)]
#[ts(export)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Settings {
    /// The window's language.
    pub language: Language,
    /// The window's colours.
    pub theme: Theme,
    /// The size of all that the window shows, in hundredths of the usual one.
    pub text_percent: u32,
    /// Whether Naru goes on in the tray when its window is closed; else closing it quits.
    pub keep_in_tray: bool,
    /// Whether Naru begins in the tray when the person logs in.
    pub start_at_login: bool,
    /// Whether the system says what has ended while the person looks elsewhere.
    pub notifications: bool,
    /// Whether the tour offers itself to who has no container yet.
    pub tour: bool,
    /// The machine's processors; takes effect at its next start.
    pub cpus: u32,
    /// The machine's memory in MiB; takes effect at its next start.
    pub memory_mib: u32,
    /// The data disk's size in GiB; it only grows.
    pub disk_gib: u32,
    /// The QEMU program; found by itself when empty.
    pub qemu_path: String,
    /// `auto`, `kvm`, `hvf`, `whpx` or `tcg`.
    pub accelerator: String,
    /// `auto`, `vsock` or `virtio-serial`.
    pub carrier: String,
    /// Registries, as `host[:port]`, that are spoken to over plain HTTP.
    pub insecure_registries: Vec<String>,
    /// How registries are reached; takes effect at once.
    pub registries: RegistrySettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            language: Language::System,
            theme: Theme::System,
            text_percent: 100,
            keep_in_tray: true,
            start_at_login: false,
            notifications: true,
            tour: true,
            cpus: 2,
            memory_mib: 2048,
            disk_gib: 64,
            qemu_path: String::new(),
            accelerator: "auto".to_owned(),
            carrier: "auto".to_owned(),
            insecure_registries: Vec::new(),
            registries: RegistrySettings::default(),
        }
    }
}
