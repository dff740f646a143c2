//! The registry client: OCI distribution over HTTP, read side.
//!
//! A [`Session`] is one pull's conversation with one registry: it finds out the scheme,
//! answers authentication challenges and follows redirects; [`BlobDownload`] is a layer's
//! bytes, taken up again where a connection broke.

mod auth;
mod blob;
mod challenge;
mod config;
mod connect;
mod error;
mod manifest;
mod session;
mod tags;

pub(crate) use blob::{BlobDownload, Download};
pub use config::{Credentials, RegistryConfig};
pub(crate) use connect::Connector;
pub use error::RegistryError;
pub(crate) use manifest::{Descriptor, ImageManifest, ManifestDocument, Parsed, choose};
pub(crate) use session::Session;
