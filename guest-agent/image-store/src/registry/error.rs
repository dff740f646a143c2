//! What a registry, or the way to it, can do wrong.

use naru_error::ErrorKind;

use crate::digest::Digest;

/// A failure while speaking to a registry.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The repository does not exist, or only for others.
    #[error(
        "pull access denied for {repository}, repository does not exist or may require \
         'docker login': denied: {message}"
    )]
    Denied {
        /// The familiar repository name.
        repository: String,
        /// The registry's words.
        message: String,
    },
    /// The registry has no such repository.
    #[error("repository {repository} not found: name unknown: {message}")]
    NameUnknown {
        /// The familiar repository name.
        repository: String,
        /// The registry's words.
        message: String,
    },
    /// The repository has no such tag or digest.
    #[error("manifest for {reference} not found: manifest unknown: {message}")]
    ManifestUnknown {
        /// The familiar reference.
        reference: String,
        /// The registry's words.
        message: String,
    },
    /// The credentials are wrong, or are needed and missing.
    #[error("{registry}: unauthorized: {message}")]
    Unauthorized {
        /// The registry's host.
        registry: String,
        /// The registry's words.
        message: String,
    },
    /// The user may not write there.
    #[error("denied: {message}")]
    PushDenied {
        /// The registry's words.
        message: String,
    },
    /// It takes a user, and there was none.
    #[error("{what}: {message}: log in to {registry} first ('docker login')")]
    NoCredentials {
        /// The registry's host.
        registry: String,
        /// `denied` or `unauthorized`, as it said.
        what: &'static str,
        /// The registry's words.
        message: String,
    },
    /// Name and password are wrong, or not enough.
    #[error("login attempt to {url} failed with status: 401 Unauthorized: {message}")]
    LoginRefused {
        /// What was asked for.
        url: String,
        /// The registry's words.
        message: String,
    },
    /// What should name a registry does not.
    #[error("invalid registry address {address:?}: want host[:port]")]
    Address {
        /// The address.
        address: String,
    },
    /// A proxy in the settings has no usable URL.
    #[error("the proxy for registries is no URL")]
    Proxy,
    /// Too many requests.
    #[error("toomanyrequests: {message}")]
    RateLimited {
        /// The registry's words.
        message: String,
    },
    /// No connection, or it broke for good.
    #[error("{registry} cannot be reached: {reason}")]
    Unreachable {
        /// The registry's host.
        registry: String,
        /// Why: the innermost cause, as the layers above repeat it in their own words.
        reason: String,
    },
    /// An answer that is none of the expected ones.
    #[error("{registry} answers {status} to {url}: {message}")]
    Status {
        /// The registry's host.
        registry: String,
        /// The HTTP status.
        status: u16,
        /// What was asked for.
        url: String,
        /// The registry's words.
        message: String,
    },
    /// An answer that breaks the protocol.
    #[error("{registry} breaks the registry protocol: {reason}")]
    Protocol {
        /// The registry's host.
        registry: String,
        /// In what.
        reason: String,
    },
    /// A manifest of the format that was given up in 2016.
    #[error(
        "{reference} has a manifest of the obsolete schema 1, which is not supported; \
         push the image again with a current tool"
    )]
    Schema1 {
        /// The familiar reference.
        reference: String,
    },
    /// Something other than a container image.
    #[error("{reference} is no container image: unsupported media type {media_type}")]
    MediaType {
        /// The familiar reference.
        reference: String,
        /// The media type found.
        media_type: String,
    },
    /// An index without an entry that fits.
    #[error("no matching manifest for {platform} in the manifest list entries of {reference}")]
    NoPlatform {
        /// The platform asked for.
        platform: String,
        /// The familiar reference.
        reference: String,
    },
    /// Content that does not have the digest it was asked for by.
    #[error("{what} has the digest {actual}, but {expected} was asked for")]
    DigestMismatch {
        /// Manifest, configuration or layer.
        what: &'static str,
        /// The digest of what came.
        actual: Digest,
        /// The digest that was promised.
        expected: Digest,
    },
    /// Content that does not have the size its descriptor says.
    #[error("{what} {digest} has {actual} bytes, but its descriptor says {expected}")]
    SizeMismatch {
        /// Manifest, configuration or layer.
        what: &'static str,
        /// The content's digest.
        digest: Digest,
        /// How many came, at least.
        actual: u64,
        /// How many were promised.
        expected: u64,
    },
    /// A manifest or configuration larger than any real one.
    #[error("{what} of {reference} is larger than {limit} bytes")]
    TooLarge {
        /// Manifest or configuration.
        what: &'static str,
        /// The familiar reference.
        reference: String,
        /// The limit.
        limit: u64,
    },
    /// A configured certificate cannot be used.
    #[error("certificate cannot be read from {place}: {reason}")]
    Certificates {
        /// Where it came from.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl RegistryError {
    pub(super) fn unreachable(registry: String, error: &reqwest::Error) -> Self {
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        Self::Unreachable { registry, reason: cause.to_string() }
    }

    /// The closed kind that statuses and exit codes derive from.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Denied { .. } | Self::NameUnknown { .. } | Self::ManifestUnknown { .. } => {
                ErrorKind::NotFound
            }
            Self::NoPlatform { .. } => ErrorKind::NotFound,
            Self::Unauthorized { .. } | Self::NoCredentials { .. } | Self::LoginRefused { .. } => {
                ErrorKind::Unauthorized
            }
            Self::PushDenied { .. } => ErrorKind::Forbidden,
            Self::Address { .. } | Self::Proxy => ErrorKind::InvalidArgument,
            Self::RateLimited { .. } | Self::Unreachable { .. } => ErrorKind::Unavailable,
            Self::Schema1 { .. } | Self::MediaType { .. } => ErrorKind::Unsupported,
            Self::Status { .. }
            | Self::Protocol { .. }
            | Self::DigestMismatch { .. }
            | Self::SizeMismatch { .. }
            | Self::TooLarge { .. }
            | Self::Certificates { .. } => ErrorKind::Internal,
        }
    }
}
