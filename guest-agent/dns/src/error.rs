//! What can go wrong when a server is started.

use std::io;

use naru_error::ErrorKind;

/// Why there is no name server. Once there is one, failures are its clients' answers.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// A socket cannot be used.
    #[error("cannot serve names on the {protocol} socket")]
    Socket {
        /// Which of the two.
        protocol: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The thread that opens sockets in namespaces cannot be started.
    #[error("cannot start the thread that asks other name servers")]
    Dialer(#[source] io::Error),
}

impl DnsError {
    /// What sort of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Socket { .. } | Self::Dialer(_) => ErrorKind::Internal,
        }
    }
}
