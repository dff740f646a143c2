//! One pull's conversation with one registry.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use reqwest::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderValue, LOCATION, RANGE};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;

use super::challenge::Challenge;
use super::config::Credentials;
use super::connect::Connector;
use super::error::RegistryError;
use crate::reference::ImageReference;

const HUB_DOMAIN: &str = "docker.io";
const HUB_REGISTRY: &str = "registry-1.docker.io";
const MAX_REDIRECTS: usize = 5;
const MAX_ERROR_BODY: u64 = 64 << 10;
/// A registry's words in an error message.
const MAX_MESSAGE: usize = 300;

/// The registry as it answers to one reference.
#[derive(Debug)]
pub(crate) struct Session {
    client: Client,
    /// `https://host/v2/`.
    base: Url,
    reference: ImageReference,
    credentials: Credentials,
    /// Where the host's loopback is dialled, if that is where the registry is.
    localhost: Option<IpAddr>,
    answer: Mutex<Option<HeaderValue>>,
}

/// A way the registry may be spoken to.
struct Endpoint {
    scheme: &'static str,
    verify: bool,
}

impl Session {
    /// Finds out how `reference`'s registry is spoken to.
    pub(crate) async fn open(
        connector: &Connector,
        reference: &ImageReference,
        credentials: Option<&Credentials>,
    ) -> Result<Self, RegistryError> {
        let host = match reference.domain() {
            HUB_DOMAIN => HUB_REGISTRY,
            domain => domain,
        };
        let config = connector.config();
        let protocol = |reason: &str| RegistryError::Protocol {
            registry: host.to_owned(),
            reason: reason.to_owned(),
        };
        let probe: Url = format!("https://{host}/v2/")
            .parse()
            .map_err(|_| protocol("its name is no host name"))?;
        let loopback = is_loopback(&probe);
        let insecure = config.insecure.iter().any(|marked| marked == host);
        let endpoints = endpoints(loopback, insecure);
        let several = endpoints.len() > 1;
        let mut last = None;
        for endpoint in endpoints {
            let base = format!("{}://{host}/v2/", endpoint.scheme)
                .parse()
                .map_err(|_| protocol("its name is no host name"))?;
            let session = Self {
                client: connector.client(endpoint.verify).await?,
                base,
                reference: reference.clone(),
                credentials: credentials.cloned().unwrap_or_default(),
                localhost: config.localhost.filter(|_| loopback),
                answer: Mutex::default(),
            };
            if !several {
                return Ok(session);
            }
            match session.ping().await {
                Ok(()) => return Ok(session),
                // The error of the endpoint that is tried first is the one people know.
                Err(error) => last = last.or(Some(error)),
            }
        }
        Err(last.unwrap_or_else(|| protocol("there is no way to speak to it")))
    }

    /// Whether a registry speaks this way at all. An HTTPS server answers 400 to HTTP.
    async fn ping(&self) -> Result<(), RegistryError> {
        let response =
            self.request(&self.base).send().await.map_err(|source| self.unreachable(source))?;
        match response.status() {
            StatusCode::BAD_REQUEST => Err(self.protocol("it does not speak HTTP")),
            _ => Ok(()),
        }
    }

    /// Gets `path` beneath the repository, from byte `from` on where that is not 0.
    /// Any status but a success is an error.
    pub(super) async fn get(
        &self,
        path: &str,
        accept: Option<&str>,
        from: u64,
    ) -> Result<Response, RegistryError> {
        let url = self
            .base
            .join(&format!("{}/{path}", self.repository()))
            .map_err(|_| self.protocol("the repository makes no URL"))?;
        let mut answered = false;
        loop {
            let response = self.follow(url.clone(), accept, from).await?;
            let status = response.status();
            let challenge = (status == StatusCode::UNAUTHORIZED)
                .then(|| Challenge::from_headers(response.headers()))
                .flatten();
            match challenge {
                Some(challenge) if !answered => {
                    let answer = self.answer(&challenge).await?;
                    *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
                    answered = true;
                }
                challenge if !status.is_success() => {
                    return Err(self.failure(response, challenge.as_ref()).await);
                }
                _ => return Ok(response),
            }
        }
    }

    /// Follows redirects by hand: credentials stay with the registry, and an encrypted
    /// conversation stays encrypted.
    async fn follow(
        &self,
        mut url: Url,
        accept: Option<&str>,
        from: u64,
    ) -> Result<Response, RegistryError> {
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self.request(&url);
            if let Some((name, value)) = self.authorization(&url) {
                request = request.header(name, value);
            }
            if let Some(accept) = accept {
                request = request.header(ACCEPT, accept);
            }
            if from > 0 {
                request = request.header(RANGE, format!("bytes={from}-"));
            }
            let response = request.send().await.map_err(|source| self.unreachable(source))?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let next = response
                .headers()
                .get(LOCATION)
                .and_then(|location| location.to_str().ok())
                .and_then(|location| url.join(location).ok())
                .ok_or_else(|| self.protocol("a redirect leads nowhere"))?;
            if !matches!(next.scheme(), "http" | "https")
                || (url.scheme() == "https" && next.scheme() == "http")
            {
                return Err(self.protocol("a redirect leaves https"));
            }
            url = next;
        }
        Err(self.protocol("it redirects in circles"))
    }

    pub(super) fn request(&self, url: &Url) -> RequestBuilder {
        self.dialled(url, |target| self.client.get(target))
    }

    pub(super) fn post_form(&self, url: &Url, form: String) -> RequestBuilder {
        self.dialled(url, |target| self.client.post(target))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form)
    }

    /// In the VM a registry on the host's loopback is reached at another address, under
    /// its own name.
    fn dialled(&self, url: &Url, request: impl FnOnce(Url) -> RequestBuilder) -> RequestBuilder {
        let mut target = url.clone();
        match self.localhost {
            Some(address) if is_loopback(url) && target.set_ip_host(address).is_ok() => {
                request(target).header(HOST, url.authority())
            }
            _ => request(target),
        }
    }

    /// What a refusal means, in Docker's words.
    pub(super) async fn failure(
        &self,
        response: Response,
        challenge: Option<&Challenge>,
    ) -> RegistryError {
        let status = response.status();
        let url = response.url().path().to_owned();
        let content = body(response, MAX_ERROR_BODY).await.ok().flatten().unwrap_or_default();
        let first = serde_json::from_slice::<ErrorBody>(&content)
            .ok()
            .and_then(|body| body.errors.into_iter().next())
            .unwrap_or_default();
        let message = |default: &str| match first.message.as_str() {
            "" => default.to_owned(),
            text => printable(text),
        };
        let repository = self.reference.familiar_name();
        let registry = self.registry();
        let denied = "requested access to the resource is denied";
        let scope_too_small = matches!(
            challenge,
            Some(Challenge::Bearer { error: Some(error), .. }) if error == "insufficient_scope"
        );
        match (first.code.as_str(), status.as_u16()) {
            ("MANIFEST_UNKNOWN", _) => RegistryError::ManifestUnknown {
                reference: self.reference.familiar(),
                message: message("manifest unknown"),
            },
            ("NAME_UNKNOWN", _) => RegistryError::NameUnknown {
                repository,
                message: message("repository name not known to registry"),
            },
            ("TOOMANYREQUESTS", _) | (_, 429) => {
                RegistryError::RateLimited { registry, message: message("too many requests") }
            }
            (_, 401) if scope_too_small => {
                RegistryError::Denied { repository, message: denied.to_owned() }
            }
            ("DENIED", _) | (_, 403) => {
                RegistryError::Denied { repository, message: message(denied) }
            }
            ("UNAUTHORIZED", _) | (_, 401) => {
                // Registries hide from strangers whether a repository exists.
                if self.credentials.is_empty() {
                    RegistryError::Denied { repository, message: denied.to_owned() }
                } else {
                    let message = message("authentication required");
                    RegistryError::Unauthorized { registry, message }
                }
            }
            _ => RegistryError::Status {
                registry,
                status: status.as_u16(),
                url,
                message: message(status.canonical_reason().unwrap_or("no reason given")),
            },
        }
    }

    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    pub(super) fn reference(&self) -> &ImageReference {
        &self.reference
    }

    pub(super) fn repository(&self) -> &str {
        self.reference.repository()
    }

    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.base.scheme() == "https"
    }

    pub(super) fn present_answer(&self) -> Option<HeaderValue> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn registry(&self) -> String {
        self.base.authority().to_owned()
    }

    pub(super) fn protocol(&self, reason: &str) -> RegistryError {
        RegistryError::Protocol { registry: self.registry(), reason: reason.to_owned() }
    }

    pub(super) fn unauthorized(&self) -> RegistryError {
        RegistryError::Unauthorized {
            registry: self.registry(),
            message: "authentication required".to_owned(),
        }
    }

    pub(super) fn unreachable(&self, error: reqwest::Error) -> RegistryError {
        RegistryError::unreachable(self.registry(), &error.without_url())
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

/// The whole body, or `None` when it is larger than `limit`.
pub(super) async fn body(
    mut response: Response,
    limit: u64,
) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut content = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        content.extend_from_slice(&chunk);
        if content.len() as u64 > limit {
            return Ok(None);
        }
    }
    Ok(Some(content))
}

/// Loopback names speak HTTP first: that is what a registry under test does. A marked
/// registry is more likely to have a home-made certificate.
fn endpoints(loopback: bool, insecure: bool) -> Vec<Endpoint> {
    let http = Endpoint { scheme: "http", verify: false };
    let trusting = Endpoint { scheme: "https", verify: false };
    match (loopback, insecure) {
        (true, _) => vec![http, trusting],
        (false, true) => vec![trusting, http],
        (false, false) => vec![Endpoint { scheme: "https", verify: true }],
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// A registry's words are not trusted on a terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(MAX_MESSAGE).collect()
}
