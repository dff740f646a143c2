//! A client's connection, as tonic wants to have it.

use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper::{Request, Response, Uri};
use tonic::body::Body;
use tonic::client::Grpc;

/// Makes requests of one connection.
#[derive(Clone)]
pub(crate) struct Channel(pub(crate) SendRequest<Body>);

impl Channel {
    /// Makes calls of it. The other side has no other name than this one.
    pub(crate) fn grpc(self) -> Grpc<Self> {
        Grpc::with_origin(self, Uri::from_static("http://localhost"))
    }
}

impl tower::Service<Request<Body>> for Channel {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.send_request(request).boxed()
    }
}
