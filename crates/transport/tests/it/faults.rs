//! Peers that die, a dirty channel, and clients in each other's way.

use std::io::ErrorKind;
use std::time::Duration;

use anyhow::{Context, ensure};
use naru_error::ErrorKind as Kind;
use naru_transport::guest::listen_unix;
use naru_transport::{Acceptor, BoxedStream, Port, TransportError, selftest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use crate::support::{Guest, connect_to};

/// Only there so that a hang fails the test.
const HUNG: Duration = Duration::from_mins(1);

async fn echoes(stream: &mut BoxedStream) -> anyhow::Result<()> {
    stream.write_all(b"ping").await?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await?;
    ensure!(&answer == b"ping", "the answer was {answer:?}");
    Ok(())
}

#[tokio::test]
async fn every_stream_fails_when_the_guest_dies_and_dialling_works_after_its_return()
-> anyhow::Result<()> {
    let mut guest = Guest::start()?;
    let dialer = guest.connect().await?;
    let mut idle = dialer.dial(Port::STALL).await?;
    let mut closed = dialer.dial(Port::STALL).await?;
    closed.shutdown().await?;
    let mut busy = dialer.dial(Port::ECHO).await?;
    echoes(&mut busy).await?;

    guest.restart().await?;

    for (name, stream) in [("idle", &mut idle), ("half-closed", &mut closed), ("busy", &mut busy)] {
        let read = timeout(HUNG, stream.read_u8()).await.context("read hung")?;
        let error = read.err().with_context(|| format!("{name}: a byte from nobody"))?;
        ensure!(error.kind() == ErrorKind::ConnectionReset, "{name}: {error:?}");
    }
    ensure!(busy.write_all(&vec![0; 1 << 20]).await.is_err(), "wrote to nobody");

    echoes(&mut dialer.dial(Port::ECHO).await?).await
}

#[tokio::test]
async fn the_guest_takes_the_next_host_when_one_dies() -> anyhow::Result<()> {
    let guest = Guest::start()?;
    for _ in 0..5 {
        let dialer = guest.connect().await?;
        let mut stream = dialer.dial(Port::ECHO).await?;
        echoes(&mut stream).await?;
        drop(dialer);
        let end = timeout(HUNG, stream.read_u8()).await.context("read hung")?;
        ensure!(end.is_err(), "a byte after the dialer was dropped");
    }
    Ok(())
}

#[tokio::test]
async fn a_second_client_is_told_that_the_channel_is_held() -> anyhow::Result<()> {
    let guest = Guest::start()?;
    let first = guest.connect().await?;
    let error = connect_to(&guest.socket()).await.err().context("two clients")?;
    let error = error.downcast::<TransportError>()?;
    ensure!(matches!(error, TransportError::Busy { .. }), "{error:?}");
    ensure!(error.kind() == Kind::Conflict);
    echoes(&mut first.dial(Port::ECHO).await?).await?;

    // A client that leaves gives way to the next one, which need not try twice.
    drop(first);
    let second = connect_to(&guest.socket()).await?;
    echoes(&mut second.dial(Port::ECHO).await?).await
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_does_not_answer_is_an_error_within_the_deadline() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("mux.sock");
    let _booting = UnixListener::bind(&socket)?;
    let error = connect_to(&socket).await.err().context("connected to nobody")?;
    let error = error.downcast::<TransportError>()?;
    ensure!(matches!(error, TransportError::NoAnswer { .. }), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn no_machine_is_an_error_at_once() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let error = connect_to(&folder.path().join("mux.sock")).await.err().context("connected")?;
    ensure!(matches!(error.downcast::<TransportError>()?, TransportError::Connect { .. }));
    Ok(())
}

/// The channel is one byte stream to the guest's port; QEMU keeps it when the host's
/// program dies. The bytes of the dead program's unfinished frame come first.
#[tokio::test]
async fn a_session_begins_behind_half_a_frame_of_the_last_one() -> anyhow::Result<()> {
    let frame = [&[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 64, 0][..], &[0; 5000]].concat();
    for cut in [1, 11, 12, 13, 4000] {
        let folder = tempfile::tempdir()?;
        let (outer, inner) = (folder.path().join("qemu.sock"), folder.path().join("port.sock"));
        let mut guest = listen_unix(&inner, &selftest::PORTS)?;
        let qemu = UnixListener::bind(&outer)?;
        let forward = async {
            let mut port = UnixStream::connect(&inner).await?;
            port.write_all(&frame[..cut]).await?;
            let (mut host, _) = qemu.accept().await?;
            host.write_all(&frame[..cut]).await?;
            tokio::io::copy_bidirectional(&mut host, &mut port).await?;
            anyhow::Ok(())
        };
        let serve = async {
            let (port, stream) = guest.accept().await?;
            selftest::serve(port, stream).await?;
            anyhow::Ok(())
        };
        let talk = async {
            let dialer = connect_to(&outer).await?;
            let mut stream = dialer.dial(Port::ECHO).await?;
            echoes(&mut stream).await
        };
        tokio::select! {
            ended = forward => ended.context("the channel ended")?,
            talked = async { tokio::try_join!(talk, async { serve.await.or(Ok(())) }) } => {
                talked.with_context(|| format!("cut at {cut}"))?;
            }
            () = tokio::time::sleep(HUNG) => anyhow::bail!("hung at {cut}"),
        }
    }
    Ok(())
}

/// The guest's agent was killed in the middle of a frame and started again, while
/// the host's client stays connected to QEMU and knows nothing.
#[tokio::test]
async fn the_host_notices_a_guest_that_began_anew_on_the_same_channel() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (outer, inner) = (folder.path().join("qemu.sock"), folder.path().join("port.sock"));
    let qemu = UnixListener::bind(&outer)?;
    let half_a_frame = [&[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 64, 0][..], &[0; 100]].concat();

    let mut guest = listen_unix(&inner, &selftest::PORTS)?;
    let forward = async {
        let mut port = UnixStream::connect(&inner).await?;
        let (mut host, _) = qemu.accept().await?;
        let (mut buffer, mut answer) = (vec![0; 65536], vec![0; 65536]);
        // The first guest, until it has accepted a stream.
        loop {
            tokio::select! {
                count = host.read(&mut buffer) => port.write_all(&buffer[..count?]).await?,
                count = port.read(&mut answer) => host.write_all(&answer[..count?]).await?,
                accepted = guest.accept() => { accepted?; break }
            }
        }
        host.write_all(&half_a_frame).await?;
        drop(port);
        // The second guest, on the host's same connection until the host gives it up.
        let mut port = UnixStream::connect(&inner).await?;
        tokio::io::copy_bidirectional(&mut host, &mut port).await.ok();
        drop((host, port));
        let (mut host, _) = qemu.accept().await?;
        let mut port = UnixStream::connect(&inner).await?;
        tokio::io::copy_bidirectional(&mut host, &mut port).await?;
        anyhow::Ok(())
    };
    let talk = async {
        let dialer = connect_to(&outer).await?;
        let mut old = dialer.dial(Port::STALL).await?;
        let error = old.read_to_end(&mut Vec::new()).await.err().context("ended cleanly")?;
        ensure!(error.kind() == ErrorKind::ConnectionReset, "{error:?}");
        dialer.dial(Port::STALL).await?;
        Ok(())
    };
    tokio::select! {
        ended = forward => ended.context("the channel ended"),
        talked = timeout(HUNG, talk) => talked.context("hung")?,
    }
}

/// yamux forgets a stream that was ended and dropped; its peer must not wait for
/// window from a stream that nobody reads.
#[tokio::test]
async fn writing_to_a_stream_whose_other_end_has_closed_never_stalls() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("mux.sock");
    let mut guest = listen_unix(&socket, &[Port::API])?;
    let serve = async {
        let (_, mut stream) = guest.accept().await?;
        stream.shutdown().await?;
        drop(stream);
        let (_, mut stream) = guest.accept().await?;
        stream.shutdown().await?;
        anyhow::Ok(())
    };
    let talk = async {
        let dialer = connect_to(&socket).await?;
        let mut stream = dialer.dial(Port::API).await?;
        ensure!(stream.read(&mut [0; 1]).await? == 0, "no end of the guest's direction");
        for _ in 0..64 {
            stream.write_all(&vec![0; 64 * 1024]).await?;
        }
        stream.shutdown().await?;
        let mut next = dialer.dial(Port::API).await?;
        ensure!(next.read(&mut [0; 1]).await? == 0, "the session did not go on");
        Ok(())
    };
    timeout(HUNG, async { tokio::try_join!(serve, talk) }).await.context("stalled")??;
    Ok(())
}
