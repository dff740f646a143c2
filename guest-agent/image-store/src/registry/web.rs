//! Files of web servers that are no registries: what `docker import` is given by its URL.
//!
//! They are reached as registries are, with the same authorities, proxies and exceptions.

use std::fmt;
use std::io;
use std::str::FromStr;

use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use naru_error::ErrorKind;
use percent_encoding::percent_decode_str;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LAST_MODIFIED};
use reqwest::{Method, Response, Url};

use super::connect::Connector;
use super::error::RegistryError;
use super::origin::host;
use super::patience::Patience;
use super::purpose::printable;
use super::session::{MAX_REDIRECTS, body, redirected};

const MAX_ERROR_BODY: u64 = 64 << 10;

/// Where a file is. It may have a password in it, which it does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct WebUrl(Url);

/// A failure while fetching a file.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// It is no URL, or one of something else than a web server.
    #[error("invalid URL: {reason}")]
    Url {
        /// Why.
        reason: String,
    },
    /// The server does not give it.
    #[error("failed to GET {url} with status {status} {phrase}: {message}")]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What that means.
        phrase: &'static str,
        /// The server's words.
        message: String,
    },
    /// It sends us somewhere that we do not go.
    #[error("failed to GET {url}: {reason}")]
    Redirect {
        /// What was asked for.
        url: String,
        /// Why not.
        reason: &'static str,
    },
    /// The way there.
    #[error("failed to GET {url}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// Why.
        source: RegistryError,
    },
}

impl WebError {
    /// The closed kind that statuses and exit codes derive from; statuses as Docker tells them on.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Url { .. } | Self::Status { status: 400, .. } => ErrorKind::InvalidArgument,
            Self::Status { status: 401, .. } => ErrorKind::Unauthorized,
            Self::Status { status: 403, .. } => ErrorKind::Forbidden,
            Self::Status { status: 404, .. } => ErrorKind::NotFound,
            Self::Status { .. } | Self::Redirect { .. } => ErrorKind::Internal,
            Self::Unreachable { source, .. } => source.kind(),
        }
    }
}

impl FromStr for WebUrl {
    type Err = WebError;

    /// A URL; as with Docker HTTP is meant where no scheme is said.
    fn from_str(text: &str) -> Result<Self, WebError> {
        let invalid = |reason: String| WebError::Url { reason };
        let with_scheme =
            if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url: Url = with_scheme.parse().map_err(|error| invalid(naru_error::chain(&error)))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid(format!("unsupported protocol scheme {:?}", url.scheme())));
        }
        Ok(Self(url))
    }
}

impl WebUrl {
    /// What is below it: `path`, which begins with a slash, and a query.
    #[must_use]
    pub fn below(&self, path: &str, query: Option<&str>) -> Self {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{path}", self.0.path().trim_end_matches('/')));
        url.set_query(query);
        url.set_fragment(None);
        Self(url)
    }

    /// What it is below, if it is `path`, which begins with a slash.
    pub fn above(&self, path: &str) -> Option<Self> {
        let mut url = self.0.clone();
        url.set_path(self.0.path().strip_suffix(path)?);
        url.set_query(None);
        Some(Self(url))
    }

    /// Whether it is of the same server as `other`.
    pub fn is_at(&self, other: &Self) -> bool {
        self.0.origin() == other.0.origin()
    }

    /// The name of the file, if its path has one.
    pub fn file_name(&self) -> Option<String> {
        let path = percent_decode_str(self.0.path()).decode_utf8_lossy();
        let name = path.trim_end_matches('/').rsplit('/').next()?;
        let is_name = !matches!(name, "" | "." | "..") && !name.contains('\0');
        is_name.then(|| name.to_owned())
    }
}

impl fmt::Display for WebUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        // A URL of a web server has a host, so that neither can fail.
        let _without = shown.set_username("").and_then(|()| shown.set_password(None));
        fmt::Display::fmt(&shown, formatter)
    }
}

impl fmt::Debug for WebUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// What is asked of a web server beside a file's name.
#[derive(Clone, Debug, Default)]
pub struct WebRequest {
    /// Headers.
    pub headers: &'static [(&'static str, &'static str)],
    /// Who asks, in place of what the URL says of that. It is for the URL's own server alone.
    pub authorization: Option<HeaderValue>,
    /// What is sent, if something is.
    pub body: Option<Bytes>,
}

/// A file that is on its way.
#[derive(Debug)]
pub struct WebFile {
    response: Response,
}

impl WebFile {
    /// Its size, where the server tells.
    pub fn size(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// Where it was found at last.
    pub fn url(&self) -> WebUrl {
        WebUrl(self.response.url().clone())
    }

    /// When it was changed, in the server's words.
    pub fn last_modified(&self) -> Option<&str> {
        self.response.headers().get(LAST_MODIFIED)?.to_str().ok()
    }

    /// Its bytes; an error where they end too soon.
    pub fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static {
        self.response.bytes_stream().map_err(|error| io::Error::other(error.without_url())).boxed()
    }
}

impl Connector {
    /// Asks for the file at `url`. What is in the URL of user and password is for its host alone,
    /// and what is sent for where it is sent.
    pub(crate) async fn fetch(
        &self,
        url: &WebUrl,
        request: &WebRequest,
    ) -> Result<WebFile, WebError> {
        let wiring = self.wiring();
        let unreachable = |source| WebError::Unreachable { url: url.to_string(), source };
        let mut at = url.0.clone();
        let mut patience = Patience::new();
        let mut redirects = 0;
        loop {
            let client = wiring.client_for_stranger(&at, false).map_err(unreachable)?;
            let method = if request.body.is_some() { Method::POST } else { Method::GET };
            let mut asked = wiring.dialled(&client, method, &at);
            for (name, value) in request.headers {
                asked = asked.header(*name, *value);
            }
            if let Some(value) = &request.authorization
                && at.origin() == url.0.origin()
            {
                asked = asked.headers(HeaderMap::from_iter([(AUTHORIZATION, value.clone())]));
            }
            if let Some(body) = &request.body {
                asked = asked.body(body.clone());
            }
            let response = asked.send().await.map_err(|error| {
                unreachable(RegistryError::unreachable(host(&at), &error.without_url()))
            })?;
            if let Some(wait) = patience.asked_for(&response) {
                tokio::time::sleep(wait).await;
                continue;
            }
            if response.status().is_success() {
                return Ok(WebFile { response });
            }
            if !response.status().is_redirection() {
                return Err(failure(url, response).await);
            }
            let refused = |reason| WebError::Redirect { url: url.to_string(), reason };
            if request.body.is_some() {
                return Err(refused("it redirects what is sent to it"));
            }
            redirects += 1;
            if redirects > MAX_REDIRECTS {
                return Err(refused("it redirects in circles"));
            }
            at = redirected(&response, &at).map_err(refused)?;
        }
    }
}

async fn failure(url: &WebUrl, response: Response) -> WebError {
    let status = response.status();
    let content = body(response, MAX_ERROR_BODY).await.ok().flatten().unwrap_or_default();
    WebError::Status {
        url: url.to_string(),
        status: status.as_u16(),
        phrase: status.canonical_reason().unwrap_or_default(),
        message: printable(String::from_utf8_lossy(&content).trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_one_of_a_web_server_and_keeps_its_password_to_itself() {
        for (text, shown) in [
            ("example.com/a.tar", "http://example.com/a.tar"),
            ("https://u:hush@example.com:8443/a?b", "https://example.com:8443/a?b"),
        ] {
            let url: WebUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?}").contains("hush"));
        }
        for (text, name) in [
            ("http://a/b/c.tar?d#e", Some("c.tar")),
            ("http://a/b/", Some("b")),
            ("http://a/%63%20d", Some("c d")),
            ("http://a", None),
            ("http://a/b%2f..", None),
            ("http://a/b%00", None),
        ] {
            let url: WebUrl = text.parse().unwrap();
            assert_eq!(url.file_name().as_deref(), name, "{text}");
        }
        for text in ["ftp://example.com/a", "file:///etc/passwd", "http://", "http://a b/"] {
            let error = text.parse::<WebUrl>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text}");
        }
    }
}
