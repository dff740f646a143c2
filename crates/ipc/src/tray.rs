//! What the tray's menu says.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// `tray.words`: the texts of the tray's menu in the window's language, which is the one that
/// knows the catalogues. In some of them `{}` stands where something is put in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct TrayWords {
    /// The machine is off.
    pub stopped: String,
    /// The machine is on its way up.
    pub starting: String,
    /// The machine runs.
    pub running: String,
    /// The machine is on its way down.
    pub stopping: String,
    /// The machine could not start, or ended by itself.
    pub failed: String,
    /// Starts the machine.
    pub start: String,
    /// Stops the machine, in which no container runs.
    pub stop: String,
    /// Stops the machine and the `{}` containers that run in it.
    pub stop_with: String,
    /// No container runs.
    pub no_containers: String,
    /// Opens the page of the only port of a container.
    pub open: String,
    /// Opens the page of the port `{}`, one of several.
    pub open_port: String,
    /// Stops a container.
    pub stop_container: String,
    /// There are `{}` more containers, which the window has.
    pub more: String,
    /// Brings the window to the front.
    pub show: String,
    /// Ends Naru.
    pub quit: String,
}

/// English, until a window has said what it speaks.
impl Default for TrayWords {
    fn default() -> Self {
        Self {
            stopped: "Machine is off".to_owned(),
            starting: "Machine is starting".to_owned(),
            running: "Machine is running".to_owned(),
            stopping: "Machine is stopping".to_owned(),
            failed: "Machine has failed".to_owned(),
            start: "Start machine".to_owned(),
            stop: "Stop machine".to_owned(),
            stop_with: "Stop machine (containers that stop with it: {})".to_owned(),
            no_containers: "No container is running".to_owned(),
            open: "Open in the browser".to_owned(),
            open_port: "Open port {} in the browser".to_owned(),
            stop_container: "Stop".to_owned(),
            more: "{} more…".to_owned(),
            show: "Show window".to_owned(),
            quit: "Quit Naru".to_owned(),
        }
    }
}
