//! What every carrier does, as test cases for whoever has a [`Dialer`].
//!
//! The other side serves [`crate::selftest`]. Nothing here depends on speed: a case
//! fails by a wrong byte, by an error, or by [`CASE_DEADLINE`], which is there for a
//! carrier that hangs.

use std::io::ErrorKind;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::future::{BoxFuture, join_all, try_join};
use futures::stream::{FuturesUnordered, TryStreamExt};
use naru_protocol::Port;
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::time::timeout;

use crate::{BoxedStream, Dialer, TransportError};

/// How long one case may take before it counts as hung.
pub const CASE_DEADLINE: Duration = Duration::from_mins(5);

/// A case and its name.
pub type Case = (&'static str, fn(&dyn Dialer) -> BoxFuture<'_, Result<()>>);

/// All cases, in the order of [`run`].
pub const CASES: &[Case] = &[
    ("bytes come back as they were sent", |dialer| Box::pin(echo(dialer))),
    ("each byte is noticed when it comes", |dialer| Box::pin(noticed(dialer))),
    ("large transfers arrive whole in both directions", |dialer| Box::pin(bulk(dialer))),
    ("ending the host's direction leaves the guest's open", |dialer| Box::pin(half_close(dialer))),
    ("a thousand streams are open at once", |dialer| Box::pin(thousand(dialer))),
    ("a thousand silent streams leave room for another", |dialer| Box::pin(silent(dialer))),
    ("a stalled reader leaves other streams running", |dialer| Box::pin(stalled(dialer))),
    ("streams dropped in the middle harm nobody", |dialer| Box::pin(dropped(dialer))),
    ("a port nobody listens on is refused", |dialer| Box::pin(refused(dialer))),
];

/// How often a byte goes there and back alone.
const TRIPS: usize = 2000;

/// What is not noticed by itself is noticed with the carrier's next heartbeat, most often
/// later than this. No trip takes as long on a machine that is merely busy.
const TRIP_DEADLINE: Duration = Duration::from_secs(5);

/// Streams in the cases that open many.
const MANY: usize = 1000;

/// A port that is nobody's.
const NOBODY: Port = Port(7);

/// Runs every case, one after the other.
pub async fn run(dialer: &dyn Dialer) -> Result<()> {
    for (name, case) in CASES {
        tracing::info!(name, carrier = %dialer.carrier(), "transport case");
        timeout(CASE_DEADLINE, case(dialer))
            .await
            .with_context(|| format!("hung: {name}"))?
            .with_context(|| format!("failed: {name}"))?;
    }
    Ok(())
}

/// Bytes that repeat with no period a buffer could have.
fn pattern(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((at * 31 + at / 251 + seed) % 256).unwrap_or(0)).collect()
}

async fn round_trip(stream: &mut BoxedStream, sent: &[u8]) -> Result<()> {
    stream.write_all(sent).await.context("write")?;
    stream.flush().await.context("flush")?;
    let mut received = vec![0; sent.len()];
    stream.read_exact(&mut received).await.context("read")?;
    ensure!(received == sent, "other bytes came back");
    Ok(())
}

async fn expect_end(stream: &mut BoxedStream) -> Result<()> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.context("read to the end")?;
    ensure!(rest.is_empty(), "{} bytes too many", rest.len());
    Ok(())
}

async fn echo(dialer: &dyn Dialer) -> Result<()> {
    let mut stream = dialer.dial(Port::ECHO).await?;
    for length in [1, 2, 255, 4096, 65_537] {
        round_trip(&mut stream, &pattern(length, length)).await?;
    }
    stream.shutdown().await?;
    expect_end(&mut stream).await
}

async fn noticed(dialer: &dyn Dialer) -> Result<()> {
    let mut stream = dialer.dial(Port::ECHO).await?;
    for trip in 0..TRIPS {
        timeout(TRIP_DEADLINE, round_trip(&mut stream, b"?"))
            .await
            .with_context(|| format!("trip {trip} waits"))??;
    }
    Ok(())
}

async fn bulk(dialer: &dyn Dialer) -> Result<()> {
    const LENGTH: usize = 8 * 1024 * 1024;
    let sent = pattern(1, LENGTH);
    let (mut reader, mut writer) = split(dialer.dial(Port::ECHO).await?);
    let write = async {
        writer.write_all(&sent).await.context("write")?;
        writer.shutdown().await.context("shutdown")
    };
    let mut received = Vec::with_capacity(LENGTH);
    let read = async { reader.read_to_end(&mut received).await.context("read") };
    try_join(Box::pin(write), Box::pin(read)).await?;
    ensure!(received == sent, "other bytes came back");

    let mut stream = dialer.dial(Port::DISCARD).await?;
    stream.write_all(&sent).await?;
    stream.shutdown().await?;
    let count = stream.read_u64().await.context("count")?;
    ensure!(count == LENGTH as u64, "{count} bytes of {LENGTH} arrived");
    expect_end(&mut stream).await
}

async fn half_close(dialer: &dyn Dialer) -> Result<()> {
    let sent = pattern(2, 100_000);
    let mut stream = dialer.dial(Port::DISCARD).await?;
    stream.write_all(&sent).await?;
    stream.shutdown().await?;
    // The guest learns of the end, and what it writes after that still arrives.
    ensure!(stream.read_u64().await? == sent.len() as u64, "the guest missed bytes");
    expect_end(&mut stream).await?;

    // Nothing written at all: an end is an end.
    let mut stream = dialer.dial(Port::DISCARD).await?;
    stream.shutdown().await?;
    ensure!(stream.read_u64().await? == 0, "bytes out of nowhere");
    expect_end(&mut stream).await?;
    if stream.write_all(&sent).await.is_ok() {
        bail!("could write after shutdown");
    }
    Ok(())
}

async fn dial_many(dialer: &dyn Dialer, port: Port) -> Result<Vec<BoxedStream>> {
    let mut streams = Vec::with_capacity(MANY);
    for number in 0..MANY {
        streams.push(dialer.dial(port).await.with_context(|| format!("stream {number}"))?);
    }
    Ok(streams)
}

async fn thousand(dialer: &dyn Dialer) -> Result<()> {
    let streams = dial_many(dialer, Port::ECHO).await?;
    let talks = streams.into_iter().enumerate().map(|(number, mut stream)| async move {
        round_trip(&mut stream, &pattern(number, 1000)).await?;
        stream.shutdown().await?;
        expect_end(&mut stream).await.with_context(|| format!("stream {number}"))
    });
    talks.collect::<FuturesUnordered<_>>().try_collect().await
}

async fn silent(dialer: &dyn Dialer) -> Result<()> {
    let held = dial_many(dialer, Port::STALL).await?;
    let mut stream = dialer.dial(Port::ECHO).await?;
    round_trip(&mut stream, b"still here").await?;
    drop(held);
    round_trip(&mut stream, b"still here").await
}

async fn stalled(dialer: &dyn Dialer) -> Result<()> {
    let fill = async {
        let mut stream = dialer.dial(Port::STALL).await?;
        let block = pattern(3, 64 * 1024);
        // More than any window and buffer on the way.
        for _ in 0..1024 {
            stream.write_all(&block).await?;
        }
        bail!("64 MiB went to a service that never reads")
    };
    let talk = async {
        let mut streams = Vec::new();
        for _ in 0..4 {
            streams.push(dialer.dial(Port::ECHO).await?);
        }
        for round in 0..200 {
            let block = pattern(round, 4096);
            let talks = streams.iter_mut().map(|stream| round_trip(stream, &block));
            join_all(talks).await.into_iter().collect::<Result<()>>()?;
        }
        Ok(())
    };
    tokio::select! {
        filled = fill => filled,
        talked = talk => talked,
    }
}

async fn dropped(dialer: &dyn Dialer) -> Result<()> {
    for round in 0..200 {
        let mut stream = dialer.dial(Port::ECHO).await?;
        stream.write_all(&pattern(round, 10_000)).await?;
        if round % 2 == 0 {
            stream.shutdown().await?;
        }
        drop(stream);
    }
    let mut stream = dialer.dial(Port::ECHO).await?;
    round_trip(&mut stream, &pattern(4, 100_000)).await
}

async fn refused(dialer: &dyn Dialer) -> Result<()> {
    match dialer.dial(NOBODY).await {
        Err(TransportError::Refused { port, .. }) => ensure!(port == NOBODY, "the wrong port"),
        Err(other) => return Err(other).context("refused for another reason"),
        Ok(mut stream) => match stream.read_u8().await {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            other => bail!("instead of a refusal: {other:?}"),
        },
    }
    let mut stream = dialer.dial(Port::ECHO).await?;
    round_trip(&mut stream, b"and the others go on").await
}
