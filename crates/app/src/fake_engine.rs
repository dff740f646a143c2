//! An engine in memory: the `/naru/` routes over tokio's duplex streams, for tests.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _, stream};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, UPGRADE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use naru_protocol::handshake::Handshake;
use naru_protocol::registries::{self, Registries};
use naru_protocol::{CLOCK_PATH, PROTOCOL_VERSION, Port, SetClock, TUNNEL_PATH, handshake, ports};
use naru_transport::{BoxedStream, Carrier, Dialer, TransportError, datagrams};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional, duplex, join, sink};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio_util::io::StreamReader;
use tokio_util::task::TaskTracker;

use crate::guest::Guest;
use crate::http::RawStream;

/// Reads an upgraded connection to its end, answers how many bytes there were, closes.
pub(crate) const COUNT_PATH: &str = "/count";

/// What a test can see and set.
#[derive(Debug)]
pub(crate) struct FakeEngine {
    pub(crate) handshake: Mutex<Handshake>,
    /// The clock as it was set last.
    pub(crate) clock: Mutex<Option<SetClock>>,
    /// The settings for registries as they were told last.
    pub(crate) registries: Mutex<Option<Registries>>,
    /// Whether streams open that nobody answers, as on the multiplexed carrier.
    pub(crate) away: AtomicBool,
    ports: mpsc::UnboundedSender<RawStream>,
    tasks: TaskTracker,
}

impl FakeEngine {
    /// An engine of our own version, and the ports channels that are opened to it.
    pub(crate) fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<RawStream>) {
        let (ports, opened) = mpsc::unbounded_channel();
        let handshake = Handshake {
            agent_version: "9.8.7".to_owned(),
            protocol_version: PROTOCOL_VERSION,
            capabilities: Vec::new(),
        };
        let engine = Self {
            handshake: Mutex::new(handshake),
            clock: Mutex::new(None),
            registries: Mutex::new(None),
            away: AtomicBool::new(false),
            ports,
            tasks: TaskTracker::new(),
        };
        (Arc::new(engine), opened)
    }

    /// The way to it.
    pub(crate) fn guest(self: &Arc<Self>) -> Guest {
        Guest::new(Arc::new(FakeDialer(Arc::clone(self))), self.tasks.clone())
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match request.uri().path() {
            handshake::PATH => {
                let handshake = serde_json::to_vec(&*self.handshake.lock().unwrap()).unwrap();
                Response::new(Full::new(handshake.into()))
            }
            CLOCK_PATH => {
                let body = http_body_util::BodyExt::collect(request.into_body()).await.unwrap();
                *self.clock.lock().unwrap() = serde_json::from_slice(&body.to_bytes()).ok();
                status(StatusCode::NO_CONTENT)
            }
            registries::PATH => {
                let body = http_body_util::BodyExt::collect(request.into_body()).await.unwrap();
                *self.registries.lock().unwrap() = serde_json::from_slice(&body.to_bytes()).ok();
                status(StatusCode::NO_CONTENT)
            }
            ports::PATH | TUNNEL_PATH | COUNT_PATH => self.switch(request),
            _ => status(StatusCode::NOT_FOUND),
        }
    }

    fn switch(self: Arc<Self>, mut request: Request<Incoming>) -> Response<Full<Bytes>> {
        let uri = request.uri().clone();
        let protocol = request.headers()[UPGRADE].clone();
        let upgrade = hyper::upgrade::on(&mut request);
        let engine = Arc::clone(&self);
        self.tasks.spawn(async move {
            let mut stream = TokioIo::new(upgrade.await.unwrap());
            match uri.path() {
                ports::PATH => engine.ports.send(stream).unwrap(),
                TUNNEL_PATH => {
                    let address = uri.query().unwrap().strip_prefix("address=").unwrap();
                    let (address, protocol) = address.split_once("&protocol=").unwrap();
                    let address: SocketAddr = address.parse().unwrap();
                    if protocol == "udp" {
                        return relay_datagrams(stream, address).await;
                    }
                    let mut target = TcpStream::connect(address).await.unwrap();
                    copy_bidirectional(&mut stream, &mut target).await.unwrap();
                }
                _ => {
                    let mut all = Vec::new();
                    stream.read_to_end(&mut all).await.unwrap();
                    stream.write_all(format!("{} bytes", all.len()).as_bytes()).await.unwrap();
                    stream.shutdown().await.unwrap();
                }
            }
        });
        let mut response = status(StatusCode::SWITCHING_PROTOCOLS);
        response.headers_mut().insert(CONNECTION, "Upgrade".parse().unwrap());
        response.headers_mut().insert(UPGRADE, protocol);
        response
    }
}

async fn relay_datagrams(stream: RawStream, address: SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(address).await.unwrap();
    let mut stream = datagrams(stream);
    let mut buffer = [0; 2048];
    loop {
        tokio::select! {
            sent = stream.next() => match sent {
                Some(datagram) => drop(socket.send(&datagram.unwrap()).await.unwrap()),
                None => return,
            },
            received = socket.recv(&mut buffer) => {
                let datagram = Bytes::copy_from_slice(&buffer[..received.unwrap()]);
                stream.send(datagram).await.unwrap();
            }
        }
    }
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

#[derive(Debug)]
struct FakeDialer(Arc<FakeEngine>);

#[async_trait]
impl Dialer for FakeDialer {
    async fn dial(&self, _port: Port) -> Result<BoxedStream, TransportError> {
        let (ours, theirs) = duplex(64 * 1024);
        if self.0.away.load(Ordering::Relaxed) {
            let refused = Err::<Bytes, _>(io::Error::from(io::ErrorKind::ConnectionRefused));
            return Ok(Box::new(join(StreamReader::new(stream::iter([refused])), sink())));
        }
        let engine = Arc::clone(&self.0);
        self.0.tasks.spawn(async move {
            let service = service_fn(move |request| {
                let answer = Arc::clone(&engine).answer(request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(theirs), service);
            // A client that goes away early is none of the engine's business.
            drop(connection.with_upgrades().await);
        });
        Ok(Box::new(ours))
    }

    fn carrier(&self) -> Carrier {
        Carrier::VirtioSerial
    }
}
