//! Files over a session, with a client half that speaks as fsutil does.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use hyper::HeaderMap;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::Fixture;
use super::packets::{DIRECTORY, Memory, packet, stat};
use super::sessions::{Ending, Serves};
use crate::fsutil::{Entry, Kind, TransferError, Tree};
use crate::wire::fsutil::{Packet, PacketType};
use crate::{ContextRequest, SessionError};

type Outgoing = mpsc::Sender<Result<Packet, Status>>;

const FILES: u32 = 300;

/// Sends a directory with many files; those asked for come in turns, a piece of each.
async fn sender(mut incoming: Streaming<Packet>, outgoing: Outgoing) -> anyhow::Result<()> {
    outgoing.send(Ok(stat("d", DIRECTORY))).await?;
    for file in 0..FILES {
        outgoing.send(Ok(stat(&format!("d/{file:04}"), 0o644))).await?;
    }
    outgoing.send(Ok(Packet::default())).await?;
    let mut wanted = VecDeque::new();
    loop {
        if wanted.is_empty() {
            match incoming.message().await? {
                Some(packet) if packet.r#type == i32::from(PacketType::Req) => {
                    wanted.push_back((packet.id, 2));
                }
                Some(packet) if packet.r#type == i32::from(PacketType::Fin) => break,
                other => anyhow::bail!("unexpected: {other:?}"),
            }
        }
        // Everything that has been asked for by now takes its turn.
        while let Some(Ok(Some(packet))) = futures::FutureExt::now_or_never(incoming.message()) {
            if packet.r#type == i32::from(PacketType::Fin) {
                outgoing.send(Ok(packet)).await?;
                return Ok(());
            }
            wanted.push_back((packet.id, 2));
        }
        if let Some((id, left)) = wanted.pop_front() {
            let data = if left > 0 { Bytes::from(format!("{id} ")) } else { Bytes::new() };
            outgoing.send(Ok(Packet { data, ..packet(PacketType::Data, id, b"") })).await?;
            if left > 0 {
                wanted.push_back((id, left - 1));
            }
        }
    }
    Ok(outgoing.send(Ok(packet(PacketType::Fin, 0, b""))).await?)
}

fn serves(
    script: impl Fn(HeaderMap, Streaming<Packet>, Outgoing) -> Ending + Send + Sync + 'static,
) -> Serves {
    Serves { packets: Some(Box::new(script)), ..Serves::default() }
}

#[tokio::test]
async fn a_context_of_many_files_comes_with_few_open_at_once() -> anyhow::Result<()> {
    let fixture = Fixture::new();
    let seen = Arc::new(Mutex::new(HeaderMap::new()));
    let headers = Arc::clone(&seen);
    let script = move |metadata, incoming, outgoing| -> Ending {
        if let Ok(mut seen) = headers.lock() {
            *seen = metadata;
        }
        // A failure ends the stream, which the receiver sees.
        Box::pin(async move { drop(sender(incoming, outgoing).await) })
    };
    let session = fixture.connect(serves(script)).await?.session;
    let request = ContextRequest {
        name: "context".to_owned(),
        include: vec!["d".to_owned()],
        exclude: vec!["*.log".to_owned(), "!ä".to_owned()],
        follow: vec!["d/0000".to_owned()],
    };
    let mut memory = Memory::default();
    let received = session.receive_context(&request, &mut memory).await?;
    assert_eq!(received.entries, u64::from(FILES) + 1);
    assert_eq!(memory.files.len(), FILES as usize);
    memory.files.sort();
    assert_eq!(memory.files[9], ("d/0009".into(), b"10 10 ".to_vec()), "ids count from the first");
    assert!(memory.most_open <= 32, "{} were open", memory.most_open);
    let seen = seen.lock().map_err(|_| anyhow::anyhow!("poisoned"))?.clone();
    assert_eq!(seen["dir-name"], "context");
    assert_eq!(seen["include-patterns"], "d");
    assert_eq!(seen["followpaths"], "d/0000");
    let excluded: Vec<_> = seen.get_all("exclude-patterns").iter().collect();
    assert_eq!(excluded, ["%2A.log", "%21%C3%A4"]);
    assert_eq!(seen["exclude-patterns-encoded"], "1");
    Ok(())
}

#[tokio::test]
async fn a_hostile_sender_is_told_off() -> anyhow::Result<()> {
    let fixture = Fixture::new();
    let (told, mut heard) = mpsc::channel(1);
    let script = move |_, mut incoming: Streaming<Packet>, outgoing: Outgoing| -> Ending {
        let told = told.clone();
        Box::pin(async move {
            drop(outgoing.send(Ok(stat("../../etc/passwd", 0o644))).await);
            drop(told.send(incoming.message().await).await);
        })
    };
    let session = fixture.connect(serves(script)).await?.session;
    let mut memory = Memory::default();
    let refused = session.receive_context(&ContextRequest::default(), &mut memory).await;
    let is_refused = matches!(refused, Err(SessionError::Transfer(TransferError::Path { .. })));
    assert!(is_refused, "{refused:?}");
    assert_eq!(memory.entries, []);
    match heard.recv().await {
        Some(Ok(Some(packet))) => assert_eq!(packet.r#type, i32::from(PacketType::Err)),
        other => anyhow::bail!("unexpected: {other:?}"),
    }
    Ok(())
}

#[tokio::test]
async fn a_client_without_such_a_directory_says_so() -> anyhow::Result<()> {
    let fixture = Fixture::new();
    let script = |_, _, outgoing: Outgoing| -> Ending {
        Box::pin(async move {
            let status = Status::not_found("no access allowed to dir \"other\"");
            drop(outgoing.send(Err(status)).await);
        })
    };
    let session = fixture.connect(serves(script)).await?.session;
    let refused = session.receive_context(&ContextRequest::default(), &mut Memory::default()).await;
    let message = refused.map_err(|error| naru_error::chain(&error));
    assert!(message.is_err_and(|message| message.contains("no access allowed to dir")));
    Ok(())
}

/// A small tree; one file cannot be read.
struct Small {
    left: VecDeque<Entry>,
    is_broken: bool,
}

impl Small {
    fn new(is_broken: bool) -> Self {
        let entry = |path: &str, kind| Entry {
            path: path.into(),
            kind,
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: 0,
            modified_ns: 0,
            xattrs: std::collections::BTreeMap::new(),
        };
        let left = [
            entry("a", Kind::Directory),
            entry("a/f", Kind::File),
            entry("b", Kind::Symlink("a".into())),
            entry("c", Kind::File),
        ];
        Self { left: left.into(), is_broken }
    }
}

#[async_trait]
impl Tree for Small {
    type File = io::Cursor<Vec<u8>>;

    async fn next(&mut self) -> io::Result<Option<Entry>> {
        Ok(self.left.pop_front())
    }

    async fn open(&mut self, path: &Path) -> io::Result<Self::File> {
        if self.is_broken {
            return Err(io::Error::other("disk on fire"));
        }
        Ok(io::Cursor::new(path.display().to_string().repeat(20_000).into_bytes()))
    }
}

/// Receives as fsutil does: asks while it is still being told, and for all files.
async fn receiver(
    mut incoming: Streaming<Packet>,
    outgoing: Outgoing,
) -> anyhow::Result<Vec<(PathBuf, usize)>> {
    let mut files = Vec::new();
    let (mut id, mut open, mut is_told) = (0, 0, false);
    let mut has_said = false;
    while let Some(packet) = incoming.message().await? {
        match PacketType::try_from(packet.r#type)? {
            PacketType::Stat => match packet.stat {
                Some(stat) => {
                    let path = PathBuf::from(String::from_utf8(stat.path)?);
                    files.push((path, 0));
                    if stat.mode >> 9 == 0 {
                        open += 1;
                        outgoing.send(Ok(super::packets::packet(PacketType::Req, id, b""))).await?;
                    }
                    id += 1;
                }
                None => is_told = true,
            },
            PacketType::Data if packet.data.is_empty() => open -= 1,
            PacketType::Data => files[packet.id as usize].1 += packet.data.len(),
            PacketType::Fin => return Ok(files),
            PacketType::Err | PacketType::Req => anyhow::bail!("{packet:?}"),
        }
        if is_told && open == 0 && !has_said {
            has_said = true;
            outgoing.send(Ok(super::packets::packet(PacketType::Fin, 0, b""))).await?;
        }
    }
    anyhow::bail!("it ended without an end")
}

#[tokio::test]
async fn a_tree_arrives_with_its_contents_or_not_as_a_whole() -> anyhow::Result<()> {
    let fixture = Fixture::new();
    let (told, mut heard) = mpsc::channel(1);
    let script = move |_, incoming, outgoing| -> Ending {
        let told = told.clone();
        Box::pin(async move { drop(told.send(receiver(incoming, outgoing).await).await) })
    };
    let session = fixture.connect(serves(script)).await?.session;
    session.send_tree(0, &mut Small::new(false)).await?;
    let files = heard.recv().await.ok_or_else(|| anyhow::anyhow!("nothing came"))??;
    let expected = [("a".into(), 0), ("a/f".into(), 60_000), ("b".into(), 0), ("c".into(), 20_000)];
    assert_eq!(files, expected);
    let broken = session.send_tree(0, &mut Small::new(true)).await;
    assert!(matches!(broken, Err(SessionError::Transfer(TransferError::Local { .. }))));
    assert!(heard.recv().await.is_some_and(|received| received.is_err()));
    Ok(())
}

#[tokio::test]
async fn a_receiver_that_asks_for_what_is_no_file_is_refused() -> anyhow::Result<()> {
    for id in [0, 2, 7] {
        let fixture = Fixture::new();
        let script = move |_, incoming: Streaming<Packet>, outgoing: Outgoing| -> Ending {
            Box::pin(async move {
                let request = packet(PacketType::Req, id, b"");
                drop(outgoing.send(Ok(request)).await);
                drop((incoming, outgoing));
            })
        };
        let session = fixture.connect(serves(script)).await?.session;
        let refused = session.send_tree(0, &mut Small::new(false)).await;
        let is_refused =
            matches!(refused, Err(SessionError::Transfer(TransferError::Packet { .. })));
        assert!(is_refused, "{id}: {refused:?}");
    }
    Ok(())
}
