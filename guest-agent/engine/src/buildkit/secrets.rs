//! What a client is asked for by name while a build goes on: secrets, an agent, credentials.

use std::sync::Arc;

use async_trait::async_trait;
use naru_buildkit::{BuildContext, Session, SessionError};
use naru_error::chain;
use naru_image_store::Credentials;
use tokio::net::UnixStream;

use crate::build::{BuildError, BuildSecrets};

/// Docker's own registry, and what clients know it by.
const HUB: &str = "docker.io";
const HUB_HOST: &str = "registry-1.docker.io";

/// A build's client.
#[derive(Clone, Debug)]
pub(super) struct SessionSecrets {
    context: BuildContext,
}

impl SessionSecrets {
    pub(super) fn new(context: BuildContext) -> Self {
        Self { context }
    }

    /// A build without a session has nobody to ask.
    async fn session(&self) -> Result<Option<Arc<Session>>, BuildError> {
        match self.context.session().await {
            Ok(session) => Ok(Some(session)),
            Err(SessionError::None) => Ok(None),
            Err(error) => Err(of_client(error)),
        }
    }
}

#[async_trait]
impl BuildSecrets for SessionSecrets {
    async fn secret(&self, id: &str) -> Result<Option<Vec<u8>>, BuildError> {
        let Some(session) = self.session().await? else { return Ok(None) };
        let secret = session.secret(id).await.map_err(of_client)?;
        Ok(secret.map(|secret| secret.reveal().to_vec()))
    }

    async fn has_agent(&self, id: &str) -> Result<bool, BuildError> {
        let session = self.context.session().await.map_err(of_client)?;
        session.has_ssh_agent(id).await.map_err(of_client)
    }

    async fn serve_agent(&self, id: &str, connection: UnixStream) {
        let served = async {
            let session = self.context.session().await?;
            session.forward_ssh_agent(id, connection).await
        };
        if let Err(error) = served.await {
            // The program has heard of it: its connection is closed.
            tracing::debug!(error = chain(&error), "an agent's connection broke");
        }
    }

    async fn credentials(&self, registry: &str) -> Result<Option<Credentials>, BuildError> {
        let Some(session) = self.session().await? else { return Ok(None) };
        let host = if registry == HUB { HUB_HOST } else { registry };
        let found = session.credentials(host).await.map_err(of_client)?;
        Ok(found.map(|found| {
            let secret = String::from_utf8_lossy(found.secret.reveal()).into_owned();
            // Without a name it is a token for getting others.
            let (password, identity_token) = if found.username.is_empty() {
                (String::new(), secret)
            } else {
                (secret, String::new())
            };
            Credentials {
                username: found.username,
                password,
                identity_token,
                ..Credentials::default()
            }
        }))
    }
}

/// A failure on the client's side.
#[expect(clippy::needless_pass_by_value, reason = "it is for map_err")]
pub(super) fn of_client(error: SessionError) -> BuildError {
    BuildError::Client(chain(&error))
}
