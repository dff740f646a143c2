//! What a registry is spoken to for, and what that is called where it refuses.

use reqwest::Response;
use serde::Deserialize;

use super::challenge::Challenge;
use super::error::RegistryError;
use super::session::{Session, body};
use crate::reference::ImageReference;

const MAX_ERROR_BODY: u64 = 64 << 10;
/// A registry's words in an error message.
const MAX_MESSAGE: usize = 300;
const DENIED: &str = "requested access to the resource is denied";
const NEEDED: &str = "authentication required";

/// What is asked of a registry.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    /// To read an image.
    Pull(ImageReference),
    /// To write one.
    Push {
        reference: ImageReference,
        /// Other repositories there that it may have layers from.
        sources: Vec<String>,
    },
    /// To be known.
    Login,
    /// To list repositories.
    Catalogue,
}

impl Purpose {
    pub(crate) fn reference(&self) -> Option<&ImageReference> {
        match self {
            Self::Pull(reference) | Self::Push { reference, .. } => Some(reference),
            Self::Login | Self::Catalogue => None,
        }
    }

    /// What a token is to permit. It is ours, not the challenge's: a registry must not get a
    /// token for another's repository out of the user's credentials.
    pub(super) fn scopes(&self) -> Vec<String> {
        match self {
            Self::Pull(reference) => vec![format!("repository:{}:pull", reference.repository())],
            Self::Push { reference, sources } => {
                let own = format!("repository:{}:pull,push", reference.repository());
                let others = sources.iter().map(|source| format!("repository:{source}:pull"));
                std::iter::once(own).chain(others).collect()
            }
            Self::Login => Vec::new(),
            Self::Catalogue => vec!["registry:catalog:*".to_owned()],
        }
    }
}

/// The errors of the distribution specification.
#[derive(Deserialize)]
struct ErrorBody {
    errors: Vec<ErrorItem>,
}

#[derive(Default, Deserialize)]
struct ErrorItem {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Session {
    /// What a refusal means, in Docker's words.
    pub(super) async fn failure(&self, response: Response) -> RegistryError {
        let status = response.status();
        let url = response.url().path().to_owned();
        let challenge = Challenge::from_headers(response.headers());
        let content = body(response, MAX_ERROR_BODY).await.ok().flatten().unwrap_or_default();
        let first = serde_json::from_slice::<ErrorBody>(&content)
            .ok()
            .and_then(|body| body.errors.into_iter().next())
            .unwrap_or_default();
        let message = |default: &str| match first.message.as_str() {
            "" => default.to_owned(),
            text => printable(text),
        };
        let registry = self.registry();
        let scope_too_small = matches!(
            challenge,
            Some(Challenge::Bearer { error: Some(error), .. }) if error == "insufficient_scope"
        );
        let reference = self.purpose().reference();
        match (first.code.as_str(), status.as_u16(), reference) {
            ("MANIFEST_UNKNOWN", _, Some(reference)) => RegistryError::ManifestUnknown {
                reference: reference.familiar(),
                message: message("manifest unknown"),
            },
            ("NAME_UNKNOWN", _, Some(reference)) => RegistryError::NameUnknown {
                repository: reference.familiar_name(),
                message: message("repository name not known to registry"),
            },
            ("TOOMANYREQUESTS", ..) | (_, 429, _) => {
                RegistryError::RateLimited { message: message("too many requests") }
            }
            (_, 401, _) if scope_too_small => self.denied(DENIED.to_owned()),
            ("DENIED", ..) | (_, 403, _) => self.denied(message(DENIED)),
            ("UNAUTHORIZED", ..) | (_, 401, _) => self.unauthorized(message(NEEDED)),
            _ => RegistryError::Status {
                registry,
                status: status.as_u16(),
                url,
                message: message(status.canonical_reason().unwrap_or("no reason given")),
            },
        }
    }

    fn denied(&self, message: String) -> RegistryError {
        match self.purpose() {
            Purpose::Pull(reference) => {
                RegistryError::Denied { repository: reference.familiar_name(), message }
            }
            Purpose::Push { .. } if self.credentials().is_empty() => {
                RegistryError::NoCredentials { registry: self.registry(), what: "denied", message }
            }
            Purpose::Push { .. } => RegistryError::PushDenied { message },
            Purpose::Login => self.login_refused(message),
            Purpose::Catalogue => {
                RegistryError::Unauthorized { registry: self.registry(), message }
            }
        }
    }

    /// Nobody, or nobody known, asked.
    pub(super) fn unauthorized(&self, message: String) -> RegistryError {
        let registry = self.registry();
        match self.purpose() {
            // Registries hide from strangers whether a repository exists.
            Purpose::Pull(_) if self.credentials().is_empty() => self.denied(DENIED.to_owned()),
            Purpose::Push { .. } | Purpose::Catalogue if self.credentials().is_empty() => {
                RegistryError::NoCredentials { registry, what: "unauthorized", message }
            }
            Purpose::Login => self.login_refused(message),
            _ => RegistryError::Unauthorized { registry, message },
        }
    }

    /// The same for a registry that wants a password, and there is none.
    pub(super) fn no_password(&self) -> RegistryError {
        match self.purpose() {
            Purpose::Push { .. } => self.unauthorized("no basic auth credentials".to_owned()),
            _ => self.unauthorized(NEEDED.to_owned()),
        }
    }

    fn login_refused(&self, message: String) -> RegistryError {
        RegistryError::LoginRefused { url: self.base().to_string(), message }
    }
}

/// A registry's words are not trusted on a terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(MAX_MESSAGE).collect()
}
