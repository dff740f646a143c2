//! One session, and how its methods are called.

use std::fmt;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use hyper::client::conn::http2::SendRequest;
use hyper::http::uri::PathAndQuery;
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::metadata::{Ascii, AsciiMetadataKey, MetadataValue};
use tonic::{CancellationHandle, Request, Response, Status};
use tonic_prost::ProstCodec;

use super::Offer;
use crate::channel::Channel;
use crate::error::SessionError;
use crate::rpc::MESSAGE_LIMIT;

/// How long a client may take for a single answer: a credential helper may have to ask its user.
const ANSWER: Duration = Duration::from_mins(2);
/// How long a client may take to end a call that has failed on this side.
const LEAVE: Duration = Duration::from_secs(2);
/// How many messages may wait to be sent. Receiving files counts on it: more than may be open.
const OUTGOING: usize = 64;

/// A client's session, for as long as its connection lasts.
pub struct Session {
    offer: Offer,
    requests: SendRequest<Body>,
    ended: CancellationToken,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("offer", &self.offer).finish_non_exhaustive()
    }
}

/// Metadata of a call.
pub(super) type Metadata = Vec<(AsciiMetadataKey, MetadataValue<Ascii>)>;

impl Session {
    pub(super) fn new(offer: Offer, requests: SendRequest<Body>, ended: CancellationToken) -> Self {
        Self { offer, requests, ended }
    }

    /// Whose session it is.
    pub fn id(&self) -> &str {
        self.offer.id()
    }

    /// Says which contexts of different sessions are the same directory of one machine.
    pub fn shared_key(&self) -> &str {
        self.offer.shared_key()
    }

    /// Resolves once the client is gone.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Whether the client serves an RPC.
    pub(super) fn has(&self, method: &str) -> bool {
        self.offer.has(method)
    }

    fn offered(&self, method: &'static str) -> Result<(), SessionError> {
        if self.has(method) { Ok(()) } else { Err(SessionError::NotOffered { method }) }
    }

    /// One question, one answer.
    pub(super) async fn ask<Q, A>(
        &self,
        method: &'static str,
        question: Q,
    ) -> Result<A, SessionError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        self.offered(method)?;
        let mut client = self.client();
        let answer = async {
            let path = PathAndQuery::from_static(method);
            client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            client.unary(Request::new(question), path, ProstCodec::<Q, A>::default()).await
        };
        tokio::select! {
            answer = timeout(ANSWER, answer) => match answer {
                Ok(answer) => answer
                    .map(Response::into_inner)
                    .map_err(|status| self.refused(method, &status)),
                Err(_) => Err(SessionError::Deadline { method }),
            },
            () = self.ended.cancelled() => Err(self.gone()),
        }
    }

    /// Messages both ways. The call goes out when its answers are first asked for.
    pub(super) fn exchange<Q, A>(
        &self,
        method: &'static str,
        metadata: Metadata,
    ) -> Result<Exchange<Q, A>, SessionError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        self.offered(method)?;
        let (outgoing, mut questions) = mpsc::channel::<Q>(OUTGOING);
        let questions = futures::stream::poll_fn(move |context| questions.poll_recv(context));
        let mut request = Request::new(questions);
        for (key, value) in metadata {
            request.metadata_mut().append(key, value);
        }
        let abort = Abort(Some(request.cancellation_handle()));
        let mut client = self.client();
        let answers = async move {
            let path = PathAndQuery::from_static(method);
            client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            let codec = ProstCodec::<Q, A>::default();
            client.streaming(request, path, codec).await.map(Response::into_inner)
        };
        let incoming = answers.into_stream().try_flatten().boxed();
        Ok(Exchange { abort, outgoing, incoming })
    }

    fn client(&self) -> Grpc<Channel> {
        Channel(self.requests.clone()).grpc().max_decoding_message_size(MESSAGE_LIMIT)
    }

    /// What a client's failure is: its own, or that it is gone.
    pub(super) fn refused(&self, method: &'static str, status: &Status) -> SessionError {
        if self.ended.is_cancelled() {
            return self.gone();
        }
        SessionError::Refused { method, code: status.code(), message: status.message().to_owned() }
    }

    fn gone(&self) -> SessionError {
        SessionError::Ended { id: self.id().to_owned() }
    }
}

/// A call with messages both ways. One that is dropped before it is finished is aborted, so that
/// the client never takes what it has got so far for the whole.
pub(super) struct Exchange<Q, A> {
    /// First, and so dropped before `outgoing`, whose drop means that all was sent.
    pub(super) abort: Abort,
    pub(super) outgoing: mpsc::Sender<Q>,
    pub(super) incoming: BoxStream<'static, Result<A, Status>>,
}

impl<Q, A> Exchange<Q, A> {
    /// Says that all was sent, and waits for the client to say that all is well.
    pub(super) async fn finish(self) -> Result<(), Status> {
        let Self { mut abort, outgoing, mut incoming } = self;
        drop(outgoing);
        while incoming.try_next().await?.is_some() {}
        abort.0 = None;
        Ok(())
    }

    /// Ends the call where it is, and gives the client a moment to hear what was said last.
    /// For messages of a kind whose last one says that it is the last.
    pub(super) async fn leave(self) {
        // How the client takes it changes nothing any more.
        drop(timeout(LEAVE, self.finish()).await);
    }
}

pub(super) struct Abort(Option<CancellationHandle>);

impl Drop for Abort {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            handle.cancel();
        }
    }
}
