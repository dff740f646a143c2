//! Naru's start when its person logs in, hidden in the tray.

use naru_app::Environment;
use tauri::plugin::TauriPlugin;
use tauri::{AppHandle, Wry};
use tauri_plugin_autostart::{MacosLauncher, ManagerExt};

use crate::config::HIDDEN;

/// What writes the system's own list of what is started.
pub(crate) fn plugin() -> TauriPlugin<Wry> {
    tauri_plugin_autostart::init(MacosLauncher::LaunchAgent, Some(vec![HIDDEN]))
}

/// Brings the system's list in line with a setting that was changed. What the person has done
/// there stays until they change it here.
pub(crate) fn follow(handle: &AppHandle, wanted: bool) {
    // There is one entry for each person, and it is not that of another home.
    if Environment::read().home.is_some() {
        return;
    }
    let list = handle.autolaunch();
    let done = list.is_enabled().and_then(|listed| match (listed, wanted) {
        (false, true) => list.enable(),
        (true, false) => list.disable(),
        _ => Ok(()),
    });
    if let Err(error) = done {
        tracing::warn!(%error, wanted, "the start at log-in is not set");
    }
}
