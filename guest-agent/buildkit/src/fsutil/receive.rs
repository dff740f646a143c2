//! The receiving side.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use tokio::sync::mpsc;
use tonic::Status;

use super::order::Order;
use super::{Entry, Kind, TransferError};
use crate::wire::fsutil::{Packet, PacketType, Stat};

/// How many files are open at once. A sender works on four, so that more gain nothing but
/// that it never waits for this side's next word.
const OPEN_FILES: usize = 32;
/// How many bytes of names may wait for their turn: about two million files.
const WAITING_NAMES: usize = 256 << 20;

/// Where received files go.
///
/// Paths are relative, clean, and in the order of a walk. What a symbolic link or a hard link
/// points to is the peer's word: a sink opens nothing through the former, and makes the
/// latter only to what it has made itself.
#[async_trait]
pub trait Sink: Send {
    /// A file that is being filled.
    type File: Send;

    /// Takes note of an entry. Whether its contents are wanted; asked of files alone.
    async fn entry(&mut self, entry: &Entry) -> io::Result<bool>;

    /// The contents of a file that was wanted are about to come.
    async fn open(&mut self, path: &Path) -> io::Result<Self::File>;

    /// The next part of the contents.
    async fn write(&mut self, file: &mut Self::File, data: Bytes) -> io::Result<()>;

    /// The contents are whole.
    async fn close(&mut self, file: Self::File) -> io::Result<()>;
}

/// What has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Entries of any kind.
    pub entries: u64,
    /// Bytes of contents.
    pub bytes: u64,
}

/// Receives a tree. Whatever goes wrong here is told to the sender.
pub(crate) async fn receive<S: Sink>(
    incoming: impl Stream<Item = Result<Packet, Status>> + Send + Unpin,
    outgoing: &mpsc::Sender<Packet>,
    sink: &mut S,
) -> Result<Received, TransferError> {
    let mut receiver = Receiver {
        sink,
        outgoing,
        order: Order::default(),
        next_id: 0,
        waiting: VecDeque::new(),
        waiting_names: 0,
        open: HashMap::new(),
        is_told: false,
        received: Received::default(),
    };
    let ended = receiver.run(incoming).await;
    if let Err(error) = &ended {
        // A courtesy: a sender that is gone, or does not read, must not hold this side up.
        drop(outgoing.try_send(Packet::failure(error)));
    }
    ended.map(|()| receiver.received)
}

struct Receiver<'transfer, S: Sink> {
    sink: &'transfer mut S,
    outgoing: &'transfer mpsc::Sender<Packet>,
    order: Order,
    /// Entries are numbered as they come.
    next_id: u32,
    /// Wanted, and not yet asked for.
    waiting: VecDeque<(u32, PathBuf)>,
    waiting_names: usize,
    /// Asked for.
    open: HashMap<u32, (PathBuf, S::File)>,
    /// All entries are told.
    is_told: bool,
    received: Received,
}

impl<S: Sink> Receiver<'_, S> {
    async fn run(
        &mut self,
        mut incoming: impl Stream<Item = Result<Packet, Status>> + Send + Unpin,
    ) -> Result<(), TransferError> {
        while !(self.is_told && self.open.is_empty() && self.waiting.is_empty()) {
            let packet = next(&mut incoming).await?;
            match packet_type(&packet)? {
                PacketType::Stat => self.stat(packet.stat).await?,
                PacketType::Data => self.data(packet.id, packet.data).await?,
                PacketType::Err => return Err(peer(&packet)),
                PacketType::Req | PacketType::Fin => {
                    return Err(TransferError::Packet { what: "neither an entry nor contents" });
                }
            }
            self.ask().await?;
        }
        self.tell(Packet::of(PacketType::Fin, 0)).await?;
        let last = next(&mut incoming).await?;
        match packet_type(&last)? {
            PacketType::Fin => Ok(()),
            PacketType::Err => Err(peer(&last)),
            _ => Err(TransferError::Packet { what: "not the end, after all was received" }),
        }
    }

    async fn stat(&mut self, stat: Option<Stat>) -> Result<(), TransferError> {
        if self.is_told {
            return Err(TransferError::Packet { what: "an entry after the last one" });
        }
        let Some(stat) = stat else {
            self.is_told = true;
            return Ok(());
        };
        let id = self.next_id;
        self.next_id = id.checked_add(1).ok_or(TransferError::TooMany)?;
        let entry = Entry::try_from(stat)?;
        self.order.enter(&entry.path, entry.kind == Kind::Directory)?;
        self.received.entries += 1;
        let is_wanted = self.sink.entry(&entry).await.map_err(local(&entry.path))?;
        if is_wanted && entry.kind == Kind::File {
            self.waiting_names += entry.path.as_os_str().len();
            if self.waiting_names > WAITING_NAMES {
                return Err(TransferError::TooMany);
            }
            self.waiting.push_back((id, entry.path));
        }
        Ok(())
    }

    async fn data(&mut self, id: u32, data: Bytes) -> Result<(), TransferError> {
        let Some((path, file)) = self.open.get_mut(&id) else {
            return Err(TransferError::Packet { what: "contents that nobody asked for" });
        };
        if !data.is_empty() {
            self.received.bytes += data.len() as u64;
            return self.sink.write(file, data).await.map_err(local(path));
        }
        if let Some((path, file)) = self.open.remove(&id) {
            self.sink.close(file).await.map_err(local(&path))?;
        }
        Ok(())
    }

    /// Asks for as many files as may be open.
    async fn ask(&mut self) -> Result<(), TransferError> {
        while self.open.len() < OPEN_FILES {
            let Some((id, path)) = self.waiting.pop_front() else { break };
            self.waiting_names -= path.as_os_str().len();
            let file = self.sink.open(&path).await.map_err(local(&path))?;
            self.open.insert(id, (path, file));
            self.tell(Packet::of(PacketType::Req, id)).await?;
        }
        Ok(())
    }

    /// Never waits for long: a file is asked for only after the answer to an earlier one came.
    async fn tell(&self, packet: Packet) -> Result<(), TransferError> {
        let gone = |_| TransferError::Ended("the peer takes no requests".to_owned());
        self.outgoing.send(packet).await.map_err(gone)
    }
}

/// The next packet, which there must be.
pub(super) async fn next(
    incoming: &mut (impl Stream<Item = Result<Packet, Status>> + Send + Unpin),
) -> Result<Packet, TransferError> {
    match incoming.next().await {
        Some(Ok(packet)) => Ok(packet),
        Some(Err(status)) => Err(TransferError::Ended(status.message().to_owned())),
        None => Err(TransferError::Ended("the peer has closed it".to_owned())),
    }
}

pub(super) fn packet_type(packet: &Packet) -> Result<PacketType, TransferError> {
    PacketType::try_from(packet.r#type)
        .map_err(|_| TransferError::Packet { what: "of no known type" })
}

pub(super) fn peer(packet: &Packet) -> TransferError {
    TransferError::Peer(String::from_utf8_lossy(&packet.data).into_owned())
}

pub(super) fn local(path: &Path) -> impl FnOnce(io::Error) -> TransferError {
    let path = path.to_owned();
    move |source| TransferError::Local { path, source }
}
