//! What the engine says of one thing, as it says it.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The engine's own description.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Inspection {
    /// JSON with line breaks.
    pub json: String,
}
