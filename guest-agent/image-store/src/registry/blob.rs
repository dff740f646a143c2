//! A layer's bytes, taken up again where a connection broke.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::CONTENT_RANGE;
use reqwest::{Response, StatusCode};

use super::error::RegistryError;
use super::manifest::Descriptor;
use super::session::Session;

/// Attempts in a row that bring no byte.
const MAX_IDLE_ATTEMPTS: u32 = 5;
/// Attempts in all, so that a registry that cuts after every byte does not keep us for ever.
const MAX_ATTEMPTS: u32 = 40;
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
const MAX_BACKOFF: Duration = Duration::from_secs(8);

/// A download under way.
#[derive(Debug)]
pub(crate) struct BlobDownload<'a> {
    session: &'a Session,
    descriptor: &'a Descriptor,
    /// Where the next byte is.
    offset: u64,
    /// Bytes to throw away: the registry began anew though asked to go on.
    skip: u64,
    response: Option<Response>,
    idle_attempts: u32,
    attempts: u32,
}

/// What a download brings next.
#[derive(Debug)]
pub(crate) enum Download {
    /// Bytes.
    Data(Bytes),
    /// The connection broke; the next call waits this long and goes on.
    Retrying(Duration),
    /// All bytes have come. Their digest is the reader's to check.
    End,
}

impl<'a> BlobDownload<'a> {
    /// The blob's bytes from `offset` on.
    pub(crate) fn from(session: &'a Session, descriptor: &'a Descriptor, offset: u64) -> Self {
        Self { session, descriptor, offset, skip: 0, response: None, idle_attempts: 0, attempts: 0 }
    }

    /// The next bytes. Not cancel safe: a dropped call may lose bytes.
    pub(crate) async fn next(&mut self) -> Result<Download, RegistryError> {
        loop {
            let attempt = match self.response.take() {
                Some(response) => self.read(response).await,
                // Nobody can be asked for what is behind the end.
                None if self.offset > 0 && self.offset == self.descriptor.size => {
                    return Ok(Download::End);
                }
                None => self.open().await.map(|()| None),
            };
            match attempt {
                Ok(Some(download)) => return Ok(download),
                Ok(None) => {}
                Err(error) if may_pass(&error) && self.may_retry() => {
                    tracing::warn!(
                        layer = self.descriptor.digest.short(),
                        offset = self.offset,
                        error = naru_error::chain(&error),
                        "download broke off; going on where it stopped"
                    );
                    return Ok(Download::Retrying(self.backoff()));
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn open(&mut self) -> Result<(), RegistryError> {
        if self.idle_attempts > 0 {
            tokio::time::sleep(self.backoff()).await;
        }
        let path = format!("blobs/{}", self.descriptor.digest);
        let response = match self.session.get(&path, None, self.offset).await {
            // Nothing is behind what came: it is all that the registry has.
            Err(RegistryError::Status { status: 416, .. }) if self.offset > 0 => {
                return Err(self.wrong_size(self.offset));
            }
            asked => asked?,
        };
        self.skip = match response.status() {
            StatusCode::PARTIAL_CONTENT if goes_on_at(&response, self.offset) => 0,
            StatusCode::PARTIAL_CONTENT => {
                return Err(self.session.protocol("it answers with another range than asked for"));
            }
            _ => self.offset,
        };
        self.response = Some(response);
        Ok(())
    }

    async fn read(&mut self, mut response: Response) -> Result<Option<Download>, RegistryError> {
        let expected = self.descriptor.size;
        let received = response.chunk().await.map_err(|error| self.session.unreachable(error))?;
        let Some(mut chunk) = received else {
            if self.offset == expected {
                return Ok(Some(Download::End));
            }
            return Err(self.wrong_size(self.offset));
        };
        self.response = Some(response);
        let skipped = self.skip.min(chunk.len() as u64);
        self.skip -= skipped;
        let mut chunk = chunk.split_off(usize::try_from(skipped).unwrap_or(chunk.len()));
        if chunk.is_empty() {
            return Ok(None);
        }
        let reached = self.offset + chunk.len() as u64;
        if reached > expected {
            return Err(self.wrong_size(reached));
        }
        self.offset = reached;
        self.idle_attempts = 0;
        Ok(Some(Download::Data(chunk.split_to(chunk.len()))))
    }

    fn wrong_size(&self, actual: u64) -> RegistryError {
        RegistryError::SizeMismatch {
            what: "layer",
            digest: self.descriptor.digest.clone(),
            actual,
            expected: self.descriptor.size,
        }
    }

    fn may_retry(&mut self) -> bool {
        self.response = None;
        self.idle_attempts += 1;
        self.attempts += 1;
        self.idle_attempts < MAX_IDLE_ATTEMPTS && self.attempts < MAX_ATTEMPTS
    }

    fn backoff(&self) -> Duration {
        FIRST_BACKOFF
            .saturating_mul(1 << self.idle_attempts.saturating_sub(1).min(8))
            .min(MAX_BACKOFF)
    }
}

/// Failures that another attempt may get around. A layer that is too short is one: some
/// servers end a broken answer as if it were whole.
fn may_pass(error: &RegistryError) -> bool {
    match error {
        RegistryError::Unreachable { .. } => true,
        RegistryError::Status { status, .. } => *status >= 500,
        RegistryError::SizeMismatch { actual, expected, .. } => actual < expected,
        _ => false,
    }
}

fn goes_on_at(response: &Response, offset: u64) -> bool {
    response
        .headers()
        .get(CONTENT_RANGE)
        .and_then(|range| range.to_str().ok())
        .and_then(|range| range.strip_prefix("bytes "))
        .and_then(|range| range.split('-').next())
        .is_some_and(|start| start.parse() == Ok(offset))
}
