//! A conversation with one registry: about a repository, or about the registry itself.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue, LOCATION, RANGE};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use tokio::time::sleep;

use super::challenge::Challenge;
use super::config::Credentials;
use super::connect::{Connector, Wiring};
use super::error::RegistryError;
use super::origin::{Origin, base, is_loopback};
use super::patience::Patience;
use super::purpose::Purpose;
use crate::reference::ImageReference;

pub(super) const MAX_REDIRECTS: usize = 5;

/// The registry as it answers to one purpose.
#[derive(Debug)]
pub(crate) struct Session {
    wiring: Arc<Wiring>,
    origin: Origin,
    /// `https://host/v2/`.
    base: Url,
    verify: bool,
    purpose: Purpose,
    credentials: Credentials,
    answer: Mutex<Option<HeaderValue>>,
}

/// A request that can be made again.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Whether the answer may be a long time in coming.
    pub(super) patient: bool,
}

impl Ask {
    pub(super) fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Bytes::new(), patient: false }
    }

    /// Whether nothing of it is lost when it goes to another address.
    fn may_move(&self, status: StatusCode) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
            || matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT)
    }
}

/// A way the registry may be spoken to.
struct Endpoint {
    scheme: &'static str,
    verify: bool,
}

impl Session {
    /// Finds out how `reference`'s registry is spoken to, for a pull.
    pub(crate) async fn open(
        connector: &Connector,
        reference: &ImageReference,
        credentials: Option<&Credentials>,
    ) -> Result<Self, RegistryError> {
        let origin = Origin::of(reference.domain());
        Self::open_at(connector, origin, Purpose::Pull(reference.clone()), credentials).await
    }

    /// Finds out how the registry at `origin` is spoken to.
    pub(crate) async fn open_at(
        connector: &Connector,
        origin: Origin,
        purpose: Purpose,
        credentials: Option<&Credentials>,
    ) -> Result<Self, RegistryError> {
        let wiring = connector.wiring();
        let host = origin.host.clone();
        let protocol = |reason: &str| RegistryError::Protocol {
            registry: host.clone(),
            reason: reason.to_owned(),
        };
        let probe = base("https", &host).ok_or_else(|| protocol("its name is no host name"))?;
        let endpoints = endpoints(&wiring, &origin, is_loopback(&probe))?;
        let several = endpoints.len() > 1;
        let mut last = None;
        for endpoint in endpoints {
            let session = Self {
                base: base(endpoint.scheme, &host)
                    .ok_or_else(|| protocol("its name is no host name"))?,
                verify: endpoint.verify,
                origin: origin.clone(),
                purpose: purpose.clone(),
                credentials: credentials.cloned().unwrap_or_default(),
                answer: Mutex::default(),
                wiring: Arc::clone(&wiring),
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
        let request = self.request(Method::GET, &self.base)?;
        let response = request.send().await.map_err(|source| self.unreachable(source))?;
        match response.status() {
            StatusCode::BAD_REQUEST => Err(self.protocol("it does not speak HTTP")),
            _ => Ok(()),
        }
    }

    /// `path` beneath the repository, or beneath the registry where it is about that.
    pub(super) fn url(&self, path: &str) -> Result<Url, RegistryError> {
        let path = match self.purpose.reference() {
            Some(reference) => format!("{}/{path}", reference.repository()),
            None => path.to_owned(),
        };
        self.base.join(&path).map_err(|_| self.protocol("the repository makes no URL"))
    }

    /// Gets `path` beneath the repository, from byte `from` on where that is not 0.
    /// Any status but a success is an error.
    pub(super) async fn get(
        &self,
        path: &str,
        accept: Option<&'static str>,
        from: u64,
    ) -> Result<Response, RegistryError> {
        let mut ask = Ask::new(Method::GET, self.url(path)?);
        if let Some(accept) = accept {
            ask.headers.insert(ACCEPT, HeaderValue::from_static(accept));
        }
        if from > 0 {
            let range = HeaderValue::try_from(format!("bytes={from}-"));
            ask.headers.extend(range.ok().map(|range| (RANGE, range)));
        }
        self.ask(&ask).await
    }

    /// Asks, and takes any status but a success for an error.
    pub(super) async fn ask(&self, ask: &Ask) -> Result<Response, RegistryError> {
        let response = self.ask_any(ask).await?;
        self.success(response).await
    }

    pub(super) async fn success(&self, response: Response) -> Result<Response, RegistryError> {
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.failure(response).await)
    }

    /// Asks, and once more when the registry wants to know who does.
    pub(super) async fn ask_any(&self, ask: &Ask) -> Result<Response, RegistryError> {
        let (response, at) = self.follow(ask).await?;
        match self.challenge(&response, &at) {
            Some(challenge) => {
                let (answer, _) = self.answer(&challenge).await?;
                self.remember(answer);
                Ok(self.follow(ask).await?.0)
            }
            None => Ok(response),
        }
    }

    /// The challenge in a response; only the registry itself may make one, or whoever it sends
    /// us to would be given what is meant for it.
    pub(super) fn challenge(&self, response: &Response, at: &Url) -> Option<Challenge> {
        let challenged = response.status() == StatusCode::UNAUTHORIZED && self.is_home(at);
        challenged.then(|| Challenge::from_headers(response.headers())).flatten()
    }

    /// Follows redirects by hand: credentials stay with the registry, and an encrypted
    /// conversation stays encrypted. Waits where it is asked to. Gives where it came to.
    pub(super) async fn follow(&self, ask: &Ask) -> Result<(Response, Url), RegistryError> {
        let mut url = ask.url.clone();
        let mut patience = Patience::new();
        let mut redirects = 0;
        while redirects <= MAX_REDIRECTS {
            let method = ask.method.clone();
            let mut request = if ask.patient {
                self.upload_request(method, &url)?
            } else {
                self.request(method, &url)?
            };
            request = request.headers(ask.headers.clone());
            if !matches!(ask.method, Method::GET | Method::HEAD) {
                request = request.body(ask.body.clone());
            }
            let response = request.send().await.map_err(|source| self.unreachable(source))?;
            if let Some(wait) = patience.asked_for(&response) {
                sleep(wait).await;
                continue;
            }
            if !response.status().is_redirection() || !ask.may_move(response.status()) {
                return Ok((response, url));
            }
            url = self.location(&response, &url)?;
            redirects += 1;
        }
        Err(self.protocol("it redirects in circles"))
    }

    /// Where a response to a request to `from` sends us.
    pub(super) fn location(&self, response: &Response, from: &Url) -> Result<Url, RegistryError> {
        redirected(response, from).map_err(|reason| self.protocol(reason))
    }

    /// A request to `url`, with what the registry is told of who asks if it is the registry.
    pub(super) fn request(
        &self,
        method: Method,
        url: &Url,
    ) -> Result<RequestBuilder, RegistryError> {
        Ok(self.with_answer(self.wiring.dialled(&self.client_for(url, false)?, method, url), url))
    }

    /// The same for an upload, whose answer comes when all of it was sent.
    pub(super) fn upload_request(
        &self,
        method: Method,
        url: &Url,
    ) -> Result<RequestBuilder, RegistryError> {
        Ok(self.with_answer(self.wiring.dialled(&self.client_for(url, true)?, method, url), url))
    }

    /// Our certificate, and the leave to take any of theirs, are for the registry alone.
    fn client_for(&self, url: &Url, patient: bool) -> Result<Client, RegistryError> {
        if self.is_home(url) {
            return self.wiring.client(&self.origin.domain, self.verify, patient);
        }
        self.wiring.client_for_stranger(url, patient)
    }

    pub(super) fn is_home(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    pub(super) fn purpose(&self) -> &Purpose {
        &self.purpose
    }

    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.base.scheme() == "https"
    }

    pub(super) fn remember(&self, answer: HeaderValue) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }

    pub(super) fn present_answer(&self) -> Option<HeaderValue> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn registry(&self) -> String {
        self.base.authority().to_owned()
    }

    /// What is wrong is not known, but that it does not end.
    pub(crate) fn gave_up(&self) -> RegistryError {
        self.protocol("it asks for the same upload again and again")
    }

    pub(crate) fn protocol(&self, reason: &str) -> RegistryError {
        RegistryError::Protocol { registry: self.registry(), reason: reason.to_owned() }
    }

    pub(super) fn unreachable(&self, error: reqwest::Error) -> RegistryError {
        RegistryError::unreachable(self.registry(), &error.without_url())
    }
}

/// Where a response to a request to `from` sends us: not out of an encrypted conversation.
pub(super) fn redirected(response: &Response, from: &Url) -> Result<Url, &'static str> {
    let next = response
        .headers()
        .get(LOCATION)
        .and_then(|location| location.to_str().ok())
        .and_then(|location| from.join(location).ok())
        .ok_or("a redirect leads nowhere")?;
    if !matches!(next.scheme(), "http" | "https")
        || (from.scheme() == "https" && next.scheme() == "http")
    {
        return Err("a redirect leaves https");
    }
    Ok(next)
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
/// registry is more likely to have a home-made certificate, and one with an authority of its
/// own in the settings is to show a certificate of it.
fn endpoints(
    wiring: &Wiring,
    origin: &Origin,
    loopback: bool,
) -> Result<Vec<Endpoint>, RegistryError> {
    let http = Endpoint { scheme: "http", verify: false };
    let trusting = Endpoint { scheme: "https", verify: false };
    let insecure = wiring.config().is_insecure(&origin.host);
    let certified = wiring.has_certificates(&origin.domain)?;
    Ok(match (origin.scheme, insecure, certified || !loopback) {
        (Some("http"), ..) => vec![http],
        (Some(_), true, _) | (Some(_), _, false) => vec![trusting],
        (_, false, true) => vec![Endpoint { scheme: "https", verify: true }],
        (None, true, true) => vec![trusting, http],
        (None, _, false) => vec![http, trusting],
    })
}
