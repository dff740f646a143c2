//! HTTP clients: name resolution without the C library, and TLS with `ring`.
//!
//! The agent is a static binary, in which `getaddrinfo` does not work: names are
//! resolved by `hickory` from `/etc/resolv.conf` and `/etc/hosts`.

use std::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use reqwest::Client;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::sync::OnceCell;

use super::config::RegistryConfig;
use super::error::RegistryError;

const CONNECT_DEADLINE: Duration = Duration::from_secs(20);
/// No byte for this long is a broken connection.
const SILENCE_DEADLINE: Duration = Duration::from_mins(1);

/// Makes the HTTP clients when they are first needed, and keeps them: connections are reused.
#[derive(Debug)]
pub(crate) struct Connector {
    config: RegistryConfig,
    verifying: OnceCell<Client>,
    trusting: OnceCell<Client>,
}

impl Connector {
    pub(crate) fn new(config: RegistryConfig) -> Self {
        Self { config, verifying: OnceCell::new(), trusting: OnceCell::new() }
    }

    pub(super) fn config(&self) -> &RegistryConfig {
        &self.config
    }

    /// A client that checks certificates, or one for registries marked insecure.
    pub(super) async fn client(&self, verify: bool) -> Result<Client, RegistryError> {
        let cell = if verify { &self.verifying } else { &self.trusting };
        cell.get_or_try_init(|| async { self.build(verify) }).await.cloned()
    }

    fn build(&self, verify: bool) -> Result<Client, RegistryError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| certificates("ring", &error))?;
        let tls = if verify {
            builder.with_root_certificates(self.roots()?).with_no_client_auth()
        } else {
            let verifier = Arc::new(TrustAnyone { provider });
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        };
        Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(SystemNames)
            .redirect(Policy::none())
            .connect_timeout(CONNECT_DEADLINE)
            .read_timeout(SILENCE_DEADLINE)
            .user_agent(concat!("naru/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| RegistryError::unreachable("TLS".to_owned(), &error))
    }

    fn roots(&self) -> Result<RootCertStore, RegistryError> {
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
        for pem in &self.config.extra_ca_pem {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let place = "the settings";
                let certificate = certificate.map_err(|error| certificates(place, &error))?;
                roots.add(certificate).map_err(|error| certificates(place, &error))?;
            }
        }
        Ok(roots)
    }
}

fn certificates(place: &str, error: &dyn Error) -> RegistryError {
    RegistryError::Certificates { place: place.to_owned(), reason: error.to_string() }
}

/// Looks names up in `/etc/hosts` and by the servers of `/etc/resolv.conf`. Both files are
/// read anew for each name: they change when a laptop changes networks.
#[derive(Debug)]
struct SystemNames;

impl Resolve for SystemNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            if name.as_str() == "localhost" {
                let loopback: [IpAddr; 2] =
                    [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
                return Ok(addresses(loopback.to_vec()));
            }
            let resolver = TokioResolver::builder_tokio()?.build()?;
            let found = resolver.lookup_ip(name.as_str()).await?;
            Ok(addresses(found.iter().collect()))
        })
    }
}

/// The port is the URL's.
fn addresses(found: Vec<IpAddr>) -> Addrs {
    Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)))
}

/// For registries marked insecure: any certificate will do. Signatures are still checked,
/// so that the connection is at least with whoever showed the certificate.
#[derive(Debug)]
struct TrustAnyone {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for TrustAnyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
