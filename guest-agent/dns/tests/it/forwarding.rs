//! Names that are not ours.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use hickory_proto::op::{Edns, Message, ResponseCode};
use tokio::net::UdpSocket;
use tokio::task::yield_now;
use tokio::time::{Instant, pause};

use crate::world::{FakeUpstream, World, code, query, reply_to};

/// SERVFAIL and REFUSED (RFC 1035, 4.1.1).
const FAILED: u8 = 2;
const REFUSED: u8 = 5;

/// A question with EDNS, options and the bits of DNSSEC.
fn full_query() -> Result<Vec<u8>> {
    let mut message = Message::from_vec(&query("Example.COM.", 0x1111)?)?;
    message.metadata.checking_disabled = true;
    message.metadata.authentic_data = true;
    let mut edns = Edns::new();
    edns.set_dnssec_ok(true).set_max_payload(4000);
    message.set_edns(edns);
    Ok(message.to_vec()?)
}

/// A port where nobody listens.
async fn closed() -> Result<SocketAddr> {
    Ok(UdpSocket::bind("127.0.0.1:0").await?.local_addr()?)
}

#[tokio::test]
async fn query_and_reply_pass_byte_for_byte_but_for_the_id() -> Result<()> {
    let upstream = FakeUpstream::start(|_, query| {
        let mut reply = reply_to(query, 0x04, 0x80);
        reply.resize(3900, 0xab);
        vec![reply]
    })
    .await?;
    let world = World::new(&[upstream.address])?;
    let query = full_query()?;
    let by_udp = world.ask(&query).await?;
    let by_tcp = world.ask_by_tcp(&[&query]).await?.remove(0);
    let mut expected = reply_to(&query, 0x04, 0x80);
    expected.resize(3900, 0xab);
    ensure!(by_udp == expected && by_tcp == expected);
    let seen = upstream.queries();
    ensure!(seen.len() == 2 && seen[0].0 == "udp" && seen[1].0 == "tcp", "{seen:?}");
    for (_, seen) in &seen {
        ensure!(seen[2..] == query[2..], "{seen:?}");
    }
    Ok(())
}

#[tokio::test]
async fn ids_are_not_the_clients() -> Result<()> {
    let upstream = FakeUpstream::start(|_, query| vec![reply_to(query, 0, 0)]).await?;
    let world = World::new(&[upstream.address])?;
    for _ in 0..20 {
        ensure!(code(&world.ask(&full_query()?).await?, 0x1111)? == ResponseCode::NoError);
    }
    let mut ids: Vec<_> = upstream.queries().iter().map(|(_, query)| query[..2].to_vec()).collect();
    ids.sort();
    ids.dedup();
    ensure!(ids.len() > 10, "{ids:?}");
    Ok(())
}

#[tokio::test]
async fn truncated_reply_is_asked_for_again_over_tcp() -> Result<()> {
    const TRUNCATED: u8 = 0x02;
    let upstream = FakeUpstream::start(|transport, query| {
        let is_udp = transport == "udp";
        let mut reply = reply_to(query, if is_udp { TRUNCATED } else { 0 }, 0);
        reply.resize(if is_udp { 512 } else { 60_000 }, 0);
        vec![reply]
    })
    .await?;
    let world = World::new(&[upstream.address])?;
    let reply = world.ask(&query("example.com.", 7)?).await?;
    ensure!(reply[2] & TRUNCATED != 0 && reply.len() == 512, "{}", reply.len());
    let reply = world.ask_by_tcp(&[&query("example.com.", 7)?]).await?.remove(0);
    ensure!(reply[2] & TRUNCATED == 0 && reply.len() == 60_000, "{}", reply.len());
    Ok(())
}

#[tokio::test]
async fn larger_reply_than_was_asked_for_comes_through() -> Result<()> {
    let upstream = FakeUpstream::start(|_, query| {
        let mut reply = reply_to(query, 0, 0);
        reply.resize(60_000, 1);
        vec![reply]
    })
    .await?;
    let world = World::new(&[upstream.address])?;
    ensure!(world.ask(&query("example.com.", 7)?).await?.len() == 60_000);
    Ok(())
}

#[tokio::test]
async fn next_upstream_is_asked_when_one_cannot_help() -> Result<()> {
    let failing = FakeUpstream::start(|_, query| vec![reply_to(query, 0, FAILED)]).await?;
    let refusing = FakeUpstream::start(|_, query| vec![reply_to(query, 0, REFUSED)]).await?;
    let helping = FakeUpstream::start(|_, query| vec![reply_to(query, 0, 3)]).await?;
    let message = query("example.com.", 7)?;
    for helpless in [failing.address, refusing.address, closed().await?] {
        let world = World::new(&[helpless, helping.address])?;
        ensure!(code(&world.ask(&message).await?, 7)? == ResponseCode::NXDomain);
        let replies = world.ask_by_tcp(&[&message]).await?;
        ensure!(code(&replies[0], 7)? == ResponseCode::NXDomain);
    }
    let world = World::new(&[failing.address, refusing.address, closed().await?, helping.address])?;
    ensure!(code(&world.ask(&message).await?, 7)? == ResponseCode::ServFail, "a fourth was asked");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn closed_upstream_is_not_waited_for() -> Result<()> {
    let begin = Instant::now();
    let world = World::new(&[closed().await?])?;
    let message = query("example.com.", 7)?;
    ensure!(code(&world.ask(&message).await?, 7)? == ResponseCode::ServFail);
    ensure!(code(&world.ask_by_tcp(&[&message]).await?[0], 7)? == ResponseCode::ServFail);
    ensure!(begin.elapsed().is_zero(), "{:?}", begin.elapsed());
    Ok(())
}

#[tokio::test]
async fn first_upstream_with_an_answer_is_the_only_one_asked() -> Result<()> {
    let first = FakeUpstream::start(|_, query| vec![reply_to(query, 0, 3)]).await?;
    let second = FakeUpstream::start(|_, query| vec![reply_to(query, 0, 0)]).await?;
    let world = World::new(&[first.address, second.address])?;
    let reply = world.ask(&query("example.com.", 7)?).await?;
    ensure!(code(&reply, 7)? == ResponseCode::NXDomain);
    ensure!(second.queries().is_empty());
    Ok(())
}

#[tokio::test]
async fn silent_upstreams_fail_the_query_in_the_end() -> Result<()> {
    let silent = FakeUpstream::start(|_, _| Vec::new()).await?;
    let world = World::new(&[silent.address, silent.address])?;
    let client = world.client().await?;
    let sent = Instant::now();
    client.send(&query("example.com.", 7)?).await?;
    while silent.queries().is_empty() {
        yield_now().await;
    }
    // From here on time only passes while everybody waits.
    pause();
    let paused = Instant::now();
    let mut reply = vec![0; 512];
    let length = client.recv(&mut reply).await?;
    ensure!(code(&reply[..length], 7)? == ResponseCode::ServFail);
    ensure!(silent.queries().len() == 2, "each is asked once");
    // What was waited before the pause belongs to the eight seconds, and nobody knows how much.
    let (since_sent, since_paused) = (sent.elapsed(), paused.elapsed());
    ensure!(
        since_sent.as_secs() >= 8 && since_paused.as_secs() <= 8,
        "Docker waits for each for four seconds: {since_paused:?} of {since_sent:?}"
    );
    Ok(())
}

#[tokio::test]
async fn what_is_no_reply_to_the_question_is_dropped() -> Result<()> {
    let upstream = FakeUpstream::start(|_, query| {
        let reply = reply_to(query, 0, 0);
        let with = |at: usize, byte: u8| {
            let mut changed = reply.clone();
            changed[at] ^= byte;
            changed
        };
        let (id, flags, name) = (1, 2, 13);
        let mut right = reply.clone();
        right[3] |= 3;
        vec![with(id, 1), with(flags, 0x80), with(name, 1), vec![0; 5], right]
    })
    .await?;
    let world = World::new(&[upstream.address])?;
    let reply = world.ask(&query("example.com.", 7)?).await?;
    ensure!(code(&reply, 7)? == ResponseCode::NXDomain, "a spoofed reply came through");
    Ok(())
}
