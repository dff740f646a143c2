//! What a client has and gives only when asked: credentials, secrets, an agent.

use std::time::Duration;

use tonic::Code;

use super::{Secret, Session, method};
use crate::error::SessionError;
use crate::wire::session::{
    CheckAgentRequest, CheckAgentResponse, CredentialsRequest, CredentialsResponse,
    FetchTokenRequest, FetchTokenResponse, GetSecretRequest, GetSecretResponse,
};

/// A name and a password. With an empty name the password is a token for getting others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub username: String,
    /// The password, or the identity token.
    pub secret: Secret,
}

/// What a registry wants a token for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenRequest {
    /// Who asks, by a name that the registry may show its owner.
    pub client_id: String,
    /// The registry. Docker's own is `registry-1.docker.io`.
    pub host: String,
    /// The token server.
    pub realm: String,
    /// The token server's name of the registry.
    pub service: String,
    /// What the token is to allow.
    pub scopes: Vec<String>,
}

/// A registry's token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The token.
    pub secret: Secret,
    /// How long it is good for, from when it was issued.
    pub lifetime: Duration,
}

impl Session {
    /// The client's credentials for a registry, if it has any. Docker's own registry is asked
    /// for as `registry-1.docker.io`.
    pub async fn credentials(&self, host: &str) -> Result<Option<Credentials>, SessionError> {
        let question = CredentialsRequest { host: host.to_owned() };
        let answer = self.ask::<_, CredentialsResponse>(method::CREDENTIALS, question).await;
        let Some(CredentialsResponse { username, secret }) = if_any(answer)? else {
            return Ok(None);
        };
        if username.is_empty() && secret.is_empty() {
            return Ok(None);
        }
        Ok(Some(Credentials { username, secret: Secret::new(secret) }))
    }

    /// Has the client fetch a token, with credentials that it does not give away.
    pub async fn fetch_token(&self, request: TokenRequest) -> Result<Option<Token>, SessionError> {
        let TokenRequest { client_id, host, realm, service, scopes } = request;
        let question = FetchTokenRequest { client_id, host, realm, service, scopes };
        let answer = self.ask::<_, FetchTokenResponse>(method::TOKEN, question).await;
        Ok(if_any(answer)?.map(|answer| Token {
            lifetime: Duration::from_secs(u64::try_from(answer.expires_in).unwrap_or(0)),
            secret: Secret::new(answer.token),
        }))
    }

    /// A build's secret, if the client has one of this id.
    pub async fn secret(&self, id: &str) -> Result<Option<Secret>, SessionError> {
        let question = GetSecretRequest { id: id.to_owned(), ..GetSecretRequest::default() };
        let answer = self.ask::<_, GetSecretResponse>(method::SECRET, question).await;
        Ok(if_any(answer)?.map(|answer| Secret::new(answer.data)))
    }

    /// Whether the client forwards an agent of this id.
    pub async fn has_ssh_agent(&self, id: &str) -> Result<bool, SessionError> {
        let question = CheckAgentRequest { id: id.to_owned() };
        let answer = self.ask::<_, CheckAgentResponse>(method::SSH_CHECK, question).await;
        match if_any(answer) {
            Ok(answer) => Ok(answer.is_some()),
            // What a client says of an agent that it does not have is no more than a text.
            Err(SessionError::Refused { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// A client that does not serve something does not have it either.
fn if_any<A>(answer: Result<A, SessionError>) -> Result<Option<A>, SessionError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(
            SessionError::NotOffered { .. }
            | SessionError::Refused { code: Code::NotFound | Code::Unimplemented, .. },
        ) => Ok(None),
        Err(error) => Err(error),
    }
}
