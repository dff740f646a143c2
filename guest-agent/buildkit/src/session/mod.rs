//! Sessions: the reverse direction, in which the client serves and the builder asks.
//!
//! ```text
//!   client ──► POST /session, Upgrade: h2c ──► engine ──► Sessions::serve(offer, connection)
//!                                                              │  by id, until it ends
//!   client's gRPC server ◄── HTTP/2 ── Session ◄── BuildContext::session() ◄── a build
//! ```
//!
//! The connection's headers ([`Offer`]) say whose session it is and which methods the client
//! serves; what it does not offer is not called. HTTP/2's pings find a client that is gone
//! without a word, so that a build that waits for it ends.
//!
//! What comes from a client is its user's, and so may be as odd as any file: bounded, checked,
//! and never a reason to fail for any build but its own. Secrets and passwords have no text
//! form here ([`Secret`]).

mod auth;
mod call;
mod context;
mod export;
mod offer;
mod registry;
mod secret;
mod ssh;
mod upload;

pub use auth::{Credentials, Token, TokenRequest};
pub use call::Session;
pub use context::ContextRequest;
pub use offer::Offer;
pub use registry::Sessions;
pub use secret::Secret;

/// The RPCs that a client may serve.
mod method {
    pub(super) const SYNC_FILES: &str = "/moby.filesync.v1.FileSync/DiffCopy";
    pub(super) const SEND_FILES: &str = "/moby.filesync.v1.FileSend/DiffCopy";
    pub(super) const SECRET: &str = "/moby.buildkit.secrets.v1.Secrets/GetSecret";
    pub(super) const SSH_CHECK: &str = "/moby.sshforward.v1.SSH/CheckAgent";
    pub(super) const SSH_FORWARD: &str = "/moby.sshforward.v1.SSH/ForwardAgent";
    pub(super) const CREDENTIALS: &str = "/moby.filesync.v1.Auth/Credentials";
    pub(super) const TOKEN: &str = "/moby.filesync.v1.Auth/FetchToken";
    pub(super) const UPLOAD: &str = "/moby.upload.v1.Upload/Pull";
}
