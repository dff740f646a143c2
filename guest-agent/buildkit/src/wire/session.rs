//! What a session's client serves: file sync, secrets, the ssh agent, credentials, uploads.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

/// A piece of a byte stream. Every service of the protocol that carries one has this shape.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct BytesMessage {
    #[prost(bytes = "bytes", tag = "1")]
    pub data: Bytes,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GetSecretRequest {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(btree_map = "string, string", tag = "2")]
    pub annotations: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct GetSecretResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub data: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CheckAgentRequest {
    #[prost(string, tag = "1")]
    pub id: String,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct CheckAgentResponse {}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CredentialsRequest {
    #[prost(string, tag = "1")]
    pub host: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct CredentialsResponse {
    #[prost(string, tag = "1")]
    pub username: String,
    #[prost(string, tag = "2")]
    pub secret: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct FetchTokenRequest {
    #[prost(string, tag = "1")]
    pub client_id: String,
    #[prost(string, tag = "2")]
    pub host: String,
    #[prost(string, tag = "3")]
    pub realm: String,
    #[prost(string, tag = "4")]
    pub service: String,
    #[prost(string, repeated, tag = "5")]
    pub scopes: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct FetchTokenResponse {
    #[prost(string, tag = "1")]
    pub token: String,
    /// Seconds.
    #[prost(int64, tag = "2")]
    pub expires_in: i64,
    /// Seconds since 1970.
    #[prost(int64, tag = "3")]
    pub issued_at: i64,
}

// What is in these must not be written anywhere by accident.

impl fmt::Debug for GetSecretResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetSecretResponse").finish_non_exhaustive()
    }
}

impl fmt::Debug for CredentialsResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialsResponse").finish_non_exhaustive()
    }
}

impl fmt::Debug for FetchTokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchTokenResponse").finish_non_exhaustive()
    }
}
