//! HTTP clients: name resolution without the C library, and TLS with `ring`.
//!
//! The agent is a static binary, in which `getaddrinfo` does not work: names are
//! resolved by `hickory` from `/etc/resolv.conf` and `/etc/hosts`.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::net::NetError;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::HOST;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Url};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::certificates::OwnCertificates;
use super::config::RegistryConfig;
use super::error::RegistryError;
use super::origin::{base, host, is_loopback, loopback_address};
use super::verify::{TrustAnyone, UnderAddress};

const CONNECT_DEADLINE: Duration = Duration::from_secs(20);
/// No byte for this long is a broken connection.
pub(super) const SILENCE_DEADLINE: Duration = Duration::from_mins(1);

/// The present settings; what is under way goes on with those it began with.
#[derive(Debug)]
pub(crate) struct Connector(RwLock<Arc<Wiring>>);

impl Connector {
    pub(crate) fn new(config: RegistryConfig) -> Self {
        Self(RwLock::new(Arc::new(Wiring::new(config))))
    }

    /// Takes other settings, if clients can be made of them.
    pub(crate) fn reconfigure(&self, config: RegistryConfig) -> Result<(), RegistryError> {
        let wiring = Wiring::new(config);
        for domain in wiring.config.hosts.keys().map(String::as_str).chain([""]) {
            wiring.client(domain, true, false)?;
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(wiring);
        Ok(())
    }

    pub(crate) fn wiring(&self) -> Arc<Wiring> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a client is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Use {
    /// The registry whose own settings hold, if it has any.
    domain: Option<String>,
    /// Whether its certificate is checked.
    verify: bool,
    /// Whether an answer may be a long time in coming: that of an upload comes after it.
    patient: bool,
}

/// Makes the HTTP clients when they are first needed, and keeps them: connections are reused.
#[derive(Debug)]
pub(crate) struct Wiring {
    config: RegistryConfig,
    clients: Mutex<HashMap<Use, Client>>,
}

impl Wiring {
    fn new(config: RegistryConfig) -> Self {
        Self { config, clients: Mutex::default() }
    }

    pub(crate) fn config(&self) -> &RegistryConfig {
        &self.config
    }

    /// A client for the registry `domain`, that checks certificates unless it is insecure.
    pub(super) fn client(
        &self,
        domain: &str,
        verify: bool,
        patient: bool,
    ) -> Result<Client, RegistryError> {
        let own = OwnCertificates::of(&self.config, domain)?;
        let has_own = self.config.hosts.contains_key(domain);
        let domain = (has_own || own.is_some()).then(|| domain.to_owned());
        let wanted = Use { domain, verify, patient };
        // Certificates in files are read each time, as Docker does: they come and are renewed.
        if own.as_ref().is_some_and(|own| own.from_files) {
            return self.build(&wanted, own.as_ref());
        }
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&wanted) {
            return Ok(client.clone());
        }
        let client = self.build(&wanted, own.as_ref())?;
        clients.insert(wanted, client.clone());
        Ok(client)
    }

    /// Whether `domain` has certificates of its own, so that it is not plain HTTP.
    pub(super) fn has_certificates(&self, domain: &str) -> Result<bool, RegistryError> {
        Ok(OwnCertificates::of(&self.config, domain)?.is_some())
    }

    /// A client for a host that is not the registry which is spoken to.
    pub(super) fn client_for_stranger(
        &self,
        url: &Url,
        patient: bool,
    ) -> Result<Client, RegistryError> {
        let host = host(url);
        let verify = !is_loopback(url) && !self.config.is_insecure(&host);
        self.client(&host, verify, patient)
    }

    /// A request to `url`. In the VM what is on the host's loopback is reached at another address,
    /// under its own name. The name `localhost` leads there by itself.
    pub(super) fn dialled(&self, client: &Client, method: Method, url: &Url) -> RequestBuilder {
        let mut target = url.clone();
        match self.config.localhost {
            Some(there) if loopback_address(url).is_some() && target.set_ip_host(there).is_ok() => {
                client.request(method, target).header(HOST, host(url))
            }
            _ => client.request(method, target),
        }
    }

    fn build(&self, wanted: &Use, own: Option<&OwnCertificates>) -> Result<Client, RegistryError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| certificates("ring", &error))?;
        let builder = match self.name_of_loopback(wanted) {
            _ if !wanted.verify => {
                let verifier = Arc::new(TrustAnyone::new(provider));
                builder.dangerous().with_custom_certificate_verifier(verifier)
            }
            Some(address) => {
                let verifier = UnderAddress::new(address, self.roots(own)?, provider)?;
                builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
            }
            None => builder.with_root_certificates(self.roots(own)?),
        };
        let tls = match own.and_then(|own| own.identity.as_ref()) {
            Some(identity) => identity.present(builder)?,
            None => builder.with_no_client_auth(),
        };
        let mut client = Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(SystemNames { localhost: self.config.localhost })
            .redirect(Policy::none())
            .connect_timeout(CONNECT_DEADLINE)
            .user_agent(concat!("naru/", env!("CARGO_PKG_VERSION")))
            .no_proxy();
        if !wanted.patient {
            client = client.read_timeout(SILENCE_DEADLINE);
        }
        for proxy in self.config.proxies_for(wanted.domain.as_deref())? {
            client = client.proxy(proxy);
        }
        client.build().map_err(|error| RegistryError::unreachable("TLS".to_owned(), &error))
    }

    /// The address that a registry's name is, where another one is dialled for it.
    fn name_of_loopback(&self, wanted: &Use) -> Option<IpAddr> {
        self.config.localhost?;
        loopback_address(&base("https", wanted.domain.as_deref()?)?)
    }

    fn roots(&self, own: Option<&OwnCertificates>) -> Result<RootCertStore, RegistryError> {
        let mut roots = RootCertStore::empty();
        let bundle = &self.config.ca_bundle;
        match fs::read(bundle) {
            // Some bundle always has a certificate that rustls does not like.
            Ok(pem) => {
                roots.add_parsable_certificates(
                    CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok),
                );
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(certificates(&bundle.display().to_string(), &error)),
        }
        let everyones = self.config.extra_ca_pem.iter();
        for pem in everyones.chain(own.iter().flat_map(|own| &own.authorities)) {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let place = "the settings";
                let certificate = certificate.map_err(|error| certificates(place, &error))?;
                roots.add(certificate).map_err(|error| certificates(place, &error))?;
            }
        }
        Ok(roots)
    }
}

pub(super) fn certificates(place: &str, error: &dyn Error) -> RegistryError {
    RegistryError::Certificates { place: place.to_owned(), reason: error.to_string() }
}

/// Looks names up in `/etc/hosts` and by the servers of `/etc/resolv.conf`. Both files are
/// read anew for each name: they change when a laptop changes networks.
#[derive(Debug)]
struct SystemNames {
    /// In the VM: where the host's loopback is.
    localhost: Option<IpAddr>,
}

impl Resolve for SystemNames {
    fn resolve(&self, name: Name) -> Resolving {
        let localhost = match self.localhost {
            Some(address) => vec![address],
            None => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        };
        Box::pin(async move {
            if name.as_str() == "localhost" {
                return Ok(addresses(localhost));
            }
            let resolver = TokioResolver::builder_tokio()?.build()?;
            let found = resolver.lookup_ip(name.as_str()).await;
            let found = found.map_err(|error| LookupError::new(name.as_str(), &error))?;
            Ok(addresses(found.iter().collect()))
        })
    }
}

/// No address for a name, in Docker's words. It has no cause of its own, for the innermost one is
/// what is shown, and the resolver's is a dump of its query.
#[derive(Debug, thiserror::Error)]
#[error("lookup {name}: {reason}")]
struct LookupError {
    name: String,
    reason: String,
}

impl LookupError {
    fn new(name: &str, error: &NetError) -> Self {
        let reason =
            if error.is_no_records_found() { "no such host".to_owned() } else { error.to_string() };
        Self { name: name.to_owned(), reason }
    }
}

/// The port is the URL's.
fn addresses(found: Vec<IpAddr>) -> Addrs {
    Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)))
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, ensure};

    use super::*;

    async fn failed(url: &str) -> anyhow::Result<String> {
        let wiring = Wiring::new(RegistryConfig::default());
        let sent = wiring.client("", true, false)?.get(url).send().await;
        let error = sent.err().context("there is an answer")?;
        Ok(RegistryError::unreachable("there".to_owned(), &error).to_string())
    }

    #[tokio::test]
    async fn a_name_that_nobody_has_is_said_to_be_no_host() -> anyhow::Result<()> {
        // The resolver knows without asking that nothing is called so (RFC 6761), and with the dot
        // it tries no domain of the system's.
        let said = failed("http://registry.invalid./v2/").await?;
        let expected = "there cannot be reached: lookup registry.invalid.: no such host";
        ensure!(said == expected, "{said}");
        Ok(())
    }

    #[test]
    fn a_lookup_that_fails_does_not_say_that_there_is_no_host() {
        let error = LookupError::new("registry.example", &NetError::Timeout);
        assert_eq!(error.to_string(), "lookup registry.example: request timed out");
    }
}
