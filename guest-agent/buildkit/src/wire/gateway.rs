//! `frontend/gateway/pb/gateway.proto`, as far as buildx uses it to build a Dockerfile.

use std::collections::BTreeMap;

use super::google::Status;
use super::ops::Definition;
use super::worker::WorkerRecord;

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct PingRequest {}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PongResponse {
    #[prost(message, repeated, tag = "1")]
    pub frontend_api_caps: Vec<ApiCap>,
    #[prost(message, repeated, tag = "2")]
    pub llb_caps: Vec<ApiCap>,
    #[prost(message, repeated, tag = "3")]
    pub workers: Vec<WorkerRecord>,
}

/// Something that the service can do.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ApiCap {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(bool, tag = "2")]
    pub enabled: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct SolveRequest {
    #[prost(message, optional, tag = "1")]
    pub definition: Option<Definition>,
    #[prost(string, tag = "2")]
    pub frontend: String,
    #[prost(btree_map = "string, string", tag = "3")]
    pub frontend_opt: BTreeMap<String, String>,
    #[prost(message, repeated, tag = "12")]
    pub cache_imports: Vec<super::control::CacheOptionsEntry>,
    #[prost(btree_map = "string, message", tag = "13")]
    pub frontend_inputs: BTreeMap<String, Definition>,
    #[prost(bool, tag = "14")]
    pub evaluate: bool,
    /// Policies for sources; looked at only to refuse them.
    #[prost(bytes = "vec", repeated, tag = "15")]
    pub source_policies: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct SolveResponse {
    #[prost(message, optional, tag = "3")]
    pub result: Option<Result>,
}

/// What a solve gave: one reference, or one for each platform.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Result {
    #[prost(message, optional, tag = "3")]
    pub r#ref: Option<Ref>,
    #[prost(message, optional, tag = "4")]
    pub refs: Option<RefMap>,
    #[prost(btree_map = "string, bytes", tag = "10")]
    pub metadata: BTreeMap<String, Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Ref {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(message, optional, tag = "2")]
    pub def: Option<Definition>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct RefMap {
    #[prost(btree_map = "string, message", tag = "1")]
    pub refs: BTreeMap<String, Ref>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ReturnRequest {
    #[prost(message, optional, tag = "1")]
    pub result: Option<Result>,
    #[prost(message, optional, tag = "2")]
    pub error: Option<Status>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ReturnResponse {}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct EvaluateRequest {
    #[prost(string, tag = "1")]
    pub r#ref: String,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct EvaluateResponse {}
