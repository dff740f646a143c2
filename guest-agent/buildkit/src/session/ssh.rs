//! The client's ssh agent, reached from a build step.

use bytes::BytesMut;
use futures::TryStreamExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tonic::metadata::AsciiMetadataKey;

use super::call::Exchange;
use super::{Session, method};
use crate::error::SessionError;
use crate::wire::session::BytesMessage;

const PIECE: usize = 32 << 10;

impl Session {
    /// Joins a connection that a step has made to its agent's socket with the client's agent,
    /// until either side has ended it.
    pub async fn forward_ssh_agent(
        &self,
        id: &str,
        connection: impl AsyncRead + AsyncWrite + Send,
    ) -> Result<(), SessionError> {
        let method = method::SSH_FORWARD;
        let key = AsciiMetadataKey::from_static("buildkit.ssh.id");
        let value = id.parse().map_err(|_| SessionError::Header { header: "buildkit.ssh.id" })?;
        let call: Exchange<BytesMessage, BytesMessage> =
            self.exchange(method, vec![(key, value)])?;
        let Exchange { abort: _abort, outgoing, mut incoming } = call;
        let mut outgoing = Some(outgoing);
        let stream = |source| SessionError::Stream { method, source };
        let (mut from_step, mut to_step) = split(connection);
        let questions = async {
            while let Some(agent) = &outgoing {
                let mut piece = BytesMut::with_capacity(PIECE);
                let read = from_step.read_buf(&mut piece).await.map_err(stream)?;
                let message = BytesMessage { data: piece.freeze() };
                if read == 0 || agent.send(message).await.is_err() {
                    // The agent's answers to what was asked may still be on their way.
                    outgoing = None;
                }
            }
            std::future::pending::<Result<(), SessionError>>().await
        };
        let answers = async {
            while let Some(message) =
                incoming.try_next().await.map_err(|status| self.refused(method, &status))?
            {
                to_step.write_all(&message.data).await.map_err(stream)?;
            }
            to_step.shutdown().await.map_err(stream)
        };
        tokio::select! {
            ended = answers => ended,
            ended = questions => ended,
        }
    }
}
