//! Who the client of a `POST /build` is to registries; other secrets it has none.

use std::collections::HashMap;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use hyper::HeaderMap;
use naru_image_store::Credentials;
use tokio::net::UnixStream;

use super::super::credentials::AuthConfig;
use crate::build::{BuildError, BuildSecrets};

/// What clients call Docker Hub, and what it is called here.
const HUB: [&str; 3] = ["index.docker.io", "registry-1.docker.io", "docker.io"];

/// Credentials by registry.
#[derive(Debug, Default)]
pub(super) struct RegistrySecrets(HashMap<String, Credentials>);

impl RegistrySecrets {
    /// Reads `X-Registry-Config`. What cannot be read is as good as absent, as in Docker.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self::read(headers).unwrap_or_default()
    }

    fn read(headers: &HeaderMap) -> Option<Self> {
        let header = headers.get("x-registry-config")?;
        let text = header.to_str().ok()?.trim_end_matches('=');
        let padded = format!("{text}{}", &"==="[..(4 - text.len() % 4) % 4]);
        let bytes = URL_SAFE.decode(&padded).or_else(|_| STANDARD.decode(&padded)).ok()?;
        let known: HashMap<String, AuthConfig> = serde_json::from_slice(&bytes).ok()?;
        let known = known.into_iter();
        let known = known.map(|(registry, auth)| (domain(&registry), auth.into_credentials()));
        Some(Self(known.filter(|(_, credentials)| !credentials.is_empty()).collect()))
    }
}

/// `https://index.docker.io/v1/` is `docker.io`.
fn domain(registry: &str) -> String {
    let rest = registry.split_once("://").map_or(registry, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default();
    if HUB.contains(&host) { "docker.io".to_owned() } else { host.to_owned() }
}

#[async_trait]
impl BuildSecrets for RegistrySecrets {
    async fn secret(&self, _id: &str) -> Result<Option<Vec<u8>>, BuildError> {
        Ok(None)
    }

    async fn has_agent(&self, _id: &str) -> Result<bool, BuildError> {
        Ok(false)
    }

    async fn serve_agent(&self, _id: &str, _connection: UnixStream) {}

    async fn credentials(&self, registry: &str) -> Result<Option<Credentials>, BuildError> {
        Ok(self.0.get(registry).cloned())
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn registries_are_known_by_their_hosts() {
        let json = br#"{"https://index.docker.io/v1/":{"username":"a","password":"b"},
            "host:5000":{"username":"c","password":"d"},"empty":{}}"#;
        for text in [URL_SAFE.encode(json), STANDARD.encode(json).replace('=', "")] {
            let value = HeaderValue::from_str(&text).unwrap();
            let headers = HeaderMap::from_iter([("x-registry-config".parse().unwrap(), value)]);
            let secrets = RegistrySecrets::of(&headers);
            assert_eq!(secrets.0["docker.io"].username, "a");
            assert_eq!(secrets.0["host:5000"].username, "c");
            assert_eq!(secrets.0.len(), 2);
        }
        let value = HeaderValue::from_static("!");
        let headers = HeaderMap::from_iter([("x-registry-config".parse().unwrap(), value)]);
        assert!(RegistrySecrets::of(&headers).0.is_empty());
    }
}
