//! Questions that come over connections.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::decide::{Decision, Reply, decide};
use crate::forward::{failure, framed};
use crate::message::{MAX_QUERY_LEN, Transport};
use crate::server::Shared;

/// Connections of one container at a time; more wait to be accepted.
const MAX_CONNECTIONS: usize = 128;

/// How long a client may take for its next question, or to take an answer. Docker's.
const IDLE_DEADLINE: Duration = Duration::from_secs(8);

/// Accepting goes on failing for as long as descriptors are short.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Accepts until it is dropped.
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, client)) => {
                let connected = Arc::clone(&shared);
                shared.spawn(async move {
                    if let Err(error) = answer(&connected, stream).await {
                        tracing::debug!(%client, %error, "connection ended");
                    }
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "cannot accept a connection");
                sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
    }
}

/// Answers one question after the other until the client has no more.
async fn answer(shared: &Shared, mut stream: TcpStream) -> io::Result<()> {
    let (mut query, mut reply) = (Vec::new(), Reply::default());
    while timeout(IDLE_DEADLINE, receive(&mut stream, &mut query)).await?? {
        let written = match decide(&*shared.names, &query, Transport::Tcp, &mut reply) {
            Decision::Answer => framed(&reply.bytes),
            Decision::Forward(question) => framed(&match shared.forwarder.slot() {
                Some(slot) => {
                    let query = query.clone();
                    shared.forwarder.forward(&question, query, Transport::Tcp, slot).await
                }
                None => failure(&question, ResponseCode::Refused),
            }),
            Decision::Ignore => return Ok(()),
        };
        timeout(IDLE_DEADLINE, stream.write_all(&written)).await??;
    }
    Ok(())
}

/// Reads a question. Says whether there was one: a client that closes between two is
/// done.
async fn receive(stream: &mut TcpStream, query: &mut Vec<u8>) -> io::Result<bool> {
    let length = match stream.read_u16().await {
        Ok(length) => length,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        Err(error) => return Err(error),
    };
    if length > MAX_QUERY_LEN {
        return Err(io::Error::other("a query of this length is none"));
    }
    query.resize(usize::from(length), 0);
    stream.read_exact(query).await?;
    Ok(true)
}
