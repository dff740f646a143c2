//! A published port under load, from another host.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use naru_network::{BridgeConfig, Networks, NetworksConfig, PortMapping, Publication};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::config::{bridge, mapping, with_ipv6};
use crate::lab::{Container, HOST, HOST6, Lab};

const CONNECTIONS: usize = 1000;
/// In each direction.
const TRANSFER_LEN: u64 = 64 << 20;
const BLOCK_LEN: usize = 64 << 10;
const DEADLINE: Duration = Duration::from_mins(1);

/// Networks, a container, and port 80 of it published as 8080 in both families.
fn published(lab: &Lab, bridge: &BridgeConfig) -> Result<(Networks, Container, Vec<PortMapping>)> {
    let networks = Networks::open(NetworksConfig::default());
    lab.ensure_bridge(&networks, bridge)?;
    let container = lab.container(&networks, bridge, 2)?;
    let v4 = mapping(Ipv4Addr::UNSPECIFIED, 8080, &container);
    let v6 = PortMapping {
        host_ip: Ipv6Addr::UNSPECIFIED.into(),
        container_address: *container.addresses.get(1).context("no IPv6 address")?,
        ..v4
    };
    let mappings = lab.on_host(async { Ok(networks.publish("web", &[v4, v6]).await?) })?;
    Ok((networks, container, mappings))
}

fn listen(container: &Container) -> Result<TcpListener> {
    container.namespace.run(|| Ok(TcpListener::bind((Ipv6Addr::UNSPECIFIED, 80))?))
}

fn dial(lab: &Lab, host: impl Into<IpAddr>) -> Result<TcpStream> {
    let address = SocketAddr::new(host.into(), 8080);
    lab.lan.run(|| {
        let stream = TcpStream::connect_timeout(&address, DEADLINE)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        Ok(stream)
    })
}

/// Bytes that look like chance and are the same for everybody who starts with the seed.
struct Noise(u64);

impl Noise {
    fn fill(&mut self, block: &mut [u8]) {
        for bytes in block.chunks_exact_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            bytes.copy_from_slice(&self.0.to_le_bytes());
        }
    }
}

fn send(mut to: &TcpStream, seed: u64) -> Result<()> {
    let (mut noise, mut block) = (Noise(seed), vec![0; BLOCK_LEN]);
    for _ in 0..TRANSFER_LEN / BLOCK_LEN as u64 {
        noise.fill(&mut block);
        to.write_all(&block)?;
    }
    Ok(to.shutdown(Shutdown::Write)?)
}

fn receive(mut from: &TcpStream, seed: u64) -> Result<()> {
    let (mut noise, mut expected) = (Noise(seed), vec![0; BLOCK_LEN]);
    let mut block = vec![0; BLOCK_LEN];
    for number in 0..TRANSFER_LEN / BLOCK_LEN as u64 {
        noise.fill(&mut expected);
        from.read_exact(&mut block)?;
        ensure!(block == expected, "block {number} is another");
    }
    ensure!(from.read(&mut block)? == 0, "more came than was sent");
    Ok(())
}

/// Sends and receives at once.
fn exchange(stream: &TcpStream, own_seed: u64, others_seed: u64) -> Result<()> {
    thread::scope(|scope| {
        let sending = scope.spawn(|| send(stream, own_seed));
        receive(stream, others_seed)?;
        sending.join().map_err(|_| anyhow!("the sender panicked"))?
    })
}

#[test]
fn big_transfer_in_both_directions_at_once_arrives_whole() -> Result<()> {
    let lab = Lab::new()?;
    // Less than the uplink has, so that packets are cut to it on the way.
    let narrow = BridgeConfig { mtu: 1400, ..with_ipv6(bridge(), 0x17) };
    let (_networks, container, _) = published(&lab, &narrow)?;
    let link = container.namespace.command("ip -o link show eth0")?;
    ensure!(link.contains("mtu 1400"), "{link}");
    let port = lab.host.command(&format!("ip -o link show {}", container.host_interface))?;
    ensure!(port.contains("mtu 1400"), "{port}");
    let listener = listen(&container)?;
    for host in [IpAddr::from(HOST), HOST6.into()] {
        let client = dial(&lab, host)?;
        let (server, _) = listener.accept()?;
        server.set_read_timeout(Some(DEADLINE))?;
        thread::scope(|scope| {
            let serving = scope.spawn(|| exchange(&server, 1, 2));
            exchange(&client, 2, 1).context("to the client")?;
            serving.join().map_err(|_| anyhow!("the server panicked"))?.context("to the server")
        })?;
    }
    Ok(())
}

#[test]
fn a_thousand_connections_stand_at_once() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let lab = Lab::new()?;
    let (_networks, container, _) = published(&lab, &with_ipv6(bridge(), 0x17))?;
    let listener = listen(&container)?;
    let accepting = thread::spawn(move || -> Result<Vec<TcpStream>> {
        (0..CONNECTIONS).map(|_| Ok(listener.accept()?.0)).collect()
    });
    let hosts = [IpAddr::from(HOST), HOST6.into()];
    let clients: Vec<_> = hosts
        .iter()
        .cycle()
        .take(CONNECTIONS)
        .map(|host| dial(&lab, *host))
        .collect::<Result<_>>()?;
    let servers = accepting.join().map_err(|_| anyhow!("the server panicked"))??;
    // Each is told who it is, and each client hears its own name.
    for mut server in &servers {
        let peer = server.peer_addr()?;
        server.write_all(&peer.port().to_be_bytes())?;
    }
    for mut client in &clients {
        let mut port = [0; 2];
        client.read_exact(&mut port)?;
        ensure!(u16::from_be_bytes(port) == client.local_addr()?.port());
    }
    Ok(())
}

#[test]
fn half_closed_connection_still_carries_the_answer() -> Result<()> {
    let lab = Lab::new()?;
    let (_networks, container, _) = published(&lab, &with_ipv6(bridge(), 0x17))?;
    let listener = listen(&container)?;
    for host in [IpAddr::from(HOST), HOST6.into()] {
        let mut client = dial(&lab, host)?;
        let (mut server, _) = listener.accept()?;
        client.write_all(b"question")?;
        client.shutdown(Shutdown::Write)?;
        let mut question = String::new();
        server.read_to_string(&mut question)?;
        server.write_all(format!("answer to {question}").as_bytes())?;
        drop(server);
        let mut answer = String::new();
        client.read_to_string(&mut answer)?;
        ensure!(answer == "answer to question", "{answer}");
    }
    Ok(())
}

#[test]
fn connection_outlives_the_engine_and_its_coming_back() -> Result<()> {
    let lab = Lab::new()?;
    let dual = with_ipv6(bridge(), 0x17);
    let (networks, container, mappings) = published(&lab, &dual)?;
    let listener = listen(&container)?;
    let mut pairs = Vec::new();
    for host in [IpAddr::from(HOST), HOST6.into()] {
        pairs.push((dial(&lab, host)?, listener.accept()?.0));
    }
    drop(networks);
    let networks = Networks::open(NetworksConfig::default());
    let publication = Publication { key: "web".to_owned(), mappings };
    let failures =
        lab.on_host(async { Ok(networks.restore(vec![dual], vec![publication]).await?) })?;
    ensure!(failures.is_empty(), "{failures:?}");
    for (client, server) in &mut pairs {
        client.write_all(b"still there?")?;
        let mut question = [0; 12];
        server.read_exact(&mut question)?;
        server.write_all(&question)?;
        client.read_exact(&mut question)?;
    }
    dial(&lab, HOST6).context("a new connection")?;
    Ok(())
}
