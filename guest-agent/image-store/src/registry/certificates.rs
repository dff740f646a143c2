//! Certificates for one registry: its own authorities, and who we are to it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder};

use super::config::{ClientIdentity, RegistryConfig};
use super::connect::certificates;
use super::error::RegistryError;

/// What the settings and the directory of certificates have for one registry.
#[derive(Debug, Default)]
pub(super) struct OwnCertificates {
    /// PEM each.
    pub(super) authorities: Vec<Vec<u8>>,
    pub(super) identity: Option<ClientIdentity>,
    /// Whether some came from the directory.
    pub(super) from_files: bool,
}

impl OwnCertificates {
    /// `None` when there are none.
    pub(super) fn of(config: &RegistryConfig, domain: &str) -> Result<Option<Self>, RegistryError> {
        let mut own = Self::default();
        if let Some(host) = config.hosts.get(domain) {
            own.authorities.extend(host.ca_pem.clone());
            own.identity.clone_from(&host.identity);
        }
        // A name from a reference has neither slashes nor leads upward.
        if let Some(directory) = config.certificates.as_ref().filter(|_| is_file_name(domain)) {
            own.add_files(&directory.join(domain))?;
        }
        Ok((!own.authorities.is_empty() || own.identity.is_some()).then_some(own))
    }

    /// As Docker: `*.crt` are authorities, `*.cert` our certificates, each with its `*.key`.
    fn add_files(&mut self, directory: &Path) -> Result<(), RegistryError> {
        let failed = |path: &Path| {
            let place = path.display().to_string();
            move |error: std::io::Error| certificates(&place, &error)
        };
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Ok(());
            }
            Err(error) => return Err(failed(directory)(error)),
        };
        let mut paths = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<Vec<PathBuf>, _>>()
            .map_err(failed(directory))?;
        paths.sort();
        let read = |path: &Path| fs::read(path).map_err(failed(path));
        for path in paths {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => self.authorities.push(read(&path)?),
                Some("cert") => {
                    let key_pem = read(&path.with_extension("key"))?;
                    let certificate_pem = read(&path)?;
                    self.identity = Some(ClientIdentity { certificate_pem, key_pem });
                }
                _ => continue,
            }
            self.from_files = true;
        }
        Ok(())
    }
}

impl ClientIdentity {
    /// Shows the certificate to a server that asks for one.
    pub(super) fn present(
        &self,
        builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    ) -> Result<ClientConfig, RegistryError> {
        let place = "our certificate and key";
        let chain = CertificateDer::pem_slice_iter(&self.certificate_pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| certificates(place, &error))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key_pem)
            .map_err(|error| certificates(place, &error))?;
        builder.with_client_auth_cert(chain, key).map_err(|error| certificates(place, &error))
    }
}

fn is_file_name(domain: &str) -> bool {
    !domain.is_empty() && !domain.starts_with('.') && !domain.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_found_by_their_endings() {
        let directory = tempfile::tempdir().unwrap();
        let host = directory.path().join("a:5000");
        fs::create_dir(&host).unwrap();
        fs::write(host.join("ca.crt"), "authority").unwrap();
        fs::write(host.join("client.cert"), "certificate").unwrap();
        fs::write(host.join("notes.txt"), "").unwrap();
        let config = RegistryConfig {
            certificates: Some(directory.path().to_owned()),
            ..RegistryConfig::default()
        };
        let error = OwnCertificates::of(&config, "a:5000").unwrap_err().to_string();
        assert!(error.contains("client.key"), "{error}");
        fs::write(host.join("client.key"), "key").unwrap();
        let own = OwnCertificates::of(&config, "a:5000").unwrap().unwrap();
        assert_eq!(own.authorities, [b"authority"]);
        assert_eq!(own.identity.unwrap().key_pem, b"key");
        assert!(OwnCertificates::of(&config, "b").unwrap().is_none());
        assert!(OwnCertificates::of(&config, "..").unwrap().is_none());
    }
}
