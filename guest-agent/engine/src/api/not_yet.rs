//! What Docker knows and this engine does not yet: 501, with a sentence.

use axum::Router;
use axum::extract::Request;
use axum::routing::{any, post};
use naru_error::ErrorKind;

use super::error::ApiError;
use crate::engine::Engine;

pub(super) fn routes() -> Router<Engine> {
    let mut router = Router::new();
    for path in ["/swarm/init", "/swarm/join"] {
        router = router.route(path, post(refuse));
    }
    router = router.route("/plugins/{*rest}", any(refuse));
    for path in ["/swarm", "/nodes", "/services", "/tasks", "/secrets", "/configs"] {
        router =
            router.route(path, any(no_swarm)).route(&format!("{path}/{{*rest}}"), any(no_swarm));
    }
    router
}

async fn refuse(request: Request) -> ApiError {
    let path = request.uri().path();
    let what = match path.trim_start_matches('/').split('/').next().unwrap_or_default() {
        "plugins" => "plugins",
        "swarm" => "swarm mode",
        _ => path,
    };
    ApiError::unsupported(format!("not supported by this engine yet: {what}"))
}

async fn no_swarm() -> ApiError {
    ApiError::new(
        ErrorKind::Unavailable,
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to \
         connect this node to swarm and try again.",
    )
}
