//! A container's settings, changed by making it anew.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ContainerRun;

/// `container.settings`: what a container was made with, without what its image says already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ContainerSettings {
    /// As it would be run like this again. What has no place in there (labels, rights, its user,
    /// its health check, …) is kept by `container.remake` as it is.
    pub settings: ContainerRun,
    /// Whether the name of its image is another image's by now.
    pub image_moved: bool,
}

/// `container.remake`: makes a container anew, with other settings and the same name, and starts it.
/// The old one goes when the new one has started; until then it stays, and starts again where the
/// new one does not. Its volumes stay, also those without a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ContainerRemake {
    /// Name, id or unique id prefix.
    pub id: String,
    /// What it is to be made with; its name stays, whatever this says.
    pub settings: ContainerRun,
}
