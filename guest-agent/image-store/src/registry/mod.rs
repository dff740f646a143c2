//! The registry client: OCI distribution over HTTP.
//!
//! A [`Session`] is a conversation with one registry for one [`Purpose`]: it finds out the
//! scheme, answers authentication challenges and follows redirects; [`BlobDownload`] is a
//! layer's bytes, taken up again where a connection broke. The same clients fetch files of other
//! web servers, too.

mod auth;
mod blob;
mod catalogue;
mod certificates;
mod challenge;
mod config;
mod connect;
mod error;
mod manifest;
mod origin;
mod patience;
mod proxy;
mod purpose;
mod session;
mod tags;
mod upload;
mod verify;
mod web;

pub(crate) use blob::{BlobDownload, Download};
pub use catalogue::{FoundRepository, Mark};
pub use config::{ClientIdentity, Credentials, HostConfig, Proxies, RegistryConfig};
pub(crate) use connect::Connector;
pub use error::RegistryError;
pub(crate) use manifest::{
    DOCKER_LIST, DOCKER_MANIFEST, Descriptor, ImageManifest, ManifestDocument, OCI_INDEX,
    OCI_MANIFEST, Parsed, choose,
};
pub(crate) use origin::Origin;
pub(crate) use purpose::Purpose;
pub(crate) use session::Session;
pub(crate) use upload::{Appended, Upload};
pub use web::{WebError, WebFile, WebRequest, WebUrl};
