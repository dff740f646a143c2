//! Names of our own.

use std::net::{TcpListener, UdpSocket};

use anyhow::{Result, ensure};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RData;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::world::{DEADLINE, WEB, World, code, query};

#[tokio::test]
async fn own_name_is_answered_over_udp_and_tcp() -> Result<()> {
    let world = World::new(&[])?;
    let message = query("Web.", 7)?;
    let mut replies = world.ask_by_tcp(&[&message, &message]).await?;
    replies.push(world.ask(&message).await?);
    for reply in replies {
        let reply = Message::from_vec(&reply)?;
        let addresses: Vec<_> = reply.answers.iter().map(|record| &record.data).collect();
        ensure!(addresses == [&RData::A(WEB.into())], "{reply}");
    }
    Ok(())
}

#[tokio::test]
async fn without_upstreams_other_names_fail() -> Result<()> {
    let world = World::new(&[])?;
    let message = query("example.com.", 7)?;
    ensure!(code(&world.ask(&message).await?, 7)? == ResponseCode::ServFail);
    let replies = world.ask_by_tcp(&[&message]).await?;
    ensure!(code(&replies[0], 7)? == ResponseCode::ServFail);
    Ok(())
}

#[tokio::test]
async fn dropped_server_gives_its_ports_back() -> Result<()> {
    let world = World::new(&[])?;
    let message = query("web.", 7)?;
    world.ask(&message).await?;
    world.ask_by_tcp(&[&message]).await?;
    let World { udp, tcp, server } = world;
    drop(server);
    timeout(DEADLINE, async {
        while UdpSocket::bind(udp).is_err() || TcpListener::bind(tcp).is_err() {
            yield_now().await;
        }
    })
    .await?;
    Ok(())
}
