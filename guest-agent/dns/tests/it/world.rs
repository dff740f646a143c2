//! A server with its clients and upstreams, all on loopback.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::net::{TcpListener as StdListener, UdpSocket as StdSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use naru_dns::{Dialer, Family, Lookup, Names, Server, Side, Sockets, Upstream, Upstreams, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What must come about is given this long, however busy the machine is.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

pub(crate) const WEB: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 2);

/// The name `web`, and whatever upstreams a test has.
#[derive(Debug)]
pub(crate) struct Book(Vec<SocketAddr>);

impl Names for Book {
    fn lookup(&self, name: &str, family: Family) -> Lookup {
        match (name, family) {
            ("web", Family::V4) => Lookup::Found(vec![WEB.into()]),
            ("web", Family::V6) => Lookup::NoAddress,
            _ => Lookup::Unknown,
        }
    }

    fn reverse(&self, address: IpAddr) -> Option<String> {
        (address == WEB).then(|| "web.backend".to_owned())
    }

    fn upstreams(&self) -> Upstreams {
        let upstream = |address| Upstream { address, side: Side::Host };
        let servers = self.0.iter().copied().map(upstream).collect();
        Upstreams { servers, single_labels: true }
    }
}

/// A server under test.
pub(crate) struct World {
    pub(crate) udp: SocketAddr,
    pub(crate) tcp: SocketAddr,
    pub(crate) server: Server,
}

impl World {
    pub(crate) fn new(upstreams: &[SocketAddr]) -> Result<Self> {
        let udp = StdSocket::bind("127.0.0.1:0")?;
        let tcp = StdListener::bind("127.0.0.1:0")?;
        let (udp_address, tcp_address) = (udp.local_addr()?, tcp.local_addr()?);
        let namespace = File::open("/proc/self/ns/net")?.into();
        let names = Arc::new(Book(upstreams.to_vec()));
        let server = serve(Sockets { udp, tcp, namespace }, names, &Dialer::start()?)?;
        Ok(Self { udp: udp_address, tcp: tcp_address, server })
    }

    /// A socket that only the server answers.
    pub(crate) async fn client(&self) -> Result<UdpSocket> {
        let client = UdpSocket::bind("127.0.0.1:0").await?;
        client.connect(self.udp).await?;
        Ok(client)
    }

    /// The reply over UDP.
    pub(crate) async fn ask(&self, message: &[u8]) -> Result<Vec<u8>> {
        let client = self.client().await?;
        client.send(message).await?;
        receive(&client).await
    }

    /// The replies over one TCP connection.
    pub(crate) async fn ask_by_tcp(&self, messages: &[&[u8]]) -> Result<Vec<Vec<u8>>> {
        let mut stream = TcpStream::connect(self.tcp).await?;
        for message in messages {
            stream.write_all(&framed(message)?).await?;
        }
        let mut replies = Vec::new();
        for _ in messages {
            replies.push(timeout(DEADLINE, read_framed(&mut stream)).await??);
        }
        Ok(replies)
    }
}

pub(crate) async fn receive(client: &UdpSocket) -> Result<Vec<u8>> {
    let mut reply = vec![0; usize::from(u16::MAX)];
    let length = timeout(DEADLINE, client.recv(&mut reply)).await??;
    reply.truncate(length);
    Ok(reply)
}

/// A question for addresses, as clients write it.
pub(crate) fn query(name: &str, id: u16) -> Result<Vec<u8>> {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name)?, RecordType::A));
    Ok(message.to_vec()?)
}

/// The code of a reply to the question with this id.
pub(crate) fn code(reply: &[u8], id: u16) -> Result<ResponseCode> {
    let reply = Message::from_vec(reply)?;
    ensure!(reply.metadata.id == id && reply.metadata.message_type == MessageType::Response);
    Ok(reply.metadata.response_code)
}

pub(crate) fn framed(message: &[u8]) -> Result<Vec<u8>> {
    Ok([&u16::try_from(message.len())?.to_be_bytes(), message].concat())
}

pub(crate) async fn read_framed(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut message = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

/// The queries that came, whole, each after how it came.
type Seen = Vec<(&'static str, Vec<u8>)>;

/// A name server that says what a test makes it say.
pub(crate) struct FakeUpstream {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    tasks: [JoinHandle<Result<()>>; 2],
}

impl FakeUpstream {
    /// Replies to every query with the messages that `reply` makes of it.
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    pub(crate) async fn start(
        reply: impl Fn(&'static str, &[u8]) -> Vec<Vec<u8>> + Clone + Send + 'static,
    ) -> Result<Self> {
        let (udp, tcp) = same_port().await?;
        let address = udp.local_addr()?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = {
            let seen = Arc::clone(&seen);
            move |transport, query: &[u8]| {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.push((transport, query.to_vec()));
            }
        };
        let (udp_note, udp_reply) = (note.clone(), reply.clone());
        let by_udp = tokio::spawn(async move {
            let mut query = vec![0; 65535];
            loop {
                let (length, client) = udp.recv_from(&mut query).await?;
                udp_note("udp", &query[..length]);
                for reply in udp_reply("udp", &query[..length]) {
                    udp.send_to(&reply, client).await?;
                }
            }
        });
        let by_tcp = tokio::spawn(async move {
            loop {
                let (mut stream, _) = tcp.accept().await?;
                let query = read_framed(&mut stream).await?;
                note("tcp", &query);
                for reply in reply("tcp", &query) {
                    stream.write_all(&framed(&reply)?).await?;
                }
            }
        });
        Ok(Self { address, seen, tasks: [by_udp, by_tcp] })
    }

    pub(crate) fn queries(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for FakeUpstream {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn same_port() -> Result<(UdpSocket, TcpListener)> {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await?;
        // Another test may have the port.
        if let Ok(tcp) = TcpListener::bind(udp.local_addr()?).await {
            return Ok((udp, tcp));
        }
    }
}

/// The query turned into a reply: everything as it came, with this first flags byte.
pub(crate) fn reply_to(query: &[u8], flags: u8, code: u8) -> Vec<u8> {
    let mut reply = query.to_vec();
    reply[2] |= flags | 0x80;
    reply[3] |= code;
    reply
}
