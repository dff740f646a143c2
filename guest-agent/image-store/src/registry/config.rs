//! How registries are reached, and as whom.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// Where a Debian-like system keeps its certificate authorities.
const SYSTEM_CA_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Where Docker Hub answers searches.
const HUB_INDEX: &str = "https://index.docker.io";
/// Where its pages do.
const HUB: &str = "https://hub.docker.com";

/// How registries are reached.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// What differs for single registries, by `host` or `host:port`.
    pub hosts: BTreeMap<String, HostConfig>,
    /// Registries (`host`, `host:port` or `address/length`) that may be spoken to over plain
    /// HTTP or with a certificate nobody vouches for. Loopback names always may.
    pub insecure: Vec<String>,
    /// The system's certificate authorities, one PEM file; skipped when it does not exist.
    pub ca_bundle: PathBuf,
    /// Further certificate authorities, PEM each.
    pub extra_ca_pem: Vec<Vec<u8>>,
    /// A directory of directories named by `host:port` with certificates, as Docker's
    /// `/etc/docker/certs.d`.
    pub certificates: Option<PathBuf>,
    /// Inside the VM: the address at which the host's loopback is reached. `localhost`,
    /// `127.0.0.0/8` and `::1` in a registry's name are dialled there.
    pub localhost: Option<IpAddr>,
    /// What stands between here and registries.
    pub proxies: Proxies,
    /// Who answers searches on Docker Hub, as URL.
    pub index: String,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            hosts: BTreeMap::new(),
            insecure: Vec::new(),
            ca_bundle: PathBuf::from(SYSTEM_CA_BUNDLE),
            extra_ca_pem: Vec::new(),
            certificates: None,
            localhost: None,
            proxies: Proxies::default(),
            index: HUB_INDEX.to_owned(),
        }
    }
}

impl RegistryConfig {
    /// Who tells the marks of repositories on Docker Hub: who answers searches there, if that is
    /// not Docker Hub itself.
    pub(crate) fn hub(&self) -> &str {
        if self.index == HUB_INDEX { HUB } else { &self.index }
    }

    /// Whether `host` (`host` or `host:port`) was marked insecure.
    pub fn is_insecure(&self, host: &str) -> bool {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        self.hosts.get(host).is_some_and(|config| config.insecure)
            || self.insecure.iter().any(|marked| {
                marked == host || address.is_some_and(|address| contains(marked, address))
            })
    }
}

/// Whether `network` (`10.0.0.0/8`) has `address` in it.
fn contains(network: &str, address: IpAddr) -> bool {
    let Some((start, length)) = network.split_once('/') else { return false };
    let (Ok(start), Ok(length)) = (start.parse::<IpAddr>(), length.parse::<u32>()) else {
        return false;
    };
    let prefix = |bits: u128, width: u32| bits.checked_shr(width.saturating_sub(length));
    match (start, address) {
        (IpAddr::V4(start), IpAddr::V4(address)) => {
            prefix(start.to_bits().into(), 32) == prefix(address.to_bits().into(), 32)
        }
        (IpAddr::V6(start), IpAddr::V6(address)) => {
            prefix(start.to_bits(), 128) == prefix(address.to_bits(), 128)
        }
        _ => false,
    }
}

/// What differs for one registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostConfig {
    /// It may be spoken to over plain HTTP or with a certificate nobody vouches for.
    pub insecure: bool,
    /// Further certificate authorities for it alone, PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// Who we are to it.
    pub identity: Option<ClientIdentity>,
    /// Registries that have the same content and are asked first, as `host[:port]` or as URL.
    pub mirrors: Vec<String>,
    /// The proxy to it, as URL of HTTP or SOCKS; empty for none, whatever holds for others.
    pub proxy: Option<String>,
}

/// A certificate with its key.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The certificate and those above it, PEM.
    pub certificate_pem: Vec<u8>,
    /// Its key, PEM.
    pub key_pem: Vec<u8>,
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ClientIdentity").finish_non_exhaustive()
    }
}

/// Proxies, as the variables `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` name them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For plain HTTP, as URL; empty for none.
    pub http: String,
    /// For HTTPS.
    pub https: String,
    /// Hosts, domains and networks that are reached without, with commas between.
    pub no_proxy: String,
}

impl fmt::Debug for Proxies {
    // A proxy's URL may have a password in it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Proxies").field("no_proxy", &self.no_proxy).finish_non_exhaustive()
    }
}

/// Who asks: the fields of Docker's `X-Registry-Auth`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub username: String,
    /// The password, or a personal access token.
    pub password: String,
    /// An `OAuth2` refresh token, used instead of the password where there is one.
    pub identity_token: String,
    /// A ready bearer token, sent as it is.
    pub registry_token: String,
}

impl Credentials {
    /// Whether there is nothing in them.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn insecure_registries_are_named_or_in_a_marked_network() {
        let marked = ["a:5000", "10.1.0.0/16", "fd00::/8", "0.0.0.0/x"].map(str::to_owned);
        let mut config = RegistryConfig { insecure: marked.to_vec(), ..RegistryConfig::default() };
        let own = HostConfig { insecure: true, ..HostConfig::default() };
        config.hosts.insert("b".to_owned(), own);
        for host in ["a:5000", "10.1.2.3", "10.1.2.3:5000", "[fd12::1]:5000", "b"] {
            assert!(config.is_insecure(host), "{host}");
        }
        for host in ["a", "a:5001", "10.2.0.1", "[fe80::1]:5000", "b:1", "::1"] {
            assert!(!config.is_insecure(host), "{host}");
        }
    }

    #[test]
    fn secrets_are_not_in_what_is_logged() {
        let identity = ClientIdentity { certificate_pem: b"c".to_vec(), key_pem: b"hush".to_vec() };
        let proxies = Proxies { http: "http://u:hush@p".to_owned(), ..Proxies::default() };
        let credentials = Credentials { password: "hush".to_owned(), ..Credentials::default() };
        let host = HostConfig { identity: Some(identity), ..HostConfig::default() };
        let said = format!("{host:?} {proxies:?} {credentials:?}");
        assert!(!said.contains("hush") && !said.contains("104, 117"), "{said}");
    }
}
