//! Published UDP ports.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use anyhow::ensure;
use naru_test_framework::Engine;

use crate::names::build_name_server;

/// Only there so that a lost datagram is a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks for the address of `a.test` (RFC 1035); the answer must be to this question.
fn ask(socket: &UdpSocket, id: u16) -> anyhow::Result<[u8; 4]> {
    let mut question = id.to_be_bytes().to_vec();
    question.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    question.extend(b"\x01a\x04test\x00\x00\x01\x00\x01");
    socket.send(&question)?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer)?;
    ensure!(answer[..2] == id.to_be_bytes(), "an answer to another question");
    let address = answer[..length].last_chunk();
    address.copied().ok_or_else(|| anyhow::anyhow!("the answer is cut short"))
}

#[test]
fn a_udp_port_answers_each_of_its_clients() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let program = build_name_server(&engine)?.display().to_string();
    let create = ["create", "--name", "up", "-p", "127.0.0.1::53/udp", "-p", "127.0.0.1::53"];
    let serve = ["busybox", "/nameserver", "a.test=192.0.2.7"];
    engine.docker(&[&create[..], &serve].concat())?.success()?;
    engine.docker(&["cp", &program, "up:/nameserver"])?.success()?;
    engine.docker(&["start", "up"])?.success()?;
    assert_eq!(engine.spawn(&["logs", "-f", "up"])?.line()?, "ready");
    let published = engine.docker(&["port", "up", "53/udp"])?;
    let published = published.success()?;
    let shown = engine.docker(&["ps", "--format", "{{.Ports}}"])?;
    ensure!(shown.success()?.contains(&format!("{published}->53/udp")), "{shown:?}");

    let clients = [UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?, UdpSocket::bind("127.0.0.1:0")?];
    for id in 0..40 {
        let client = &clients[usize::from(id % 2)];
        client.set_read_timeout(Some(PATIENCE))?;
        client.connect(published)?;
        assert_eq!(ask(client, id)?, [192, 0, 2, 7]);
    }
    engine.docker(&["rm", "-f", "up"])?.success()?;
    // It is free for another.
    UdpSocket::bind(published)?;
    Ok(())
}
