//! What can go wrong while files are transferred.

use std::io;
use std::path::PathBuf;

use naru_error::ErrorKind;

use super::path::Fault;

/// Why a transfer of files ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// A name that must not be.
    #[error("the peer sent the path {path:?}, which {fault}")]
    Path {
        /// The path as it came.
        path: PathBuf,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The walk is not one.
    #[error("the peer sent {path:?} out of order")]
    Order {
        /// The entry that is in the wrong place.
        path: PathBuf,
    },
    /// A mode that is no kind of file, or one without what belongs to it.
    #[error("the peer sent {path:?} with the mode {mode:#o}, which is no file's")]
    Mode {
        /// The entry.
        path: PathBuf,
        /// Its mode, in Go's bits.
        mode: u32,
    },
    /// A packet that has no place here.
    #[error("the peer sent a packet out of place: {what}")]
    Packet {
        /// What it was.
        what: &'static str,
    },
    /// More entries, or more that wait, than one transfer may have.
    #[error("the peer sent more files than a transfer may have")]
    TooMany,
    /// The other side gave up, and said why.
    #[error("error from the peer: {0}")]
    Peer(String),
    /// The stream ended in the middle.
    #[error("the stream ended before the transfer did: {0}")]
    Ended(String),
    /// This side cannot keep or read a file.
    #[error("cannot transfer {path:?}")]
    Local {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl TransferError {
    /// What sort of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Path { .. }
            | Self::Order { .. }
            | Self::Mode { .. }
            | Self::Packet { .. }
            | Self::TooMany => ErrorKind::InvalidArgument,
            Self::Peer(_) | Self::Ended(_) => ErrorKind::Unavailable,
            Self::Local { .. } => ErrorKind::Internal,
        }
    }
}
