//! What a client streams into a build by an address of its own, such as a context on its
//! standard input.

use futures::TryStreamExt as _;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tonic::metadata::{AsciiMetadataKey, MetadataValue};

use super::call::Exchange;
use super::{Session, method};
use crate::error::SessionError;
use crate::wire::session::BytesMessage;

/// The host of such an address: `http://buildkit-session/<path>`.
const HOST: &str = "buildkit-session";

impl Session {
    /// Whether an address is of this kind, and the path in it.
    pub fn upload_path(address: &str) -> Option<&str> {
        let path = address.strip_prefix("http://")?.strip_prefix(HOST)?;
        path.starts_with('/').then_some(path)
    }

    /// Copies an upload to its end. A client serves each only once.
    pub async fn receive_upload(
        &self,
        path: &str,
        mut target: impl AsyncWrite + Send + Unpin,
    ) -> Result<u64, SessionError> {
        let method = method::UPLOAD;
        let value = path.parse().map_err(|_| SessionError::Header { header: "urlpath" })?;
        let metadata = vec![
            (AsciiMetadataKey::from_static("urlpath"), value),
            (AsciiMetadataKey::from_static("urlhost"), MetadataValue::from_static(HOST)),
        ];
        let mut call: Exchange<BytesMessage, BytesMessage> = self.exchange(method, metadata)?;
        let stream = |source| SessionError::Stream { method, source };
        let mut received = 0;
        while let Some(message) =
            call.incoming.try_next().await.map_err(|status| self.refused(method, &status))?
        {
            received += message.data.len() as u64;
            target.write_all(&message.data).await.map_err(stream)?;
        }
        target.flush().await.map_err(stream)?;
        call.finish().await.map_err(|status| self.refused(method, &status))?;
        Ok(received)
    }
}
