//! The write side: blobs and manifests into a repository (distribution specification, "Push").

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use reqwest::header::{CONTENT_TYPE, HeaderValue, RANGE};
use reqwest::{Body, Method, Response, StatusCode, Url};
use tokio::time::timeout;

use super::connect::SILENCE_DEADLINE;
use super::error::RegistryError;
use super::manifest::ManifestDocument;
use super::session::{Ask, Session};
use crate::digest::Digest;

/// Some registries copy a blob to another store before they answer.
const ANSWER_DEADLINE: Duration = Duration::from_mins(10);
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
const CONTENT_DIGEST: &str = "docker-content-digest";

/// An upload that the registry has begun.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    at: Url,
    /// How many bytes the registry has of it.
    pub(crate) offset: u64,
}

/// What came of a piece of an upload.
#[derive(Debug)]
pub(crate) enum Appended {
    /// The registry has it.
    Taken(Upload),
    /// It wanted to know anew who asks, and now does; the upload goes on where it is.
    Again,
    /// It knows nothing of the upload any more.
    Lost,
}

impl Session {
    /// Whether the repository has the blob.
    pub(crate) async fn has_blob(&self, digest: &Digest) -> Result<bool, RegistryError> {
        let ask = Ask::new(Method::HEAD, self.url(&format!("blobs/{digest}"))?);
        let response = self.ask_any(&ask).await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(false),
            status if status.is_success() => Ok(true),
            _ => Err(self.failure(response).await),
        }
    }

    /// Lets the registry take the blob over from another of its repositories, if it will.
    pub(crate) async fn mount_blob(
        &self,
        digest: &Digest,
        from: &str,
    ) -> Result<bool, RegistryError> {
        let mut url = self.url("blobs/uploads/")?;
        url.query_pairs_mut().append_pair("mount", digest.as_str()).append_pair("from", from);
        let response = self.ask_any(&Ask::new(Method::POST, url.clone())).await?;
        match response.status() {
            StatusCode::CREATED => Ok(true),
            // It has begun an upload instead, which is not needed.
            StatusCode::ACCEPTED => {
                let at = self.location(&response, &url)?;
                self.ask_any(&Ask::new(Method::DELETE, at)).await?;
                Ok(false)
            }
            status if status.is_client_error() => Ok(false),
            _ => Err(self.failure(response).await),
        }
    }

    pub(crate) async fn begin_upload(&self) -> Result<Upload, RegistryError> {
        let url = self.url("blobs/uploads/")?;
        let response = self.ask(&Ask::new(Method::POST, url.clone())).await?;
        Ok(Upload { at: self.location(&response, &url)?, offset: 0 })
    }

    /// How far an upload came whose connection broke; `None` if it cannot go on.
    pub(crate) async fn resume_upload(
        &self,
        upload: &Upload,
    ) -> Result<Option<Upload>, RegistryError> {
        let response = self.ask_any(&Ask::new(Method::GET, upload.at.clone())).await?;
        if !response.status().is_success() {
            return Ok(None);
        }
        let at = self.location(&response, &upload.at).unwrap_or_else(|_| upload.at.clone());
        Ok(received(&response).map(|offset| Upload { at, offset }))
    }

    /// Sends what comes next; `sent` says how much of it went out, so that a registry that has
    /// stopped reading is noticed.
    pub(crate) async fn append(
        &self,
        upload: &Upload,
        body: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
        sent: &Arc<AtomicU64>,
    ) -> Result<Appended, RegistryError> {
        let request = self.upload_request(Method::PATCH, &upload.at)?;
        let sending = request.header(CONTENT_TYPE, BYTES).body(Body::wrap_stream(body)).send();
        let response = unless_stalled(sending, sent)
            .await
            .ok_or_else(|| self.silent())?
            .map_err(|error| self.unreachable(error))?;
        if let Some(challenge) = self.challenge(&response, &upload.at) {
            let (answer, _) = self.answer(&challenge).await?;
            self.remember(answer);
            return Ok(Appended::Again);
        }
        match response.status() {
            status if status.is_success() => {
                let at = self.location(&response, &upload.at)?;
                Ok(Appended::Taken(Upload { at, offset: received(&response).unwrap_or(0) }))
            }
            StatusCode::NOT_FOUND | StatusCode::RANGE_NOT_SATISFIABLE => Ok(Appended::Lost),
            _ => Err(self.failure(response).await),
        }
    }

    /// Ends an upload, with the last of its bytes.
    pub(crate) async fn finish_upload(
        &self,
        upload: &Upload,
        digest: &Digest,
        body: Bytes,
    ) -> Result<(), RegistryError> {
        let mut ask = Ask { body, patient: true, ..Ask::new(Method::PUT, upload.at.clone()) };
        ask.url.query_pairs_mut().append_pair("digest", digest.as_str());
        ask.headers.insert(CONTENT_TYPE, BYTES);
        let asked = timeout(ANSWER_DEADLINE, self.ask(&ask)).await;
        asked.map_err(|_| self.silent())?.map(drop)
    }

    /// Names a manifest in the repository.
    pub(crate) async fn put_manifest(
        &self,
        tag: &str,
        document: &ManifestDocument,
    ) -> Result<(), RegistryError> {
        let mut ask = Ask::new(Method::PUT, self.url(&format!("manifests/{tag}"))?);
        ask.body = document.content.clone().into();
        ask.patient = true;
        let media_type = HeaderValue::from_str(&document.media_type)
            .map_err(|_| self.protocol("the manifest's media type is no text"))?;
        ask.headers.insert(CONTENT_TYPE, media_type);
        let asked = timeout(ANSWER_DEADLINE, self.ask(&ask)).await;
        let response = asked.map_err(|_| self.silent())??;
        match response.headers().get(CONTENT_DIGEST).and_then(|value| value.to_str().ok()) {
            Some(stored) if stored != document.digest.as_str() => {
                Err(self.protocol("it has stored the manifest with another digest"))
            }
            _ => Ok(()),
        }
    }

    fn silent(&self) -> RegistryError {
        let reason = "it has fallen silent".to_owned();
        RegistryError::Unreachable { registry: self.registry(), reason }
    }
}

/// `Range: 0-499` says that 500 bytes are there. One byte cannot be told from none: then the
/// digest will not be right, and the upload begins anew.
fn received(response: &Response) -> Option<u64> {
    let range = response.headers().get(RANGE)?.to_str().ok()?;
    let (_, last) = range.trim_start_matches("bytes=").split_once('-')?;
    let last: u64 = last.parse().ok()?;
    Some(if last == 0 { 0 } else { last.checked_add(1)? })
}

/// `None` when for so long nothing has gone out and no answer has come.
async fn unless_stalled<T>(sending: impl Future<Output = T>, sent: &AtomicU64) -> Option<T> {
    tokio::pin!(sending);
    let mut before = sent.load(Ordering::Relaxed);
    loop {
        if let Ok(outcome) = timeout(SILENCE_DEADLINE, &mut sending).await {
            return Some(outcome);
        }
        let now = sent.load(Ordering::Relaxed);
        if now == before {
            return None;
        }
        before = now;
    }
}
