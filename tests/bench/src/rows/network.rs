//! A network of a user's own: what goes through it, and how soon names are found.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hyper::Method;
use serde_json::{Value, json};
use tokio::sync::oneshot::channel;
use tokio::task::spawn_blocking;

use super::{EngineBench, row_of_engines};
use crate::engine::Engine;
use crate::namespace::{Namespace, join};
use crate::row::{NARU, Row};
use crate::say;
use crate::traffic::{MIB, send};

const NETWORK: &str = "bench";
const SERVER: &str = "bench-server";
const CLIENT: &str = "bench-client";
/// Where the server listens in its container.
const PORT: u16 = 5001;
/// Sent each time: about a second.
const AMOUNT_MIB: usize = 2048;
/// Asked one after the other each time.
const LOOKUPS: u16 = 2000;
/// Only there so that a lost datagram ends the bench.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn measure(bench: &EngineBench<'_>) -> Result<Vec<Row>> {
    let mut rows = [
        row_of_engines("network: container to container", "MiB/s"),
        row_of_engines("network: host to a published port", "MiB/s"),
        row_of_engines("network: lookups of a container's name", "1/s"),
    ];
    let mut labs = Vec::new();
    for engine in &bench.engines {
        match Lab::set_up(engine, &bench.busybox).await {
            Ok(lab) => labs.push(lab),
            Err(error) if engine.name == NARU => return Err(error),
            Err(error) => say(&format!("{} is left out: {error:#}", engine.name))?,
        }
    }
    for _ in 0..bench.rounds {
        for lab in &labs {
            let to_server = SocketAddr::new(lab.address, PORT);
            rows[0].push(lab.engine.name, lab.send(Some(lab.client), to_server).await?);
            let published = SocketAddr::from((Ipv4Addr::LOCALHOST, lab.host_port));
            rows[1].push(lab.engine.name, lab.send(None, published).await?);
            let server = SocketAddr::new(lab.client.name_server()?, 53);
            let found = lab.client.run(move || lookups_per_second(server)).await;
            match found {
                Ok(found) => rows[2].push(lab.engine.name, found),
                Err(error) if lab.engine.name == NARU => return Err(error),
                // Such as one whose name server is a program that is not installed.
                Err(error) => say(&format!("{} finds no names: {error:#}", lab.engine.name))?,
            }
        }
    }
    for lab in labs {
        lab.take_down().await?;
    }
    Ok(rows.into())
}

/// Two containers on a network, in which nothing runs.
struct Lab<'a> {
    engine: &'a Engine,
    server: Namespace,
    client: Namespace,
    address: IpAddr,
    host_port: u16,
}

impl<'a> Lab<'a> {
    async fn set_up(engine: &'a Engine, image: &str) -> Result<Self> {
        let network = json!({ "Name": NETWORK, "Driver": "bridge" }).to_string();
        engine.ask(Method::POST, "/networks/create", &network).await?;
        for name in [SERVER, CLIENT] {
            let mut body = json!({
                "Image": image,
                "Cmd": ["sleep", "86400"],
                "HostConfig": { "NetworkMode": NETWORK },
            });
            if name == SERVER {
                let port = format!("{PORT}/tcp");
                body["ExposedPorts"] = json!({ &port: {} });
                let binding = json!([{ "HostIp": "127.0.0.1", "HostPort": "" }]);
                body["HostConfig"]["PortBindings"] = json!({ port: binding });
            }
            let path = format!("/containers/create?name={name}");
            engine.ask(Method::POST, &path, &body.to_string()).await?;
            engine.ask(Method::POST, &format!("/containers/{name}/start"), "").await?;
        }
        let [server, client] = [inspect(engine, SERVER).await?, inspect(engine, CLIENT).await?];
        let settings = &server["NetworkSettings"];
        let host_port = &settings["Ports"][format!("{PORT}/tcp")][0]["HostPort"];
        let address = &settings["Networks"][NETWORK]["IPAddress"];
        let pid = |container: &Value| container["State"]["Pid"].as_i64().context("no process");
        Ok(Self {
            engine,
            server: Namespace::of(pid(&server)?),
            client: Namespace::of(pid(&client)?),
            address: address.as_str().context("no address")?.parse()?,
            host_port: host_port.as_str().context("no published port")?.parse()?,
        })
    }

    async fn take_down(&self) -> Result<()> {
        for name in [SERVER, CLIENT] {
            let path = format!("/containers/{name}?force=true");
            self.engine.ask(Method::DELETE, &path, "").await?;
        }
        self.engine.ask(Method::DELETE, &format!("/networks/{NETWORK}"), "").await?;
        Ok(())
    }

    /// MiB a second from a container, or from here, until the server says that it has all.
    async fn send(&self, from: Option<Namespace>, to: SocketAddr) -> Result<f64> {
        let (listening, listens) = channel();
        let server = self.server.spawn(move || {
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
            // Who does not wait any more has told why.
            let _told = listening.send(());
            receive(listener.accept()?.0)
        })?;
        let sent = move || send(to, AMOUNT_MIB);
        // What kept a server from it is told by its thread.
        let _gone = listens.await;
        let took = match from {
            Some(namespace) => namespace.run(sent).await,
            None => spawn_blocking(sent).await?,
        };
        let arrived = spawn_blocking(|| join(server)).await??;
        ensure!(arrived == AMOUNT_MIB * MIB, "only {arrived} bytes arrived");
        took.with_context(|| self.engine.name)
    }
}

async fn inspect(engine: &Engine, name: &str) -> Result<Value> {
    let answer = engine.ask(Method::GET, &format!("/containers/{name}/json"), "").await?;
    Ok(serde_json::from_slice(&answer)?)
}

/// How many bytes came; says at their end that they have come.
fn receive(mut stream: TcpStream) -> Result<usize> {
    let mut block = vec![0; MIB];
    let mut arrived = 0;
    loop {
        match stream.read(&mut block)? {
            0 => break,
            length => arrived += length,
        }
    }
    stream.write_all(b"!")?;
    Ok(arrived)
}

/// One question at a time, each answered before the next (RFC 1035).
fn lookups_per_second(server: SocketAddr) -> Result<f64> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut answer = [0; 512];
    let begun = Instant::now();
    for id in 0..LOOKUPS {
        socket.send(&question(id, SERVER))?;
        let length = socket.recv(&mut answer)?;
        ensure!(length >= 12 && answer[..2] == id.to_be_bytes(), "an answer to something else");
        ensure!(answer[6..8] == [0, 1], "{SERVER} has not one address at {server}");
    }
    Ok(f64::from(LOOKUPS) / begun.elapsed().as_secs_f64())
}

/// Asks for the address of a name of one label.
fn question(id: u16, name: &str) -> Vec<u8> {
    let header: [u16; 6] = [id, 0x0100, 1, 0, 0, 0];
    let mut message: Vec<u8> = header.into_iter().flat_map(u16::to_be_bytes).collect();
    message.push(name.len().try_into().unwrap_or_default());
    message.extend(name.as_bytes());
    message.extend([0, 0, 1, 0, 1]);
    message
}
