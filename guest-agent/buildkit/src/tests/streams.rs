//! Byte streams over a session: an ssh agent, uploads, archives.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::HeaderMap;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf, duplex};
use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming};

use super::Fixture;
use super::sessions::{Ending, Serves};
use crate::wire::session::BytesMessage;
use crate::{Session, SessionError};

#[tokio::test]
async fn an_agents_answers_come_back_until_it_ends() -> anyhow::Result<()> {
    let fixture = Fixture::new();
    let echo = |headers: HeaderMap,
                mut incoming: Streaming<BytesMessage>,
                outgoing: mpsc::Sender<Result<BytesMessage, Status>>|
     -> Ending {
        Box::pin(async move {
            assert_eq!(headers["buildkit.ssh.id"], "default");
            while let Ok(Some(message)) = incoming.message().await {
                if outgoing.send(Ok(message)).await.is_err() {
                    break;
                }
            }
            // What the agent says after its client has stopped asking.
            drop(outgoing.send(Ok(BytesMessage { data: Bytes::from_static(b"bye") })).await);
        })
    };
    let serves = Serves { bytes: Some(Box::new(echo)), ..Serves::default() };
    let session = fixture.connect(serves).await?.session;
    let (mut step, agent) = duplex(1024);
    let talk = async {
        step.write_all(b"sign this").await?;
        let mut answer = [0; 9];
        step.read_exact(&mut answer).await?;
        assert_eq!(&answer, b"sign this");
        step.shutdown().await?;
        let mut rest = String::new();
        step.read_to_string(&mut rest).await?;
        anyhow::Ok(rest)
    };
    let (forwarded, rest) = tokio::join!(session.forward_ssh_agent("default", agent), talk);
    forwarded?;
    assert_eq!(rest?, "bye");
    Ok(())
}

#[tokio::test]
async fn an_upload_comes_whole_or_fails() -> anyhow::Result<()> {
    let fixture = Fixture::new();
    let upload = |headers: HeaderMap,
                  incoming: Streaming<BytesMessage>,
                  outgoing: mpsc::Sender<Result<BytesMessage, Status>>|
     -> Ending {
        Box::pin(async move {
            let _open = incoming;
            for piece in ["all ", "of it"] {
                drop(outgoing.send(Ok(BytesMessage { data: piece.into() })).await);
            }
            if headers["urlpath"] != "/whole" {
                drop(outgoing.send(Err(Status::unknown("broken pipe"))).await);
            }
        })
    };
    let serves = Serves { bytes: Some(Box::new(upload)), ..Serves::default() };
    let session = fixture.connect(serves).await?.session;
    assert_eq!(Session::upload_path("http://buildkit-session/whole"), Some("/whole"));
    assert_eq!(Session::upload_path("http://buildkit-session.example/whole"), None);
    let mut received = Vec::new();
    assert_eq!(session.receive_upload("/whole", &mut received).await?, 9);
    assert_eq!(received, b"all of it");
    let broken = session.receive_upload("/broken", tokio::io::sink()).await;
    assert!(matches!(broken, Err(SessionError::Refused { .. })));
    Ok(())
}

/// How an archive comes.
#[derive(Debug, PartialEq, Eq)]
enum Archive {
    Begun,
    Whole { length: usize },
    Broken,
}

fn archive_receiver() -> (Serves, mpsc::Receiver<Archive>) {
    let (told, received) = mpsc::channel(8);
    let receive = move |headers: HeaderMap,
                        mut incoming: Streaming<BytesMessage>,
                        outgoing: mpsc::Sender<Result<BytesMessage, Status>>|
          -> Ending {
        let told = told.clone();
        Box::pin(async move {
            if headers["buildkit-attachable-exporter-id"] == "9" {
                drop(outgoing.send(Err(Status::already_exists("target already exists"))).await);
                return;
            }
            assert_eq!(headers["exporter-md-containerimage.digest"], "sha256:0");
            let mut length = 0;
            let end = loop {
                match incoming.message().await {
                    Ok(Some(message)) => {
                        if length == 0 {
                            drop(told.send(Archive::Begun).await);
                        }
                        assert!(message.data.iter().all(|byte| *byte == b'x'));
                        length += message.data.len();
                    }
                    Ok(None) => break Archive::Whole { length },
                    Err(_) => break Archive::Broken,
                }
            };
            drop(told.send(end).await);
        })
    };
    (Serves { bytes: Some(Box::new(receive)), ..Serves::default() }, received)
}

/// Reads so much, and then fails.
struct Breaking(usize);

impl AsyncRead for Breaking {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let length = self.0.min(buffer.remaining());
        if length == 0 {
            return Poll::Ready(Err(io::Error::other("disk on fire")));
        }
        buffer.put_slice(&vec![b'x'; length]);
        self.0 -= length;
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn an_archive_arrives_whole() -> anyhow::Result<()> {
    let fixture = Fixture::new();
    let (serves, mut received) = archive_receiver();
    let session = fixture.connect(serves).await?.session;
    let metadata = BTreeMap::from([("containerimage.digest".to_owned(), "sha256:0".to_owned())]);
    let archive = vec![b'x'; 3 << 20];
    session.send_archive(0, &metadata, archive.as_slice()).await?;
    assert_eq!(received.recv().await, Some(Archive::Begun));
    assert_eq!(received.recv().await, Some(Archive::Whole { length: archive.len() }));
    let refused = session.send_archive(9, &metadata, Breaking(usize::MAX)).await;
    assert!(matches!(refused, Err(SessionError::Refused { code: Code::AlreadyExists, .. })));
    Ok(())
}

#[tokio::test]
async fn a_part_of_an_archive_is_never_taken_for_the_whole() -> anyhow::Result<()> {
    let fixture = Fixture::new();
    let (serves, mut received) = archive_receiver();
    let session = fixture.connect(serves).await?.session;
    let metadata = BTreeMap::from([("containerimage.digest".to_owned(), "sha256:0".to_owned())]);
    // More than may wait to be sent, so that the client has seen some of it.
    let failed = session.send_archive(0, &metadata, Breaking(32 << 20)).await;
    assert!(matches!(failed, Err(SessionError::Stream { .. })));
    assert_eq!(received.recv().await, Some(Archive::Begun));
    assert_eq!(received.recv().await, Some(Archive::Broken), "its reader failed");
    // Given up while it waits for the rest.
    let (mut writer, archive) = duplex(1024);
    writer.write_all(b"xxx").await?;
    tokio::select! {
        sent = session.send_archive(0, &metadata, archive) => anyhow::bail!("it ended: {sent:?}"),
        begun = received.recv() => assert_eq!(begun, Some(Archive::Begun)),
    }
    assert_eq!(received.recv().await, Some(Archive::Broken), "it was given up");
    Ok(())
}
