//! Sockets in network namespaces other than the engine's.
//!
//! A socket belongs to the namespace of the thread that opens it, for good. One
//! thread of the dialer's own does that for all servers, so that no thread of the
//! async runtime ever is in another namespace.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, mpsc};
use std::thread;

use nix::sched::{CloneFlags, setns};
use socket2::{Domain, Socket, Type};
use tokio::sync::oneshot;

use crate::error::DnsError;

/// Opens sockets in containers' namespaces. Clones share a thread, which ends with the
/// last of them.
#[derive(Clone, Debug)]
pub struct Dialer(mpsc::Sender<Request>);

#[derive(Debug)]
struct Request {
    namespace: Arc<OwnedFd>,
    domain: Domain,
    kind: Type,
    answer: oneshot::Sender<io::Result<Socket>>,
}

impl Dialer {
    /// Starts the thread.
    pub fn start() -> Result<Self, DnsError> {
        let home = File::open("/proc/thread-self/ns/net").map_err(DnsError::Dialer)?;
        let (sender, requests) = mpsc::channel::<Request>();
        thread::Builder::new()
            .name("naru-dns-dial".to_owned())
            .spawn(move || {
                for Request { namespace, domain, kind, answer } in requests {
                    let socket = open_in(&namespace, domain, kind);
                    // A thread that stayed there would keep the namespace alive.
                    if let Err(error) = setns(&home, CloneFlags::CLONE_NEWNET) {
                        tracing::warn!(%error, "cannot leave a container's network namespace");
                    }
                    // Who has gone away does not want the socket.
                    let _gone = answer.send(socket).is_err();
                }
            })
            .map_err(DnsError::Dialer)?;
        Ok(Self(sender))
    }

    /// Opens a socket in the namespace.
    pub(crate) async fn open(
        &self,
        namespace: &Arc<OwnedFd>,
        domain: Domain,
        kind: Type,
    ) -> io::Result<Socket> {
        let (answer, answered) = oneshot::channel();
        self.0
            .send(Request { namespace: Arc::clone(namespace), domain, kind, answer })
            .map_err(|_ended| io::Error::other("the dialing thread has ended"))?;
        answered.await.map_err(io::Error::other)?
    }
}

/// Opens a socket here that does not block.
pub(crate) fn open(domain: Domain, kind: Type) -> io::Result<Socket> {
    Socket::new(domain, kind.nonblocking().cloexec(), None)
}

fn open_in(namespace: &OwnedFd, domain: Domain, kind: Type) -> io::Result<Socket> {
    setns(namespace, CloneFlags::CLONE_NEWNET)?;
    open(domain, kind)
}
