//! How registries are reached, and as whom.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// Where a Debian-like system keeps its certificate authorities.
const SYSTEM_CA_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// How registries are reached.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// Registries (`host` or `host:port`) that may be spoken to over plain HTTP or with a
    /// certificate nobody vouches for. Loopback names always may.
    pub insecure: Vec<String>,
    /// The system's certificate authorities, one PEM file; skipped when it does not exist.
    pub ca_bundle: PathBuf,
    /// Further certificate authorities, PEM each.
    pub extra_ca_pem: Vec<Vec<u8>>,
    /// Inside the VM: the address at which the host's loopback is reached. `localhost`,
    /// `127.0.0.0/8` and `::1` in a registry's name are dialled there.
    pub localhost: Option<IpAddr>,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            insecure: Vec::new(),
            ca_bundle: PathBuf::from(SYSTEM_CA_BUNDLE),
            extra_ca_pem: Vec::new(),
            localhost: None,
        }
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
