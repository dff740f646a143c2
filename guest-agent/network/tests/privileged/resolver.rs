//! A name server in a container's namespace, asked by busybox.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use naru_dns::{Dialer, Family, Lookup, Names, Server, Side, Sockets, Upstream, Upstreams, serve};
use naru_network::{Networks, RESOLVER_ADDRESS, ResolverSockets};
use tokio::runtime::{Builder, Runtime};

use crate::config::bridge;
use crate::lab::{Container, Lab, Namespace};

const WEB: Ipv4Addr = Ipv4Addr::new(172, 17, 0, 200);
const DEADLINE: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Book(Vec<Upstream>);

impl Names for Book {
    fn lookup(&self, name: &str, family: Family) -> Lookup {
        match (name, family) {
            ("web", Family::V4) => Lookup::Found(vec![WEB.into()]),
            ("web", Family::V6) => Lookup::NoAddress,
            _ => Lookup::Unknown,
        }
    }

    fn reverse(&self, _address: IpAddr) -> Option<String> {
        None
    }

    fn upstreams(&self) -> Upstreams {
        Upstreams { servers: self.0.clone(), single_labels: true }
    }
}

/// A server for a container, on threads of the host as the engine's are.
struct Resolver {
    server: Server,
    dialer: Dialer,
    runtime: Runtime,
}

impl Resolver {
    fn start(lab: &Lab, networks: &Networks, of: &Container, up: &[Upstream]) -> Result<Self> {
        let names = Arc::new(Book(up.to_vec()));
        lab.host.run(|| {
            let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
            let opened = runtime.block_on(networks.resolver_sockets(&of.path))?;
            let ResolverSockets { udp, tcp, namespace } = opened;
            let dialer = Dialer::start()?;
            let entered = runtime.enter();
            let server = serve(Sockets { udp, tcp, namespace }, names, &dialer)?;
            drop(entered);
            Ok(Self { server, dialer, runtime })
        })
    }
}

/// The addresses of a name as busybox finds them.
fn look_up(from: &Namespace, name: &str) -> Result<String> {
    let output = from.command(&format!("busybox nslookup -type=a {name} {RESOLVER_ADDRESS}"))?;
    let (_, answer) = output.split_once("\n\n").with_context(|| output.clone())?;
    let address = answer.lines().find_map(|line| line.strip_prefix("Address: "));
    Ok(address.with_context(|| output.clone())?.to_owned())
}

/// A question for the address of `web`.
const WEB_QUERY: [u8; 21] =
    [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, b'w', b'e', b'b', 0, 0, 1, 0, 1];

fn look_up_by_tcp(from: &Namespace) -> Result<Ipv4Addr> {
    from.run(|| {
        let mut stream = TcpStream::connect((RESOLVER_ADDRESS, 53))?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.write_all(&[&[0, 21], &WEB_QUERY[..]].concat())?;
        let mut reply = [0; 2 + 21 + 16];
        stream.read_exact(&mut reply)?;
        let address: &[u8; 4] = reply.last_chunk().context("no address")?;
        Ok(Ipv4Addr::from(*address))
    })
}

/// A name server that answers each name with the address of whoever asks.
fn upstream(at: &Namespace, address: Ipv4Addr) -> Result<Upstream> {
    let socket = at.run(|| Ok(UdpSocket::bind((address, 5300))?))?;
    let address = socket.local_addr()?;
    socket.set_read_timeout(Some(DEADLINE))?;
    thread::spawn(move || -> Result<()> {
        let mut query = [0; 512];
        loop {
            // Ends when nobody has asked for long.
            let (length, client) = socket.recv_from(&mut query)?;
            let SocketAddr::V4(client) = client else { bail!("asked over IPv6") };
            let mut reply = query[..length].to_vec();
            reply[2] |= 0x80;
            reply[7] = 1;
            reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            reply.extend_from_slice(&client.ip().octets());
            socket.send_to(&reply, SocketAddr::V4(client))?;
        }
    });
    Ok(Upstream { address, side: Side::Container })
}

#[test]
fn names_are_found_at_the_resolvers_address() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let container = lab.container(&networks, &bridge(), 2)?;
    let _resolver = Resolver::start(&lab, &networks, &container, &[])?;
    ensure!(look_up(&container.namespace, "web")? == WEB.to_string());
    ensure!(look_up_by_tcp(&container.namespace)? == WEB);
    Ok(())
}

#[test]
fn container_may_listen_on_port_53_itself() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let container = lab.container(&networks, &bridge(), 2)?;
    let own = listen_on_port_53(&container.namespace)?;
    let _resolver = Resolver::start(&lab, &networks, &container, &[])?;
    let _own_tcp = container.namespace.serve(Ipv4Addr::UNSPECIFIED, 53)?;
    ensure!(look_up(&container.namespace, "web")? == WEB.to_string());
    ensure!(look_up_by_tcp(&container.namespace)? == WEB);
    let seen = container.namespace.ask(Ipv4Addr::LOCALHOST, 53)?;
    ensure!(seen == "127.0.0.1", "{seen}");
    container.namespace.run(|| {
        let client = UdpSocket::bind("127.0.0.1:0")?;
        client.send_to(b"mine", "127.0.0.1:53")?;
        own.set_read_timeout(Some(DEADLINE))?;
        let mut message = [0; 16];
        let (length, _) = own.recv_from(&mut message)?;
        ensure!(&message[..length] == b"mine");
        Ok(())
    })
}

fn listen_on_port_53(at: &Namespace) -> Result<UdpSocket> {
    at.run(|| Ok(UdpSocket::bind("0.0.0.0:53")?))
}

#[test]
fn sockets_made_anew_take_the_place_of_the_old() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let container = lab.container(&networks, &bridge(), 2)?;
    let first = Resolver::start(&lab, &networks, &container, &[])?;
    look_up(&container.namespace, "web")?;
    let rules = container.namespace.command("nft list ruleset")?;
    let second = Resolver::start(&lab, &networks, &container, &[])?;
    drop(first);
    ensure!(look_up(&container.namespace, "web")? == WEB.to_string());
    ensure!(look_up_by_tcp(&container.namespace)? == WEB);
    let rules_now = container.namespace.command("nft list ruleset")?;
    ensure!(rules.lines().count() == rules_now.lines().count(), "{rules}{rules_now}");
    ensure!(rules != rules_now, "the old ports are still led to");
    drop(second);
    Ok(())
}

#[test]
fn who_asks_while_no_server_is_there_is_refused_at_once() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let container = lab.container(&networks, &bridge(), 2)?;
    drop(Resolver::start(&lab, &networks, &container, &[])?);
    container.namespace.run(|| {
        let client = UdpSocket::bind("127.0.0.1:0")?;
        client.connect((RESOLVER_ADDRESS, 53))?;
        client.set_read_timeout(Some(DEADLINE))?;
        client.send(&WEB_QUERY)?;
        let refused = client.recv(&mut [0; 16]).err().map(|error| error.kind());
        ensure!(refused == Some(ErrorKind::ConnectionRefused), "{refused:?}");
        let refused = TcpStream::connect((RESOLVER_ADDRESS, 53)).err().map(|error| error.kind());
        ensure!(refused == Some(ErrorKind::ConnectionRefused), "{refused:?}");
        Ok(())
    })
}

#[test]
fn other_names_are_asked_for_from_the_chosen_side() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let container = lab.container(&networks, &bridge(), 2)?;
    let neighbour = lab.container(&networks, &bridge(), 3)?;
    let beside = upstream(&neighbour.namespace, neighbour.address)?;
    let resolver = Resolver::start(&lab, &networks, &container, &[beside])?;
    let asker = look_up(&container.namespace, "example.com")?;
    ensure!(asker == container.address.to_string(), "{asker} asked");
    drop(resolver);
    let hosts_own = upstream(&lab.host, Ipv4Addr::LOCALHOST)?;
    let resolver = Resolver::start(&lab, &networks, &container, &[hosts_own])?;
    ensure!(look_up(&container.namespace, "example.com").is_err(), "127.0.0.1 was the host's");
    drop(resolver);
    let hosts_own = Upstream { side: Side::Host, ..hosts_own };
    let _resolver = Resolver::start(&lab, &networks, &container, &[hosts_own])?;
    let asker = look_up(&container.namespace, "example.com")?;
    ensure!(asker == "127.0.0.1", "{asker} asked");
    Ok(())
}

#[test]
fn namespace_ends_with_its_server() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let Container { namespace, path, host_interface, .. } =
        lab.container(&networks, &bridge(), 2)?;
    let container = lab.container(&networks, &bridge(), 3)?;
    let beside = upstream(&container.namespace, container.address)?;
    let asking = Container { namespace, host_interface, path, ..container };
    let Resolver { server, dialer, runtime } =
        Resolver::start(&lab, &networks, &asking, &[beside])?;
    look_up(&asking.namespace, "example.com")?;
    let Container { namespace, path, host_interface, .. } = asking;
    drop(namespace);
    lab.on_host(async { Ok(networks.remove_namespace(&path).await?) })?;
    ensure!(lab.host.interfaces()?.iter().any(|name| name.starts_with(&host_interface)));
    drop(server);
    let end = Instant::now() + DEADLINE;
    while lab.host.interfaces()?.iter().any(|name| name.starts_with(&host_interface)) {
        ensure!(Instant::now() < end, "the namespace lives on without its server");
        thread::yield_now();
    }
    // They serve others.
    drop((dialer, runtime));
    Ok(())
}
