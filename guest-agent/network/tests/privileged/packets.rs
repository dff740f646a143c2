//! UDP in the tests' small world: who answers, and who hears what.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::socket::{Shutdown, shutdown};

use crate::lab::{CONNECT_DEADLINE, Namespace, REFUSAL_DEADLINE};

const EAR_PORT: u16 = 9;
/// How often something is said that may be lost while the way is being made.
const ATTEMPTS: u32 = 10;

impl Namespace {
    /// Hears what reaches a UDP port of this namespace.
    pub(crate) fn listen(&self) -> Result<Ear> {
        let socket = self.run(|| Ok(UdpSocket::bind((Ipv6Addr::UNSPECIFIED, EAR_PORT))?))?;
        socket.set_read_timeout(Some(CONNECT_DEADLINE / ATTEMPTS))?;
        Ok(Ear(socket))
    }

    /// Says something to the ear at an address, and whether that could be sent matters not.
    pub(crate) fn say(&self, to: impl Into<IpAddr>, what: &str) -> Result<()> {
        let socket = self.udp(to, EAR_PORT)?;
        let _refused = socket.send(what.as_bytes()).is_err();
        Ok(())
    }

    /// A UDP socket here that speaks with one port of one address.
    pub(crate) fn udp(&self, address: impl Into<IpAddr>, port: u16) -> Result<UdpSocket> {
        let to = SocketAddr::new(address.into(), port);
        self.run(|| {
            let any: IpAddr = if to.is_ipv4() {
                Ipv4Addr::UNSPECIFIED.into()
            } else {
                Ipv6Addr::UNSPECIFIED.into()
            };
            let socket = UdpSocket::bind((any, 0))?;
            socket.connect(to)?;
            Ok(socket)
        })
    }

    /// Answers what is sent to a UDP port of this namespace by `name` and the address of
    /// the sender, until dropped.
    pub(crate) fn serve_udp(
        &self,
        address: impl Into<IpAddr>,
        port: u16,
        name: &'static str,
    ) -> Result<UdpServer> {
        let address = SocketAddr::new(address.into(), port);
        let socket = self.run(|| Ok(UdpSocket::bind(address)?))?;
        let answering = socket.try_clone()?;
        let thread = thread::spawn(move || {
            let mut buffer = [0; 16];
            while let Ok((1.., peer)) = answering.recv_from(&mut buffer) {
                let answer = format!("{name} to {}", peer.ip());
                // Nobody may be there any more.
                let _gone = answering.send_to(answer.as_bytes(), peer).is_err();
            }
        });
        Ok(UdpServer { socket, thread: Some(thread) })
    }
}

/// Hears every packet that arrives.
pub(crate) struct Ear(UdpSocket);

impl Ear {
    /// What has arrived up to and without the word that `friend`, who reaches `address`, says
    /// to it now. What was sent before and is not among it does not arrive.
    pub(crate) fn heard(
        &self,
        friend: &Namespace,
        address: impl Into<IpAddr> + Copy,
    ) -> Result<Vec<String>> {
        const LAST_WORD: &str = "that was all";
        let mut heard = Vec::new();
        let mut buffer = [0; 128];
        for _ in 0..ATTEMPTS {
            friend.say(address, LAST_WORD)?;
            while let Ok(length) = self.0.recv(&mut buffer) {
                let word = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
                if word == LAST_WORD {
                    return Ok(heard);
                }
                heard.push(word.into());
            }
        }
        bail!("not even the friend was heard")
    }
}

/// A UDP server that answers with its name and the address of whoever sends.
pub(crate) struct UdpServer {
    socket: UdpSocket,
    thread: Option<JoinHandle<()>>,
}

impl Drop for UdpServer {
    fn drop(&mut self) {
        // Wakes the receiver with an empty packet although it says that it could not.
        let _not_connected = shutdown(self.socket.as_raw_fd(), Shutdown::Both).is_err();
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join().is_err();
        }
    }
}

/// Sends until an answer comes, and returns it. What is sent while the way is being made
/// may be lost.
pub(crate) fn ask_udp(socket: &UdpSocket) -> Result<String> {
    answer_within(socket, CONNECT_DEADLINE)
}

/// Whether no answer comes to what is sent.
pub(crate) fn is_silent(socket: &UdpSocket) -> bool {
    answer_within(socket, REFUSAL_DEADLINE).is_err()
}

fn answer_within(socket: &UdpSocket, deadline: Duration) -> Result<String> {
    socket.set_read_timeout(Some(deadline / ATTEMPTS))?;
    let mut buffer = [0; 128];
    let mut failure = None;
    for _ in 0..ATTEMPTS {
        // A port that nobody has is told by an error on either call.
        match socket.send(&[1]).and_then(|_| socket.recv(&mut buffer)) {
            Ok(length) => {
                return Ok(String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into());
            }
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.context("no attempt was made")?.into())
}
