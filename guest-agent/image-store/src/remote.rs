//! What is asked of registries besides images themselves.

use std::collections::BTreeMap;

use crate::config::CheckedConfig;
use crate::digest::Digest;
use crate::error::ImageError;
use crate::platform::Platform;
use crate::pull::configuration;
use crate::reference::ImageReference;
use crate::registry::{
    Credentials, Descriptor, FoundRepository, ImageManifest, Mark, Origin, Parsed, Purpose,
    RegistryConfig, Session, WebFile, WebRequest, WebUrl,
};
use crate::store::ImageStore;

/// Entries of an index that are looked into; none in use has as many.
const MAX_ENTRIES: usize = 64;
const HUB_DOMAIN: &str = "docker.io";

/// What a reference leads to in its registry.
#[derive(Clone, Debug)]
pub struct Distributed {
    /// The digest of the manifest or index.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its size in bytes.
    pub size: u64,
    /// What it has images for.
    pub images: Vec<DistributedImage>,
}

/// One image of what a reference leads to.
#[derive(Clone, Debug)]
pub struct DistributedImage {
    /// What it runs on.
    pub platform: Platform,
    /// The digest of its manifest.
    pub digest: Digest,
    /// Bytes to download: its layers and its configuration, compressed. Of an index's entry
    /// only where it was looked into.
    pub size: Option<u64>,
}

impl ImageStore {
    /// Takes other settings for registries, if they can be used; what is under way goes on
    /// with the old ones.
    pub fn reconfigure(&self, config: RegistryConfig) -> Result<(), ImageError> {
        for mirror in config.hosts.values().flat_map(|host| &host.mirrors) {
            Origin::of_mirror(mirror)?;
        }
        Origin::of_mirror(&config.index)?;
        Ok(self.connector().reconfigure(config)?)
    }

    /// The present settings for registries.
    pub fn registry_config(&self) -> RegistryConfig {
        self.connector().wiring().config().clone()
    }

    /// Asks a web server for a file.
    pub async fn fetch(&self, url: &WebUrl) -> Result<WebFile, ImageError> {
        self.ask_web(url, &WebRequest::default()).await
    }

    /// Asks a web server for more than a file.
    pub async fn ask_web(&self, url: &WebUrl, request: &WebRequest) -> Result<WebFile, ImageError> {
        Ok(self.connector().fetch(url, request).await?)
    }

    /// Finds out whether credentials are good at the registry that `docker login` names by
    /// `address`. Gives a token that may stand for the password, or an empty text.
    pub async fn login(
        &self,
        address: &str,
        credentials: &Credentials,
    ) -> Result<String, ImageError> {
        let origin = Origin::of_address(address)?;
        let purpose = Purpose::Login;
        let session =
            Session::open_at(self.connector(), origin, purpose, Some(credentials)).await?;
        Ok(session.login().await?)
    }

    /// What `reference` leads to, without pulling it. With `sizes` the entries of an index
    /// are looked into.
    pub async fn distributed(
        &self,
        reference: &ImageReference,
        credentials: Option<&Credentials>,
        sizes: bool,
    ) -> Result<Distributed, ImageError> {
        let session = Session::open(self.connector(), reference, credentials).await?;
        let familiar = reference.familiar();
        let document = session.named_manifest(reference).await?;
        let images = match document.parse(&familiar)? {
            Parsed::Image(manifest) => {
                let config = CheckedConfig::parse(&session.config(&manifest.config).await?)?;
                let (platform, digest) = (config.platform(), document.digest.clone());
                vec![DistributedImage { platform, digest, size: Some(size(&manifest)) }]
            }
            Parsed::Index(entries) => {
                let mut images = Vec::new();
                for entry in entries.iter().take(MAX_ENTRIES) {
                    images.extend(image(&session, &familiar, entry, sizes).await?);
                }
                images
            }
        };
        Ok(Distributed {
            size: document.content.len() as u64,
            digest: document.digest,
            media_type: document.media_type,
            images,
        })
    }

    /// The configuration of the image that `reference` leads to for a platform, without pulling
    /// it. As with a pull, mirrors are asked first.
    pub async fn configuration(
        &self,
        reference: &ImageReference,
        platform: &Platform,
        credentials: Option<&Credentials>,
    ) -> Result<Vec<u8>, ImageError> {
        let wiring = self.connector().wiring();
        let settings = wiring.config().hosts.get(reference.domain());
        for mirror in settings.map(|host| host.mirrors.as_slice()).unwrap_or_default() {
            let (origin, purpose) = (Origin::of_mirror(mirror)?, Purpose::Pull(reference.clone()));
            let session = Session::open_at(self.connector(), origin, purpose, None).await;
            if let Ok(session) = session
                && let Ok(config) = configuration(&session, reference, platform).await
            {
                return Ok(config);
            }
        }
        let session = Session::open(self.connector(), reference, credentials).await?;
        configuration(&session, reference, platform).await
    }

    /// Repositories that have to do with `term`: of Docker Hub, or, where it begins with a
    /// registry (`host:5000/word`, `host:5000/`), of that.
    pub async fn search(
        &self,
        term: &str,
        limit: usize,
        credentials: Option<&Credentials>,
    ) -> Result<Vec<FoundRepository>, ImageError> {
        let (domain, word) = sought(term);
        let connector = self.connector();
        if domain == HUB_DOMAIN {
            let origin = Origin::of_mirror(&connector.wiring().config().index)?;
            // Everybody may search there, and what we know of the user is for the registry.
            let session = Session::open_at(connector, origin, Purpose::Catalogue, None).await?;
            return Ok(session.search_index(word, limit).await?);
        }
        let origin = Origin::of_address(domain)?;
        let session = Session::open_at(connector, origin, Purpose::Catalogue, credentials).await?;
        let names = session.catalogue(word, limit).await?;
        Ok(names
            .into_iter()
            .map(|name| FoundRepository {
                name: format!("{domain}/{name}"),
                description: None,
                star_count: 0,
                is_official: false,
            })
            .collect())
    }

    /// What Docker Hub vouches for of that which a search for `term` finds there, by name. Other
    /// registries tell nothing of the kind.
    pub async fn marks(
        &self,
        term: &str,
        limit: usize,
    ) -> Result<BTreeMap<String, Mark>, ImageError> {
        let (HUB_DOMAIN, word) = sought(term) else { return Ok(BTreeMap::new()) };
        let connector = self.connector();
        let origin = Origin::of_mirror(connector.wiring().config().hub())?;
        let session = Session::open_at(connector, origin, Purpose::Catalogue, None).await?;
        Ok(session.marks(word, limit).await?)
    }
}

/// The registry in which `term` is looked for, and the word that is.
fn sought(term: &str) -> (&str, &str) {
    match term.split_once('/') {
        Some((HUB_DOMAIN | "index.docker.io", rest)) => (HUB_DOMAIN, rest),
        Some((head, rest)) if head.contains(['.', ':']) || head == "localhost" => (head, rest),
        _ => (HUB_DOMAIN, term),
    }
}

/// An index's entry, unless it is about another entry, such as how that was built.
async fn image(
    session: &Session,
    familiar: &str,
    entry: &Descriptor,
    sizes: bool,
) -> Result<Option<DistributedImage>, ImageError> {
    let Some(platform) = entry.platform.clone().map(Platform::from) else { return Ok(None) };
    if sizes && platform.architecture == "unknown" {
        return Ok(None);
    }
    let size = match sizes.then_some(session.entry_manifest(entry)) {
        Some(document) => match document.await?.parse(familiar)? {
            Parsed::Image(manifest) => Some(size(&manifest)),
            Parsed::Index(_) => None,
        },
        None => None,
    };
    Ok(Some(DistributedImage { platform, digest: entry.digest.clone(), size }))
}

fn size(manifest: &ImageManifest) -> u64 {
    let layers = manifest.layers.iter().map(|layer| layer.size);
    layers.fold(manifest.config.size, u64::saturating_add)
}
