//! `POST /images/create`: the pull, and the stream of lines that clients draw it from.

use axum::extract::State;
use axum::response::Response;
use hyper::HeaderMap;
use naru_error::chain;
use naru_image_store::{Credentials, ImageError, ImageReference, LayerState, Platform, PullEvent};
use serde::Deserialize;
use serde_json::{Value, json};

use super::credentials::credentials;
use super::error::ApiError;
use super::lines::{self, Lines};
use super::query::Query;
use crate::engine::Engine;
use crate::error::EngineError;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct CreateQuery {
    from_image: String,
    tag: String,
    platform: String,
}

/// A reference from a name and a separate tag or digest.
pub(super) fn reference(name: &str, tag: &str) -> Result<ImageReference, ApiError> {
    let text = match tag {
        "" => name.to_owned(),
        digest if digest.contains(':') => format!("{name}@{digest}"),
        tag => format!("{name}:{tag}"),
    };
    text.parse().map_err(|error| ApiError::invalid(chain(&error)))
}

/// Whether neither a tag nor a digest is in `name`; Docker pulls all tags then.
pub(super) fn is_name_only(name: &str) -> bool {
    !name.rsplit('/').next().unwrap_or(name).contains([':', '@'])
}

/// What a client wants pulled, and where it is told of it.
struct Pull {
    engine: Engine,
    reference: ImageReference,
    all_tags: bool,
    platform: Option<Platform>,
    credentials: Option<Credentials>,
    lines: Lines,
}

impl Pull {
    async fn run(self) -> Result<(), EngineError> {
        let newer = self.all().await?;
        let name =
            if self.all_tags { self.reference.familiar_name() } else { self.reference.familiar() };
        let outcome = if newer { "Downloaded newer image" } else { "Image is up to date" };
        self.lines.send(json!({ "status": format!("Status: {outcome} for {name}") }));
        Ok(())
    }

    /// Pulls one tag or all of them, one after the other; whether one of them is a newer image.
    async fn all(&self) -> Result<bool, ImageError> {
        if !self.all_tags {
            return self.one(&self.reference).await;
        }
        let images = self.engine.images();
        let mut newer = false;
        for reference in images.tags(&self.reference, self.credentials.as_ref()).await? {
            newer |= self.one(&reference).await?;
        }
        Ok(newer)
    }

    async fn one(&self, reference: &ImageReference) -> Result<bool, ImageError> {
        let progress = |event: PullEvent| self.lines.send(line(&event));
        let (platform, credentials) = (self.platform.as_ref(), self.credentials.as_ref());
        let pulled = self.engine.images().pull(reference, platform, credentials, &progress).await?;
        let name = reference.familiar();
        self.engine.image_event("pull", &name, &name);
        Ok(!pulled.up_to_date)
    }
}

pub(super) async fn create(
    State(engine): State<Engine>,
    Query(query): Query<CreateQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    // The command sends a colon without a tag for `--all-tags`.
    let name = query.from_image.trim_end_matches(':');
    let reference = reference(name, &query.tag)?;
    let platform: Option<Platform> = match query.platform.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|error| ApiError::invalid(chain(&error)))?),
    };
    let all_tags = query.tag.is_empty() && is_name_only(name);
    let credentials = credentials(&headers);
    let task_engine = engine.clone();
    lines::answer(&engine, |lines| {
        Pull { engine: task_engine, reference, all_tags, platform, credentials, lines }.run()
    })
    .await
}

/// What clients draw a pull from.
pub(super) fn line(event: &PullEvent) -> Value {
    let layer =
        |id: &str, status: &str| json!({ "status": status, "progressDetail": {}, "id": id });
    let progress = |id: &str, status: &str, current: u64, total: u64| {
        json!({
            "status": status, "id": id,
            "progressDetail": { "current": current, "total": total },
        })
    };
    match event {
        PullEvent::PullingFrom { repository, tag } => {
            json!({ "status": format!("Pulling from {repository}"), "id": tag })
        }
        PullEvent::Digest(digest) => json!({ "status": format!("Digest: {digest}") }),
        PullEvent::Layer { id, state } => match *state {
            LayerState::Waiting => layer(id, "Pulling fs layer"),
            LayerState::Downloading { current, total } => {
                progress(id, "Downloading", current, total)
            }
            LayerState::Retrying { seconds } => {
                layer(id, &format!("Retrying in {seconds} seconds"))
            }
            LayerState::DownloadComplete => layer(id, "Download complete"),
            LayerState::Extracting { current, total } => progress(id, "Extracting", current, total),
            LayerState::PullComplete => layer(id, "Pull complete"),
            LayerState::AlreadyExists => layer(id, "Already exists"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_in_place_of_a_tag_is_one() {
        let digest = format!("sha256:{}", "a".repeat(64));
        assert!(reference("busybox", &digest).unwrap().digest().is_some());
        reference("Busybox", "").unwrap_err();
        assert!(is_name_only("localhost:5000/busybox"));
        assert!(!is_name_only("localhost:5000/busybox:1"));
        assert!(!is_name_only(&format!("busybox@{digest}")));
    }
}
