//! Published UDP ports: one tunnel for each client that sends.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use naru_transport::{MAX_DATAGRAM, datagrams};
use tokio::net::UdpSocket;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::TaskTracker;

use super::listener::Health;
use crate::guest::Guest;

/// How long a client's tunnel is kept that nothing passes; what Docker's own proxy waits.
const IDLE: Duration = Duration::from_secs(90);

/// So many clients of one port at once. Anyone can make up addresses to send from.
const MAX_CLIENTS: usize = 1024;

/// So many datagrams of one client may wait for its tunnel; what comes then is lost, as on
/// a network.
const QUEUE: usize = 256;

/// Forwards to `target` what comes to `socket`, and back, for as long as it is polled and the
/// socket works. It is this future's alone: it is closed once that is dropped, and all tunnels end.
pub(super) async fn forward(
    socket: UdpSocket,
    target: watch::Receiver<SocketAddr>,
    guest: Guest,
    tasks: TaskTracker,
) {
    let mut clients: HashMap<SocketAddr, mpsc::Sender<Bytes>> = HashMap::new();
    let (answer, mut answers) = mpsc::channel::<(Bytes, SocketAddr)>(QUEUE);
    let mut buffer = vec![0; MAX_DATAGRAM];
    let mut health = Health::default();
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            // Never none: a sender is kept here.
            Some((datagram, client)) = answers.recv() => {
                if let Err(error) = socket.send_to(&datagram, client).await {
                    tracing::debug!(%client, %error, "an answer was not sent");
                }
                continue;
            }
        };
        let (length, from) = match received {
            Ok(received) => received,
            Err(error) => {
                // Mostly what an answer to a client that is gone came back with.
                tracing::debug!(%error, "a datagram was not received");
                if health.is_lost_by(&error) {
                    return;
                }
                sleep(super::FIRST_PAUSE).await;
                continue;
            }
        };
        health.worked();
        let datagram = Bytes::copy_from_slice(&buffer[..length]);
        if let Some(client) = clients.get(&from) {
            match client.try_send(datagram.clone()) {
                Ok(()) | Err(TrySendError::Full(_)) => continue,
                Err(TrySendError::Closed(_)) => {}
            }
        }
        clients.retain(|_, client| !client.is_closed());
        if clients.len() >= MAX_CLIENTS {
            tracing::debug!(%from, "too many clients of a published port");
            continue;
        }
        let (sender, receiver) = mpsc::channel(QUEUE);
        // It is empty, and takes one.
        drop(sender.try_send(datagram));
        clients.insert(from, sender);
        let client = Client { address: from, received: receiver, answers: answer.clone() };
        let (target, guest) = (*target.borrow(), guest.clone());
        tasks.spawn(async move {
            if let Err(error) = client.serve(target, guest).await {
                tracing::debug!(%target, %error, "a tunnel for datagrams ended early");
            }
        });
    }
}

/// One that sends to a published port, which is open as long as `received` is.
struct Client {
    address: SocketAddr,
    received: mpsc::Receiver<Bytes>,
    answers: mpsc::Sender<(Bytes, SocketAddr)>,
}

impl Client {
    async fn serve(self, target: SocketAddr, guest: Guest) -> io::Result<()> {
        let Self { address, mut received, answers } = self;
        let stream = guest.datagrams(target).await.map_err(io::Error::other)?;
        let (mut to_target, mut from_target) = datagrams(stream).split();
        let used = watch::Sender::new(Instant::now());
        let there = async {
            while let Some(datagram) = received.recv().await {
                used.send_replace(Instant::now());
                to_target.send(datagram).await?;
            }
            Ok(())
        };
        let back = async {
            while let Some(datagram) = from_target.next().await {
                used.send_replace(Instant::now());
                if answers.send((datagram?.freeze(), address)).await.is_err() {
                    break;
                }
            }
            Ok(())
        };
        let idle = async {
            loop {
                let until = *used.borrow() + IDLE;
                if until <= Instant::now() {
                    return;
                }
                sleep_until(until).await;
            }
        };
        tokio::select! {
            ended = there => ended,
            ended = back => ended,
            () = idle => Ok(()),
        }
    }
}
