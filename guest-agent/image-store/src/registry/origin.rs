//! Where a registry is: its name in references, and the host that is dialled for it.

use std::net::IpAddr;

use reqwest::Url;

use super::error::RegistryError;

const HUB_DOMAIN: &str = "docker.io";
const HUB_REGISTRY: &str = "registry-1.docker.io";

/// One registry, or a mirror of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Whose settings hold: `docker.io`, `host:5000`.
    pub(super) domain: String,
    /// `host` or `host:port`.
    pub(super) host: String,
    /// `http` or `https` where a mirror's URL says so.
    pub(super) scheme: Option<&'static str>,
}

impl Origin {
    /// The registry that a reference's domain means.
    pub(crate) fn of(domain: &str) -> Self {
        let host = match domain {
            HUB_DOMAIN => HUB_REGISTRY,
            domain => domain,
        };
        Self { domain: domain.to_owned(), host: host.to_owned(), scheme: None }
    }

    /// The registry that `docker login` means: a host, a URL, or nothing for Docker Hub.
    pub(crate) fn of_address(address: &str) -> Result<Self, RegistryError> {
        let (scheme, rest) = match address.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, address),
        };
        let host = rest.split('/').next().unwrap_or_default();
        match (scheme, host) {
            (_, "" | "index.docker.io" | "docker.io" | "registry-1.docker.io") => {
                Ok(Self::of(HUB_DOMAIN))
            }
            (None | Some("http" | "https"), host) if base("https", host).is_some() => {
                Ok(Self::of(host))
            }
            _ => Err(RegistryError::Address { address: address.to_owned() }),
        }
    }

    /// A mirror as the settings name it.
    pub(crate) fn of_mirror(address: &str) -> Result<Self, RegistryError> {
        let invalid = || RegistryError::Address { address: address.to_owned() };
        let (scheme, host) = match address.split_once("://") {
            Some(("https", host)) => (Some("https"), host),
            Some(("http", host)) => (Some("http"), host),
            Some(_) => return Err(invalid()),
            None => (None, address),
        };
        let host = host.trim_end_matches('/');
        base("https", host).ok_or_else(invalid)?;
        Ok(Self { domain: host.to_owned(), host: host.to_owned(), scheme })
    }
}

/// `https://host/v2/`, if `host` is a host's name or address, alone or with a port.
pub(super) fn base(scheme: &str, host: &str) -> Option<Url> {
    let url: Url = format!("{scheme}://{host}/v2/").parse().ok()?;
    let plain = url.path() == "/v2/" && url.username().is_empty() && url.password().is_none();
    (plain && url.query().is_none() && url.fragment().is_none()).then_some(url)
}

/// `host` or `host:port`, as settings name it.
pub(super) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

pub(super) fn is_loopback(url: &Url) -> bool {
    url.host_str() == Some("localhost") || loopback_address(url).is_some()
}

/// The host, if it is an address of the loopback.
pub(super) fn loopback_address(url: &Url) -> Option<IpAddr> {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.ok().filter(IpAddr::is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_names_its_registry_in_many_ways() {
        for (address, expected) in [
            ("", "registry-1.docker.io"),
            ("https://index.docker.io/v1/", "registry-1.docker.io"),
            ("docker.io", "registry-1.docker.io"),
            ("localhost:5000", "localhost:5000"),
            ("https://a.example/v2/", "a.example"),
            ("http://[::1]:5000", "[::1]:5000"),
        ] {
            assert_eq!(Origin::of_address(address).unwrap().host, expected, "{address}");
        }
        for address in ["ftp://a", "a b", "https://u:p@a", "a?b"] {
            Origin::of_address(address).unwrap_err();
        }
    }

    #[test]
    fn a_mirror_is_a_host_or_a_url_without_a_path() {
        let mirror = Origin::of_mirror("http://m:5000/").unwrap();
        assert_eq!((mirror.scheme, mirror.host.as_str()), (Some("http"), "m:5000"));
        assert_eq!(Origin::of_mirror("m").unwrap().scheme, None);
        for address in ["https://m/path", "ftp://m", "", "m/path"] {
            Origin::of_mirror(address).unwrap_err();
        }
    }
}
