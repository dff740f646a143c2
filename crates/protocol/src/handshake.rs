//! The first exchange on a new connection: do both sides speak the same protocol?

use serde::{Deserialize, Serialize};

use crate::PROTOCOL_VERSION;

/// Path of `GET` → [`Handshake`].
pub const PATH: &str = "/naru/handshake";

/// What the agent says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handshake {
    /// The agent's own version, `major.minor.patch`.
    pub agent_version: String,
    /// The version of the contract it speaks.
    pub protocol_version: u32,
    /// Optional abilities, by name; an unknown name is ignored.
    pub capabilities: Vec<String>,
}

/// The two sides do not speak the same protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The app's version.
    pub app_version: String,
    /// The protocol the app speaks.
    pub app_protocol: u32,
    /// The agent's version.
    pub agent_version: String,
    /// The protocol the agent speaks.
    pub agent_protocol: u32,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the app {} speaks protocol {} but the machine's agent {} speaks protocol {}",
            self.app_version, self.app_protocol, self.agent_version, self.agent_protocol
        )
    }
}

impl std::error::Error for Mismatch {}

impl Handshake {
    /// Accepts the agent, or says which two versions do not fit.
    ///
    /// `app_version` is the caller's own version.
    pub fn check(&self, app_version: &str) -> Result<(), Mismatch> {
        if self.protocol_version == PROTOCOL_VERSION {
            return Ok(());
        }
        Err(Mismatch {
            app_version: app_version.to_owned(),
            app_protocol: PROTOCOL_VERSION,
            agent_version: self.agent_version.clone(),
            agent_protocol: self.protocol_version,
        })
    }
}
