//! Questions that are not ours go to the upstreams, byte for byte.
//!
//! Each is asked from a socket of its own, which only the upstream can reach, under a
//! random port and id. A reply counts if it carries that id and the question.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::dial::{self, Dialer};
use crate::message::{Question, Transport, is_failure};
use crate::names::{Names, Side, Upstream};

/// How long an upstream is given to take a connection, and then to reply. Docker's.
const UPSTREAM_DEADLINE: Duration = Duration::from_secs(4);

/// Forwards of one container at a time. Docker's.
const MAX_FORWARDS: usize = 1024;

/// As many as resolvers ask (resolv.conf(5), `MAXNS`), and Docker.
const MAX_UPSTREAMS: usize = 3;

/// Forwards for one container.
#[derive(Debug)]
pub(crate) struct Forwarder {
    names: Arc<dyn Names>,
    dialer: Dialer,
    namespace: Arc<OwnedFd>,
    /// The server's own address: an upstream there would be asked in circles.
    own: IpAddr,
    slots: Arc<Semaphore>,
}

/// The right to forward one question.
#[derive(Debug)]
pub(crate) struct Slot {
    _permit: OwnedSemaphorePermit,
}

impl Forwarder {
    pub(crate) fn new(
        names: Arc<dyn Names>,
        dialer: Dialer,
        namespace: OwnedFd,
        own: IpAddr,
    ) -> Self {
        let slots = Arc::new(Semaphore::new(MAX_FORWARDS));
        Self { names, dialer, namespace: Arc::new(namespace), own, slots }
    }

    /// A slot, or nothing if as many questions as may be are on their way.
    pub(crate) fn slot(&self) -> Option<Slot> {
        let permit = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        Some(Slot { _permit: permit })
    }

    /// Asks one upstream after the other. What comes back is for the client: a reply
    /// as an upstream wrote it, or a failure if none has any.
    pub(crate) async fn forward(
        &self,
        question: &Question,
        mut message: Vec<u8>,
        transport: Transport,
        _slot: Slot,
    ) -> Vec<u8> {
        for upstream in self.names.upstreams().servers.into_iter().take(MAX_UPSTREAMS) {
            if upstream.side == Side::Container && upstream.address.ip() == self.own {
                continue;
            }
            match self.ask(upstream, question, &mut message, transport).await {
                Ok(reply) if is_failure(&reply) => {
                    tracing::debug!(upstream = %upstream.address, "upstream cannot help");
                }
                Ok(mut reply) => {
                    set_id(&mut reply, question.id());
                    return reply;
                }
                Err(error) => {
                    tracing::debug!(upstream = %upstream.address, %error, "upstream failed");
                }
            }
        }
        failure(question, ResponseCode::ServFail)
    }

    async fn ask(
        &self,
        upstream: Upstream,
        question: &Question,
        message: &mut [u8],
        transport: Transport,
    ) -> io::Result<Vec<u8>> {
        let id = rand::random();
        set_id(message, id);
        let is_reply = |reply: &[u8]| question.is_answered_by(reply, id);
        let kind = match transport {
            Transport::Udp => Type::DGRAM,
            Transport::Tcp => Type::STREAM,
        };
        let socket = self.open(upstream, kind).await?;
        match transport {
            Transport::Udp => ask_by_udp(socket, upstream.address, message, is_reply).await,
            Transport::Tcp => ask_by_tcp(socket, upstream.address, message, is_reply).await,
        }
    }

    async fn open(&self, upstream: Upstream, kind: Type) -> io::Result<Socket> {
        let domain = Domain::for_address(upstream.address);
        match upstream.side {
            Side::Host => dial::open(domain, kind),
            Side::Container => self.dialer.open(&self.namespace, domain, kind).await,
        }
    }
}

/// An answer without records.
pub(crate) fn failure(question: &Question, code: ResponseCode) -> Vec<u8> {
    let mut reply = Vec::new();
    if let Err(error) = question.write_failure(code, &mut reply) {
        tracing::debug!(%error, "cannot write a failure");
        reply.clear();
    }
    reply
}

async fn ask_by_udp(
    socket: Socket,
    upstream: SocketAddr,
    message: &[u8],
    is_reply: impl Fn(&[u8]) -> bool,
) -> io::Result<Vec<u8>> {
    // Connecting an unbound socket binds it to a port of the kernel's random choice.
    socket.connect(&upstream.into())?;
    let socket = UdpSocket::from_std(socket.into())?;
    within_deadline(async {
        socket.send(message).await?;
        loop {
            // A port that is closed only shows as an error.
            let ready = socket.ready(Interest::READABLE | Interest::ERROR).await?;
            // Whatever the client has said of its own size: some upstreams do not mind.
            let mut reply = Vec::with_capacity(usize::from(u16::MAX));
            match socket.try_recv_buf(&mut reply) {
                Ok(_) if is_reply(&reply) => return Ok(reply),
                Ok(_) => tracing::debug!(%upstream, "dropped what is no reply"),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Err(nothing) if ready.is_error() => {
                    return Err(socket.take_error()?.unwrap_or(nothing));
                }
                Err(_nothing) => {}
            }
        }
    })
    .await
}

async fn ask_by_tcp(
    socket: Socket,
    upstream: SocketAddr,
    message: &[u8],
    is_reply: impl Fn(&[u8]) -> bool,
) -> io::Result<Vec<u8>> {
    let socket = TcpSocket::from_std_stream(socket.into());
    let mut stream = within_deadline(socket.connect(upstream)).await?;
    within_deadline(async {
        stream.write_all(&framed(message)).await?;
        let length = stream.read_u16().await?;
        let mut reply = vec![0; usize::from(length)];
        stream.read_exact(&mut reply).await?;
        if is_reply(&reply) { Ok(reply) } else { Err(io::ErrorKind::InvalidData.into()) }
    })
    .await
}

async fn within_deadline<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(UPSTREAM_DEADLINE, work).await?
}

/// A message after its length, as TCP carries it; in one piece, so that it leaves in
/// one packet.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), message].concat()
}

/// Every message begins with its id.
fn set_id(message: &mut [u8], id: u16) {
    if let Some(field) = message.first_chunk_mut() {
        *field = id.to_be_bytes();
    }
}
