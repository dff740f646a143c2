//! Questions that come in datagrams.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hickory_proto::op::ResponseCode;

use crate::decide::{Decision, Reply, decide};
use crate::forward::failure;
use crate::message::{MAX_QUERY_LEN, Question, Transport};
use crate::server::Shared;

/// Datagrams that are answered before others have their turn on this thread.
const BATCH: usize = 32;

/// Answers until it is dropped.
pub(crate) async fn serve(shared: Arc<Shared>) {
    let (mut query, mut reply) = (Vec::new(), Reply::default());
    loop {
        if let Err(error) = shared.udp.readable().await {
            tracing::warn!(%error, "no longer serving names over UDP");
            return;
        }
        for _ in 0..BATCH {
            query.clear();
            query.reserve(usize::from(MAX_QUERY_LEN));
            match shared.udp.try_recv_buf_from(&mut query) {
                // What fills the buffer has been cut.
                Ok((length, client)) if length < query.capacity() => {
                    answer(&shared, &query, client, &mut reply);
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    tracing::debug!(%error, "cannot receive a query");
                    break;
                }
            }
        }
    }
}

fn answer(shared: &Arc<Shared>, query: &[u8], client: SocketAddr, reply: &mut Reply) {
    match decide(&*shared.names, query, Transport::Udp, reply) {
        Decision::Answer => send(shared, &reply.bytes, client),
        Decision::Forward(question) => forward(shared, question, query.to_vec(), client),
        Decision::Ignore => {}
    }
}

fn forward(shared: &Arc<Shared>, question: Question, query: Vec<u8>, client: SocketAddr) {
    let Some(slot) = shared.forwarder.slot() else {
        send(shared, &failure(&question, ResponseCode::Refused), client);
        return;
    };
    let forwarding = Arc::clone(shared);
    shared.spawn(async move {
        let shared = forwarding;
        let reply = shared.forwarder.forward(&question, query, Transport::Udp, slot).await;
        send(&shared, &reply, client);
    });
}

/// A client that does not get an answer asks again; waiting here would hold up others.
fn send(shared: &Shared, reply: &[u8], client: SocketAddr) {
    if let Err(error) = shared.udp.try_send_to(reply, client) {
        tracing::debug!(%client, %error, "cannot send an answer");
    }
}
