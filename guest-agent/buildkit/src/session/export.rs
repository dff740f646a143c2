//! Results that a build hands to its client: an archive, or a tree of files.

use std::collections::BTreeMap;

use bytes::BytesMut;
use futures::StreamExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tonic::Status;
use tonic::metadata::{AsciiMetadataKey, MetadataValue};

use super::call::{Exchange, Metadata};
use super::{Session, method};
use crate::error::SessionError;
use crate::fsutil::{Tree, send};
use crate::wire::fsutil::Packet;
use crate::wire::session::BytesMessage;

/// How much of an archive goes into one message.
const PIECE: usize = 64 << 10;

impl Session {
    /// Sends an archive to the exporter of this place in the request (`tar`, `oci`, `docker`).
    ///
    /// `metadata` is what the client may name the file by, such as `containerimage.digest`.
    /// When this is given up, or `archive` cannot be read to its end, the client's call fails:
    /// it never takes a part for the whole.
    pub async fn send_archive(
        &self,
        exporter: usize,
        metadata: &BTreeMap<String, String>,
        mut archive: impl AsyncRead + Send + Unpin,
    ) -> Result<(), SessionError> {
        let method = method::SEND_FILES;
        let named = metadata.iter().filter_map(|(key, value)| {
            let key = format!("exporter-md-{key}");
            let key = AsciiMetadataKey::from_bytes(key.to_lowercase().as_bytes()).ok()?;
            Some((key, value.parse().ok()?))
        });
        let metadata = exporter_id(exporter).into_iter().chain(named).collect();
        let mut call: Exchange<BytesMessage, BytesMessage> = self.exchange(method, metadata)?;
        let feed = async {
            loop {
                let mut piece = BytesMut::with_capacity(PIECE);
                let read = archive.read_buf(&mut piece).await;
                let read = read.map_err(|source| SessionError::Stream { method, source })?;
                let message = BytesMessage { data: piece.freeze() };
                // Who takes no more has answered, or is gone: that is found below.
                if read == 0 || call.outgoing.send(message).await.is_err() {
                    return Ok::<_, SessionError>(());
                }
            }
        };
        let early = tokio::select! {
            fed = feed => { fed?; None }
            // The client speaks before all is sent only to refuse it.
            answer = call.incoming.next() => Some(answer),
        };
        match early {
            Some(Some(Err(status))) => Err(self.refused(method, &status)),
            Some(_) => Err(self.refused(method, &Status::cancelled("closed early"))),
            None => call.finish().await.map_err(|status| self.refused(method, &status)),
        }
    }

    /// Sends a tree to the exporter of this place in the request (`local`).
    pub async fn send_tree<T: Tree>(
        &self,
        exporter: usize,
        tree: &mut T,
    ) -> Result<(), SessionError> {
        let method = method::SEND_FILES;
        let mut metadata = exporter_id(exporter);
        // All platforms come in one transfer; a client that deletes what is not in it asks.
        metadata.push((
            AsciiMetadataKey::from_static("buildkit-exporter-multi-platform"),
            MetadataValue::from_static("1"),
        ));
        let mut call: Exchange<Packet, Packet> = self.exchange(method, metadata)?;
        if let Err(error) = send(&mut call.incoming, &call.outgoing, tree).await {
            call.leave().await;
            return Err(error.into());
        }
        call.finish().await.map_err(|status| self.refused(method, &status))
    }
}

fn exporter_id(exporter: usize) -> Metadata {
    let key = AsciiMetadataKey::from_static("buildkit-attachable-exporter-id");
    vec![(key, MetadataValue::from(exporter as u64))]
}
