//! The sending side.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::BytesMut;
use futures::Stream;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::mpsc;
use tonic::Status;

use super::receive::{local, next, packet_type, peer};
use super::{Entry, Kind, TransferError};
use crate::wire::fsutil::{Packet, PacketType};

/// How much of a file goes into one packet.
const PIECE: usize = 32 << 10;

/// A tree that is sent. Its entries must be in the order of a walk, each with a clean path.
#[async_trait]
pub trait Tree: Send {
    /// A file's contents.
    type File: AsyncRead + Send + Unpin;

    /// The next entry, or none after the last.
    async fn next(&mut self) -> io::Result<Option<Entry>>;

    /// Opens a file by the path that its entry had.
    async fn open(&mut self, path: &Path) -> io::Result<Self::File>;
}

/// Sends a tree, and waits until the receiver has what it wants of it.
///
/// Files are sent one after the other: the receiver's requests wait meanwhile in the
/// connection, which holds its side up and not this one.
pub(crate) async fn send<T: Tree>(
    incoming: impl Stream<Item = Result<Packet, Status>> + Send + Unpin,
    outgoing: &mpsc::Sender<Packet>,
    tree: &mut T,
) -> Result<(), TransferError> {
    let mut sender = Sender {
        tree,
        outgoing,
        next_id: 0,
        files: HashMap::new(),
        wanted: VecDeque::new(),
        is_told: false,
        is_finished: false,
    };
    let ended = sender.run(incoming).await;
    if let Err(error) = &ended {
        // A courtesy, as in the other direction.
        drop(outgoing.try_send(Packet::failure(error)));
    }
    ended
}

struct Sender<'transfer, T: Tree> {
    tree: &'transfer mut T,
    outgoing: &'transfer mpsc::Sender<Packet>,
    next_id: u32,
    /// What may be asked for.
    files: HashMap<u32, PathBuf>,
    /// Asked for, and not yet sent.
    wanted: VecDeque<(u32, PathBuf)>,
    is_told: bool,
    is_finished: bool,
}

impl<T: Tree> Sender<'_, T> {
    async fn run(
        &mut self,
        mut incoming: impl Stream<Item = Result<Packet, Status>> + Send + Unpin,
    ) -> Result<(), TransferError> {
        while !self.is_finished {
            if self.is_told {
                match self.wanted.pop_front() {
                    Some((id, path)) => self.contents(id, &path).await?,
                    None => self.heard(&next(&mut incoming).await?)?,
                }
                continue;
            }
            // Both are safe to give up half-way: a channel, and a stream's next item.
            tokio::select! {
                biased;
                packet = next(&mut incoming) => self.heard(&packet?)?,
                room = self.outgoing.reserve() => {
                    let room = room.map_err(|_| closed())?;
                    let entry = self.tree.next().await.map_err(local(Path::new(".")))?;
                    self.is_told = entry.is_none();
                    if let Some(entry) = &entry {
                        self.note(entry)?;
                    }
                    let stat = entry.as_ref().map(Into::into);
                    room.send(Packet { stat, ..Packet::of(PacketType::Stat, 0) });
                }
            }
        }
        self.outgoing.send(Packet::of(PacketType::Fin, 0)).await.map_err(|_| closed())
    }

    fn note(&mut self, entry: &Entry) -> Result<(), TransferError> {
        let id = self.next_id;
        self.next_id = id.checked_add(1).ok_or(TransferError::TooMany)?;
        if entry.kind == Kind::File {
            self.files.insert(id, entry.path.clone());
        }
        Ok(())
    }

    fn heard(&mut self, packet: &Packet) -> Result<(), TransferError> {
        match packet_type(packet)? {
            PacketType::Req => {
                let path = self.files.remove(&packet.id).ok_or(TransferError::Packet {
                    what: "a request for what is no file, or was asked for before",
                })?;
                self.wanted.push_back((packet.id, path));
                Ok(())
            }
            PacketType::Fin if self.is_told => {
                self.is_finished = true;
                Ok(())
            }
            PacketType::Err => Err(peer(packet)),
            PacketType::Stat | PacketType::Data | PacketType::Fin => {
                Err(TransferError::Packet { what: "neither a request nor the end" })
            }
        }
    }

    async fn contents(&mut self, id: u32, path: &Path) -> Result<(), TransferError> {
        let mut file = self.tree.open(path).await.map_err(local(path))?;
        loop {
            let mut piece = BytesMut::with_capacity(PIECE);
            let read = file.read_buf(&mut piece).await.map_err(local(path))?;
            let data = Packet { data: piece.freeze(), ..Packet::of(PacketType::Data, id) };
            self.outgoing.send(data).await.map_err(|_| closed())?;
            if read == 0 {
                return Ok(());
            }
        }
    }
}

fn closed() -> TransferError {
    TransferError::Ended("the peer takes no more files".to_owned())
}
