//! How registries are reached, as the host tells the guest, or a file a native engine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Path of `PUT`, [`Registries`] → 204. They hold for everything that begins afterwards, and for
/// engines to come.
pub const PATH: &str = "/naru/registries";

/// The settings for registries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Registries {
    /// What differs for single registries, by `host` or `host:port`.
    pub hosts: BTreeMap<String, RegistryHost>,
    /// Registries, as `host`, `host:port` or `address/length`, that may be spoken to over plain
    /// HTTP or with a certificate nobody vouches for.
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

/// What differs for one registry.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryHost {
    /// It may be spoken to over plain HTTP or with a certificate nobody vouches for.
    pub insecure: bool,
    /// Certificate authorities for it alone, PEM.
    pub ca: String,
    /// Our certificate, PEM.
    pub client_certificate: String,
    /// Its key, PEM.
    pub client_key: String,
    /// Registries that have the same content and are asked first, as `host[:port]` or as URL.
    pub mirrors: Vec<String>,
    /// The proxy to it, as URL; empty for none, whatever holds for others.
    pub proxy: Option<String>,
}

impl std::fmt::Debug for RegistryHost {
    // The key is nobody's business.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RegistryHost")
            .field("insecure", &self.insecure)
            .field("mirrors", &self.mirrors)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_needs_only_what_differs_and_a_slip_is_named() {
        let text = r#"{"hosts":{"docker.io":{"mirrors":["https://m"]}},"no_proxy":"a"}"#;
        let read: Registries = serde_json::from_str(text).unwrap();
        assert_eq!(read.hosts["docker.io"].mirrors, ["https://m"]);
        let error = serde_json::from_str::<Registries>(r#"{"mirrors":[]}"#).unwrap_err();
        assert!(error.to_string().contains("mirrors"), "{error}");
    }
}
