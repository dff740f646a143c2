//! The one place where an error becomes an HTTP answer.

use axum::Json;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use naru_error::{ErrorKind, chain};
use serde_json::json;

use crate::error::EngineError;

/// An error on its way out: Docker's `{"message": …}` with the status of its kind.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    message: String,
}

impl ApiError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { status: status(kind), message: message.into() }
    }

    /// A bad request, in words.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// Something Docker can do and this engine cannot yet.
    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// Docker's answer to unknown paths and to wrong methods alike.
    pub(crate) fn page_not_found() -> Self {
        Self::new(ErrorKind::NotFound, "page not found")
    }

    #[cfg(test)]
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}

fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::InvalidArgument => StatusCode::BAD_REQUEST,
        ErrorKind::Conflict | ErrorKind::AlreadyExists | ErrorKind::Precondition => {
            StatusCode::CONFLICT
        }
        ErrorKind::Unavailable | ErrorKind::Deadline => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Unauthorized => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        // Docker's own number for a client that went away.
        ErrorKind::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        Self::new(error.kind(), chain(&error))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if self.status.is_server_error() && self.status != StatusCode::NOT_IMPLEMENTED {
            tracing::error!(
                status = self.status.as_u16(),
                message = self.message,
                "request failed"
            );
        }
        (self.status, Json(json!({ "message": self.message }))).into_response()
    }
}
