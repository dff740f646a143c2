//! How registries are reached, as a person sets it; the engine's own words for it are
//! `naru_protocol::registries`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The settings for registries. A slip in one is an error with its name: it would else
/// be dropped in silence.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
#[ts(export)]
pub struct RegistrySettings {
    /// What differs for single registries, by `host` or `host:port`.
    pub hosts: BTreeMap<String, RegistryHostSettings>,
    /// Registries, as `host`, `host:port` or `address/length`, that may be spoken to over
    /// plain HTTP or with a certificate nobody vouches for.
    pub insecure: Vec<String>,
    /// Certificate authorities for all registries, PEM.
    pub ca: Vec<String>,
    /// The proxy for plain HTTP, as URL; empty for none.
    pub http_proxy: String,
    /// The proxy for HTTPS.
    pub https_proxy: String,
    /// What is reached without, with commas between.
    pub no_proxy: String,
    /// Who answers searches on Docker Hub, as URL; Docker Hub itself when empty.
    pub index: String,
}

impl fmt::Debug for RegistrySettings {
    // A proxy's URL may have a password in it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RegistrySettings")
            .field("hosts", &self.hosts)
            .field("insecure", &self.insecure)
            .field("no_proxy", &self.no_proxy)
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

/// What differs for one registry.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
#[ts(export)]
pub struct RegistryHostSettings {
    /// It may be spoken to over plain HTTP or with a certificate nobody vouches for.
    pub insecure: bool,
    /// Certificate authorities for it alone, PEM.
    pub ca: String,
    /// Our certificate, PEM.
    pub client_certificate: String,
    /// Its key, PEM.
    pub client_key: String,
    /// Registries that have the same content and are asked first, as `host[:port]` or as
    /// URL.
    pub mirrors: Vec<String>,
    /// The proxy to it, as URL; empty for none, whatever holds for others.
    pub proxy: Option<String>,
}

impl fmt::Debug for RegistryHostSettings {
    // The key is nobody's business.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RegistryHostSettings")
            .field("insecure", &self.insecure)
            .field("mirrors", &self.mirrors)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_in_what_is_logged() {
        let host = RegistryHostSettings {
            client_key: "hush".to_owned(),
            proxy: Some("http://u:hush@p".to_owned()),
            ..RegistryHostSettings::default()
        };
        let settings = RegistrySettings {
            hosts: [("a".to_owned(), host)].into(),
            http_proxy: "http://u:hush@p".to_owned(),
            https_proxy: "http://u:hush@p".to_owned(),
            ..RegistrySettings::default()
        };
        let said = format!("{settings:?}");
        assert!(said.contains("RegistryHostSettings") && !said.contains("hush"), "{said}");
    }
}
