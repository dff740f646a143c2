//! BuildKit's door: what a stock buildx speaks to, in front of Naru's own builder.
//!
//! ```text
//!   buildx ──► POST /grpc, Upgrade: h2c ──► engine ──► Door::serve(connection)
//!                                                         │ control   jobs, progress, history
//!                                                         │ gateway   buildx's own steering
//!                                                         ▼
//!                                                      Builder (the engine's)
//!                                                         │ files, secrets, ssh, credentials
//!   buildx ◄── HTTP/2, reversed ◄── /session ◄────────── Session
//! ```
//!
//! The crate knows the protocol and nothing of images, containers and Dockerfiles: what a
//! build is, a [`Builder`] says. It opens no sockets: the engine hands over connections
//! ([`Door::serve`], [`Sessions::serve`]), whichever listener they come from; one that begins
//! with HTTP/2's preface is served as it is.
//!
//! # Decisions
//!
//! - **Messages are written by hand** ([`wire`]), from the published definitions, with the
//!   fields that are used. The connections are hyper's, which the engine has anyway; of tonic
//!   it takes the framing of calls, their codes and their metadata, but neither its transport
//!   nor generated code. The gRPC project maintains tonic (MIT), Tokio's prost (Apache-2.0).
//! - **No LLB.** BuildKit's clients may send a graph of low-level steps; ours is a builder of
//!   Dockerfiles, and refuses a graph by name. The one graph that it takes back is its own,
//!   which stands for a result (bake's `target:` contexts).
//! - **A build belongs to its `Solve` call.** When the call is given up, the connection breaks
//!   or its pings are not answered, the build is cancelled, and awaited nevertheless, so that it
//!   leaves nothing half made.
//! - **Nothing is trusted**: message sizes, waiting files, logs and history are bounded, paths
//!   are checked before anyone sees them, and a client that does not read holds up only itself.
//! - **History is in memory** and has no attestations: enough for what buildx asks of it.

#![cfg_attr(test, expect(clippy::panic_in_result_fn, reason = "a test asserts"))]

pub mod fsutil;
pub mod wire;

mod builder;
mod channel;
mod control;
mod door;
mod error;
mod executor;
mod gateway;
mod history;
mod jobs;
mod progress;
mod request;
mod rpc;
mod session;
mod solution;

pub use tonic::Status;

pub use builder::{
    BuildContext, Builder, ExportRequest, HOST_GATEWAY_LABEL, SNAPSHOTTER_LABEL, Solved, Target,
};
pub use door::Door;
pub use error::{BuildError, SessionError};
pub use progress::Progress;
pub use rpc::{Answers, encoded};
pub use session::{
    ContextRequest, Credentials, Offer, Secret, Session, Sessions, Token, TokenRequest,
};

#[cfg(test)]
mod tests;
