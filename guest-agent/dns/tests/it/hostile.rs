//! Clients that mean no good, or are many.

use std::collections::HashMap;
use std::io;

use anyhow::{Result, ensure};
use hickory_proto::op::ResponseCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::{pause, timeout};

use crate::world::{DEADLINE, FakeUpstream, World, code, query, receive};

/// As many forwards as a container has at a time.
const MAX_FORWARDS: usize = 1024;

#[tokio::test]
async fn rubbish_does_not_end_the_server() -> Result<()> {
    let world = World::new(&[])?;
    let client = world.client().await?;
    for length in [0, 1, 11, 12, 100, 4095, 4096, 60_000] {
        client.send(&vec![0xff; length]).await?;
        client.send(&[&query("web.", 1)?[..], &vec![0xff; length]].concat()).await?;
    }
    let reply = world.ask(&query("web.", 7)?).await?;
    ensure!(code(&reply, 7)? == ResponseCode::NoError);
    Ok(())
}

#[tokio::test]
async fn connection_that_says_nothing_of_sense_is_closed() -> Result<()> {
    let world = World::new(&[])?;
    let reply = [0x80; 12];
    for bytes in [&[0xff, 0xff, 0][..], &[0, 0], &[&[0, 12], &reply[..]].concat()] {
        let mut stream = TcpStream::connect(world.tcp).await?;
        stream.write_all(bytes).await?;
        let mut rest = Vec::new();
        // The end of a connection with bytes unread is a reset.
        match timeout(DEADLINE, stream.read_to_end(&mut rest)).await? {
            Ok(_) => ensure!(rest.is_empty(), "{rest:?}"),
            Err(error) => ensure!(error.kind() == io::ErrorKind::ConnectionReset, "{error}"),
        }
    }
    ensure!(code(&world.ask_by_tcp(&[&query("web.", 7)?]).await?[0], 7)? == ResponseCode::NoError);
    Ok(())
}

#[tokio::test]
async fn idle_connection_is_closed() -> Result<()> {
    let world = World::new(&[])?;
    let mut stream = TcpStream::connect(world.tcp).await?;
    stream.write_all(&[0]).await?;
    pause();
    let mut rest = Vec::new();
    // Without a deadline of its own: time passes only while all wait, the server for less.
    let closed = stream.read_to_end(&mut rest).await;
    ensure!(rest.is_empty() && closed.is_ok(), "{rest:?} {closed:?}");
    Ok(())
}

#[tokio::test]
async fn flood_is_refused_beyond_what_is_on_its_way_and_hurts_no_other() -> Result<()> {
    let silent = FakeUpstream::start(|_, _| Vec::new()).await?;
    let world = World::new(&[silent.address])?;
    let client = world.client().await?;
    let mut refused = HashMap::new();
    for id in 0..u16::try_from(MAX_FORWARDS)? + 10 {
        client.send(&query("example.com.", id)?).await?;
        if usize::from(id) >= MAX_FORWARDS {
            refused.insert(id, code(&receive(&client).await?, id)?);
        } else {
            // What the socket does not hold is lost: let the server take it.
            yield_now().await;
        }
    }
    ensure!(refused.values().all(|code| *code == ResponseCode::Refused), "{refused:?}");
    let reply = world.ask(&query("web.", 7)?).await?;
    ensure!(code(&reply, 7)? == ResponseCode::NoError);
    Ok(())
}
