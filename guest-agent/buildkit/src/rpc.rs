//! One RPC over HTTP/2, from its request to its answer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::stream::BoxStream;
use hyper::body::{Body as HttpBody, Frame, Incoming};
use prost::Message;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::service_fn;

/// How large one message may be, in either direction. BuildKit has the same limit.
pub(crate) const MESSAGE_LIMIT: usize = 16 << 20;

pub(crate) type HttpRequest = hyper::Request<Incoming>;
pub(crate) type HttpResponse = hyper::Response<Body>;
/// Answers one after the other.
pub type Answers<A> = BoxStream<'static, Result<A, Status>>;

/// A message's bytes, for who carries them in another way.
pub fn encoded(message: &impl Message) -> Vec<u8> {
    message.encode_to_vec()
}

/// One question, one answer.
pub(crate) async fn unary<Q, A, F>(request: HttpRequest, handler: impl Fn(Q) -> F) -> HttpResponse
where
    Q: Message + Default + 'static,
    A: Message + 'static,
    F: Future<Output = Result<A, Status>>,
{
    let service = service_fn(|question: Request<Q>| {
        let answer = handler(question.into_inner());
        async move { answer.await.map(Response::new) }
    });
    grpc::<Q, A>().unary(service, request).await
}

/// One question, many answers.
pub(crate) async fn streamed<Q, A, F>(
    request: HttpRequest,
    handler: impl Fn(Q) -> F,
) -> HttpResponse
where
    Q: Message + Default + 'static,
    A: Message + 'static,
    F: Future<Output = Result<Answers<A>, Status>>,
{
    let service = service_fn(|question: Request<Q>| {
        let answers = handler(question.into_inner());
        async move { answers.await.map(Response::new) }
    });
    grpc::<Q, A>().server_streaming(service, request).await
}

/// Messages both ways.
pub(crate) async fn both_ways<Q, A, F>(
    request: HttpRequest,
    handler: impl Fn(Streaming<Q>) -> F + Send + Sync,
) -> HttpResponse
where
    Q: Message + Default + 'static,
    A: Message + 'static,
    F: Future<Output = Result<Answers<A>, Status>> + Send,
{
    let service = service_fn(|questions: Request<Streaming<Q>>| {
        let answers = handler(questions.into_inner());
        async move { answers.await.map(Response::new) }
    });
    grpc::<Q, A>().streaming(service, request.map(Whole)).await
}

/// A body that fails when its sender has given it up: hyper takes a reset without an error for the
/// end, and tonic everything that is "cancelled".
struct Whole(Incoming);

impl HttpBody for Whole {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.0).poll_frame(context));
        Poll::Ready(match frame {
            None if !self.0.is_end_stream() => Some(Err(Status::aborted("it was given up"))),
            frame => frame.map(|frame| frame.map_err(|error| Status::aborted(error.to_string()))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
}

fn grpc<Q, A>() -> Grpc<ProstCodec<A, Q>>
where
    Q: Message + Default + 'static,
    A: Message + 'static,
{
    Grpc::new(ProstCodec::default()).max_decoding_message_size(MESSAGE_LIMIT)
}
