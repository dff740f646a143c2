//! What a receiver makes of packets that nobody should send.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;
use proptest::prelude::*;
use tokio::sync::mpsc;

use crate::fsutil::{Entry, Kind, Received, Sink, TransferError, receive};
use crate::wire::fsutil::{Packet, PacketType, Stat};

/// Remembers all that it is given.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) entries: Vec<Entry>,
    pub(super) files: Vec<(PathBuf, Vec<u8>)>,
    pub(super) most_open: usize,
    open: usize,
}

#[async_trait]
impl Sink for Memory {
    type File = (PathBuf, Vec<u8>);

    async fn entry(&mut self, entry: &Entry) -> io::Result<bool> {
        self.entries.push(entry.clone());
        Ok(!entry.path.ends_with("unwanted"))
    }

    async fn open(&mut self, path: &Path) -> io::Result<Self::File> {
        self.open += 1;
        self.most_open = self.most_open.max(self.open);
        Ok((path.to_owned(), Vec::new()))
    }

    async fn write(&mut self, file: &mut Self::File, data: Bytes) -> io::Result<()> {
        file.1.extend_from_slice(&data);
        Ok(())
    }

    async fn close(&mut self, file: Self::File) -> io::Result<()> {
        self.open -= 1;
        self.files.push(file);
        Ok(())
    }
}

pub(super) const DIRECTORY: u32 = 1 << 31;

pub(super) fn stat(path: &str, mode: u32) -> Packet {
    let stat = Stat { path: path.as_bytes().to_vec(), mode, ..Stat::default() };
    Packet { stat: Some(stat), ..Packet::default() }
}

pub(super) fn packet(kind: PacketType, id: u32, data: &'static [u8]) -> Packet {
    Packet { r#type: kind.into(), id, data: Bytes::from_static(data), ..Packet::default() }
}

/// What a script of packets comes to, and what the receiver said.
async fn played(script: Vec<Packet>) -> (Result<Received, TransferError>, Memory, Vec<Packet>) {
    let (outgoing, mut said) = mpsc::channel(64);
    let mut memory = Memory::default();
    let script = stream::iter(script.into_iter().map(Ok));
    let received = receive(script, &outgoing, &mut memory).await;
    drop(outgoing);
    let mut all = Vec::new();
    while let Some(packet) = said.recv().await {
        all.push(packet);
    }
    (received, memory, all)
}

#[tokio::test]
async fn a_whole_transfer_ends_in_fin_on_both_sides() {
    let (received, memory, said) = played(vec![
        stat("a", DIRECTORY | 0o755),
        stat("a/unwanted", 0o644),
        stat("b", 0o600),
        stat("c", 0o600),
        Packet::default(),
        packet(PacketType::Data, 3, b"x"),
        packet(PacketType::Data, 2, b"y"),
        packet(PacketType::Data, 3, b"z"),
        packet(PacketType::Data, 3, b""),
        packet(PacketType::Data, 2, b""),
        packet(PacketType::Fin, 0, b""),
    ])
    .await;
    assert_eq!(received.ok(), Some(Received { entries: 4, bytes: 3 }));
    let files = [("c".into(), b"xz".to_vec()), ("b".into(), b"y".to_vec())];
    assert_eq!(memory.files, files);
    let fin = [packet(PacketType::Req, 2, b""), packet(PacketType::Req, 3, b"")];
    assert_eq!(said[..2], fin);
    assert_eq!(said[2..], [packet(PacketType::Fin, 0, b"")]);
}

#[tokio::test]
async fn packets_out_of_place_end_the_transfer_and_the_sender_is_told() {
    let end = Packet::default;
    for (script, expected) in [
        (vec![stat("../a", 0)], "is not clean"),
        (vec![stat("/a", 0)], "is absolute"),
        (vec![stat("", 0)], "is empty"),
        (vec![stat("b", 0), stat("a", 0)], "out of order"),
        (vec![stat("a", 0), stat("a/b", 0)], "out of order"),
        (vec![stat("a", 1 << 19)], "is no file's"),
        (vec![packet(PacketType::Data, 0, b"x")], "nobody asked for"),
        (vec![stat("a", DIRECTORY), packet(PacketType::Data, 0, b"x")], "nobody asked for"),
        (vec![stat("a", 0), end(), stat("b", 0)], "after the last one"),
        (vec![packet(PacketType::Req, 0, b"")], "neither an entry"),
        (vec![packet(PacketType::Fin, 0, b"")], "neither an entry"),
        (vec![Packet { r#type: 9, ..Packet::default() }], "no known type"),
        (vec![end(), stat("a", 0)], "not the end"),
    ] {
        let (received, _, said) = played(script.clone()).await;
        let message = received.map_err(|error| naru_error::chain(&error));
        assert!(
            message.as_ref().is_err_and(|message| message.contains(expected)),
            "{script:?}: {message:?}"
        );
        assert_eq!(said.last().map(|packet| packet.r#type), Some(PacketType::Err.into()));
    }
}

#[tokio::test]
async fn a_sender_that_fails_or_leaves_is_no_whole_transfer() {
    let (received, ..) = played(vec![packet(PacketType::Err, 0, b"disk on fire")]).await;
    assert!(matches!(received, Err(TransferError::Peer(text)) if text == "disk on fire"));
    for script in [vec![], vec![stat("a", 0)], vec![Packet::default()]] {
        let (received, ..) = played(script).await;
        assert!(matches!(received, Err(TransferError::Ended(_))));
    }
}

fn any_packet() -> impl Strategy<Value = Packet> {
    let path = prop_oneof!["[a-c]{1,2}(/[a-c]{1,2}){0,2}", "[./a]{0,5}"];
    let mode = prop_oneof![Just(DIRECTORY), Just(0_u32), Just(1 << 27), any::<u32>()];
    let link = prop_oneof![Just(String::new()), "[./a]{1,4}"];
    let stat = (path, mode, link).prop_map(|(path, mode, link)| {
        let mut packet = stat(&path, mode);
        if let Some(stat) = &mut packet.stat {
            stat.linkname = link.into_bytes();
        }
        packet
    });
    let data = (0_u32..4, any::<bool>())
        .prop_map(|(id, is_end)| packet(PacketType::Data, id, if is_end { b"" } else { b"x" }));
    let other =
        (0..6, 0_u32..4).prop_map(|(r#type, id)| Packet { r#type, id, ..Packet::default() });
    prop_oneof![6 => stat, 3 => data, 1 => other]
}

proptest! {
    #[test]
    fn whatever_comes_a_sink_sees_a_walk(script in prop::collection::vec(any_packet(), 0..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let (_, memory, _) = runtime.block_on(played(script));
        let mut directories = vec![PathBuf::new()];
        let mut last: Option<Vec<Vec<u8>>> = None;
        for entry in &memory.entries {
            let names: Vec<_> = entry.path.iter().map(|name| name.as_bytes().to_vec()).collect();
            prop_assert!(names.iter().all(|name| name != b".." && name != b"." && name != b"/"));
            let parent = entry.path.parent().map(PathBuf::from);
            prop_assert!(parent.is_some_and(|parent| directories.contains(&parent)));
            prop_assert!(last.as_ref().is_none_or(|last| *last < names), "{:?}", entry.path);
            if entry.kind == Kind::Directory {
                directories.push(entry.path.clone());
            }
            if let Kind::HardLink(first) = &entry.kind {
                prop_assert!(first.is_relative() && !first.iter().any(|name| name == ".."));
            }
            last = Some(names);
        }
    }
}
