//! Published ports: the engine asks, the host listens and tunnels.
//!
//! One task keeps the ports channel (`naru_protocol::ports`) open for as long as the
//! machine runs. When the channel breaks (the engine is being restarted) the listeners
//! stay, and the new channel's binds find them again; what has not been asked for
//! again within [`RESYNC_GRACE`] is closed. A listener that dies while it is wanted, because
//! the system has taken its socket, is opened again.

mod holder;
mod listener;
mod table;
mod udp;

use std::time::Duration;

use naru_protocol::ports::{PortReply, PortRequest};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::guest::Guest;
use listener::Opener;
use table::PortTable;

/// How long a new engine has to ask again for the ports that are open.
const RESYNC_GRACE: Duration = Duration::from_secs(10);
/// The pause after the first failure to open the channel; it doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// How often is looked for listeners that have died.
const MEND_INTERVAL: Duration = Duration::from_secs(5);
/// The longest request line; an engine that sends more is not ours.
const MAX_LINE: u64 = 64 * 1024;

/// Serves the engine's requests until `cancel`, then closes all ports.
pub(crate) async fn serve(guest: Guest, tasks: TaskTracker, cancel: CancellationToken) {
    let mut table = PortTable::new(Opener { guest: guest.clone(), tasks, cancel: cancel.clone() });
    let work = async {
        let mut pause = FIRST_PAUSE;
        loop {
            match guest.ports().await {
                Ok(channel) => {
                    pause = FIRST_PAUSE;
                    table.begin_resync();
                    exchange(channel, &mut table).await;
                }
                Err(error) => {
                    tracing::debug!(error = %naru_error::chain(&error), "ports channel not open");
                }
            }
            // Backing off: nobody says when the engine is up again.
            sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    };
    cancel.run_until_cancelled(work).await;
}

/// Answers requests until the channel breaks.
async fn exchange<C: AsyncRead + AsyncWrite>(channel: C, table: &mut PortTable) {
    let (read, mut write) = tokio::io::split(channel);
    let mut lines = BufReader::new(read);
    let mut line = Vec::new();
    let resynced = sleep_until(Instant::now() + RESYNC_GRACE);
    tokio::pin!(resynced);
    let mut in_resync = true;
    let mut mending = interval(MEND_INTERVAL);
    // After a sleep once is enough.
    mending.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // `read_until` keeps what it has read in `line` when a timer goes first.
        let mut limited = (&mut lines).take(MAX_LINE.saturating_sub(line.len() as u64));
        let read = tokio::select! {
            () = &mut resynced, if in_resync => {
                in_resync = false;
                table.end_resync();
                continue;
            }
            _ = mending.tick() => {
                table.mend().await;
                continue;
            }
            read = limited.read_until(b'\n', &mut line) => read,
        };
        match read {
            Ok(_) if line.ends_with(b"\n") => {}
            Ok(_) => return tracing::info!("ports channel ended"),
            Err(error) => return tracing::info!(%error, "ports channel lost"),
        }
        let request = match serde_json::from_slice::<PortRequest>(&line) {
            Ok(request) => request,
            Err(error) => return tracing::warn!(%error, "ports channel speaks another language"),
        };
        line.clear();
        if let Some(reply) = table.answer(request).await
            && let Err(error) = send(&mut write, &reply).await
        {
            return tracing::info!(%error, "ports channel lost");
        }
    }
}

async fn send<W: AsyncWrite + Unpin>(write: &mut W, reply: &PortReply) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    write.write_all(&line).await?;
    write.flush().await
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    use naru_protocol::ports::PortProtocol;
    use tokio::net::{TcpListener, TcpStream, UdpSocket};
    use tokio::sync::mpsc;

    use super::*;
    use crate::fake_engine::FakeEngine;
    use crate::http::RawStream;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// The engine's side of a ports channel.
    struct Channel(BufReader<RawStream>);

    impl Channel {
        async fn opened(channels: &mut mpsc::UnboundedReceiver<RawStream>) -> Self {
            Self(BufReader::new(channels.recv().await.unwrap()))
        }

        async fn bind(&mut self, id: u64, host_port: u16, target: SocketAddr) -> PortReply {
            self.bind_for(PortProtocol::Tcp, id, host_port, target).await
        }

        async fn bind_for(
            &mut self,
            protocol: PortProtocol,
            id: u64,
            host_port: u16,
            target: SocketAddr,
        ) -> PortReply {
            let bind = PortRequest::Bind { id, protocol, host_ip: LOOPBACK, host_port, target };
            self.send(&bind).await;
            let mut line = String::new();
            self.0.read_line(&mut line).await.unwrap();
            serde_json::from_str(&line).unwrap()
        }

        async fn send(&mut self, request: &PortRequest) {
            let line = serde_json::to_string(request).unwrap() + "\n";
            self.0.write_all(line.as_bytes()).await.unwrap();
        }
    }

    fn start() -> (mpsc::UnboundedReceiver<RawStream>, tokio_util::sync::DropGuard) {
        let (engine, channels) = FakeEngine::new();
        let cancel = CancellationToken::new();
        let tasks = TaskTracker::new();
        tasks.spawn(serve(engine.guest(), tasks.clone(), cancel.clone()));
        (channels, cancel.drop_guard())
    }

    fn bound(reply: &PortReply) -> SocketAddr {
        match reply {
            PortReply::Bound { host_port, .. } => SocketAddr::new(LOOPBACK, *host_port),
            refused => panic!("{refused:?}"),
        }
    }

    /// A server that answers what it was sent, once that has ended.
    async fn echo_at_end() -> SocketAddr {
        let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        TaskTracker::new().spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut all = Vec::new();
                stream.read_to_end(&mut all).await.unwrap();
                stream.write_all(&all).await.unwrap();
            }
        });
        address
    }

    async fn exchange(address: SocketAddr, text: &str) -> String {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(text.as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_bound_port_tunnels_both_ways_with_half_close() {
        let (mut channels, _running) = start();
        let mut channel = Channel::opened(&mut channels).await;
        let reply = channel.bind(1, 0, echo_at_end().await).await;
        let address = bound(&reply);
        assert_ne!(address.port(), 0);
        assert_eq!(exchange(address, "there and back").await, "there and back");
    }

    #[tokio::test]
    async fn a_port_in_use_is_refused_by_number() {
        let (mut channels, _running) = start();
        let mut channel = Channel::opened(&mut channels).await;
        let taken = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let reply = channel.bind(7, port, SocketAddr::new(LOOPBACK, 1)).await;
        let PortReply::Refused { id: 7, message } = reply else { panic!("{reply:?}") };
        assert!(message.starts_with(&format!("port {port} is already in use")), "{message}");
        if cfg!(target_os = "linux") {
            assert!(message.ends_with(&format!("(pid {})", std::process::id())), "{message}");
        }
    }

    #[tokio::test]
    async fn a_released_port_is_free_for_the_next() {
        let (mut channels, _running) = start();
        let mut channel = Channel::opened(&mut channels).await;
        let nowhere = SocketAddr::new(LOOPBACK, 1);
        for protocol in [PortProtocol::Tcp, PortProtocol::Udp] {
            let port = bound(&channel.bind_for(protocol, 1, 0, nowhere).await).port();
            channel.send(&PortRequest::Release { id: 1 }).await;
            let again = bound(&channel.bind_for(protocol, 2, port, nowhere).await).port();
            assert_eq!(again, port);
            channel.send(&PortRequest::Release { id: 2 }).await;
        }
    }

    #[tokio::test]
    async fn a_restarted_engine_finds_its_ports_open_and_can_move_them() {
        let (mut channels, _running) = start();
        let mut first = Channel::opened(&mut channels).await;
        let fixed = TcpListener::bind((LOOPBACK, 0)).await.unwrap().local_addr().unwrap().port();
        let nowhere = SocketAddr::new(LOOPBACK, 1);
        let address = bound(&first.bind(1, fixed, nowhere).await);
        drop(first);
        let mut second = Channel::opened(&mut channels).await;
        let again = bound(&second.bind(40, fixed, echo_at_end().await).await);
        assert_eq!(again, address);
        assert_eq!(exchange(again, "still here").await, "still here");
    }

    #[tokio::test(start_paused = true)]
    async fn a_port_that_a_restarted_engine_does_not_ask_for_is_closed() {
        let (mut channels, _running) = start();
        let mut first = Channel::opened(&mut channels).await;
        let address = bound(&first.bind(1, 0, SocketAddr::new(LOOPBACK, 1)).await);
        drop(first);
        let _second = Channel::opened(&mut channels).await;
        while TcpStream::connect(address).await.is_ok() {
            sleep(RESYNC_GRACE).await;
        }
    }

    /// A server that answers each datagram with the address it came from and itself.
    async fn udp_echo() -> SocketAddr {
        let socket = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        TaskTracker::new().spawn(async move {
            let mut buffer = [0; 2048];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let text = String::from_utf8_lossy(&buffer[..length]);
                let answer = format!("{} {text}", from.port());
                socket.send_to(answer.as_bytes(), from).await.unwrap();
            }
        });
        address
    }

    async fn ask(socket: &UdpSocket, address: SocketAddr, text: &str) -> (String, String) {
        socket.send_to(text.as_bytes(), address).await.unwrap();
        let mut buffer = [0; 2048];
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        assert_eq!(from, address, "the answer comes from elsewhere");
        let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let (port, text) = answer.split_once(' ').unwrap();
        (port.to_owned(), text.to_owned())
    }

    #[tokio::test]
    async fn datagrams_go_both_ways_and_clients_are_told_apart() {
        let (mut channels, _running) = start();
        let mut channel = Channel::opened(&mut channels).await;
        let reply = channel.bind_for(PortProtocol::Udp, 1, 0, udp_echo().await).await;
        let address = bound(&reply);
        let one = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
        let other = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
        let (ones, text) = ask(&one, address, "first").await;
        assert_eq!(text, "first");
        let (others, text) = ask(&other, address, "").await;
        assert_eq!(text, "");
        assert_ne!(ones, others, "two clients look like one");
        assert_eq!(ask(&one, address, "second").await, (ones, "second".to_owned()));
    }

    #[tokio::test]
    async fn one_number_can_be_a_port_of_both_protocols() {
        let (mut channels, _running) = start();
        let mut channel = Channel::opened(&mut channels).await;
        let tcp = bound(&channel.bind(1, 0, echo_at_end().await).await);
        let target = udp_echo().await;
        let udp = bound(&channel.bind_for(PortProtocol::Udp, 2, tcp.port(), target).await);
        assert_eq!(tcp, udp);
        assert_eq!(exchange(tcp, "tcp").await, "tcp");
        let client = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
        assert_eq!(ask(&client, udp, "udp").await.1, "udp");
    }
}
