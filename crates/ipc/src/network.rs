//! Networks as the window sees them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// One network in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct NetworkSummary {
    /// 64 hex digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The engine's word: `bridge`, `host`, `none`, `macvlan`, `ipvlan`.
    pub driver: String,
    /// Whether it has no way out.
    pub internal: bool,
    /// Whether the engine made it itself, so that it cannot be removed.
    pub built_in: bool,
    /// Unix seconds; 0 when the engine does not say.
    #[ts(type = "number")]
    pub created: i64,
    /// The ranges its addresses come from.
    pub subnets: Vec<NetworkSubnet>,
    /// What was given it at its making.
    pub labels: BTreeMap<String, String>,
    /// The containers that are in it, running or not.
    pub users: Vec<NetworkUser>,
}

/// A range of addresses, both as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct NetworkSubnet {
    /// Such as `172.18.0.0/16`.
    pub subnet: String,
    /// The way out, or empty.
    pub gateway: String,
}

/// A container that is in the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct NetworkUser {
    /// The container.
    pub container_id: String,
    /// Its name.
    pub container_name: String,
    /// Whether it runs now.
    pub running: bool,
    /// Its addresses in this network; it has none unless it runs.
    pub addresses: Vec<String>,
}

/// `network.create`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct NetworkCreate {
    /// Its name.
    pub name: String,
    /// Whether it has no way out.
    pub internal: bool,
    /// The range of its addresses; the engine chooses when it is empty.
    pub subnet: String,
}

/// Names one network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct NetworkRef {
    /// Name or id.
    pub id: String,
}

/// `network.connect` and `network.disconnect`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct NetworkLink {
    /// Name or id.
    pub id: String,
    /// The container's name or id.
    pub container_id: String,
}
