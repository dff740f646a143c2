//! The guest's end of a tunnel for datagrams: a UDP socket of its own for each client of a
//! published port, so that answers find back.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use naru_transport::{MAX_DATAGRAM, datagrams};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UdpSocket;

/// A socket that sends to `address`, and hears from it alone.
pub(crate) async fn connected(address: SocketAddr) -> io::Result<UdpSocket> {
    let any = match address {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(address).await?;
    Ok(socket)
}

/// Passes datagrams on both ways until the host ends the stream.
pub(crate) async fn relay(
    stream: impl AsyncRead + AsyncWrite,
    socket: &UdpSocket,
) -> io::Result<()> {
    let (mut to_host, mut from_host) = datagrams(stream).split();
    let there = async {
        while let Some(datagram) = from_host.next().await {
            let datagram = datagram?;
            if lost(socket.send(&datagram).await)?.is_none() {
                // The refusal was an earlier datagram's; then this one was not sent.
                lost(socket.send(&datagram).await)?;
            }
        }
        Ok(())
    };
    let back = async {
        let mut buffer = vec![0; MAX_DATAGRAM];
        loop {
            if let Some(length) = lost(socket.recv(&mut buffer).await)? {
                to_host.send(Bytes::copy_from_slice(&buffer[..length])).await?;
            }
        }
    };
    tokio::select! {
        ended = there => ended,
        ended = back => ended,
    }
}

/// A datagram that nobody takes is lost, as on a network; the next may be taken.
fn lost(outcome: io::Result<usize>) -> io::Result<Option<usize>> {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    match outcome {
        Ok(length) => Ok(Some(length)),
        Err(error) => match error.kind() {
            ConnectionRefused | HostUnreachable | NetworkUnreachable => Ok(None),
            // One that is longer than the way allows.
            _ if error.raw_os_error() == Some(nix::libc::EMSGSIZE) => Ok(None),
            _ => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    #[tokio::test]
    async fn a_tunnel_outlives_a_datagram_that_nobody_took() {
        let taken = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let socket = connected(address).await.unwrap();
        drop(taken);
        // On the loopback interface its refusal is there at once, for the next call.
        socket.send(b"nobody").await.unwrap();
        let (ours, theirs) = duplex(4096);
        let mut ours = datagrams(ours);
        let asking = async {
            let server = UdpSocket::bind(address).await.unwrap();
            let mut buffer = [0; 64];
            ours.send(Bytes::from("somebody")).await.unwrap();
            let (length, from) = server.recv_from(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..length], b"somebody");
            server.send_to(b"here", from).await.unwrap();
            assert_eq!(ours.next().await.unwrap().unwrap(), b"here"[..]);
        };
        tokio::select! {
            ended = relay(theirs, &socket) => panic!("the tunnel ended: {ended:?}"),
            () = asking => {}
        }
    }
}
