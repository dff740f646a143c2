//! `GET /images/json`: which images are listed, and by which of their names.

use std::borrow::Cow;
use std::collections::HashSet;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use jiff::Timestamp;
use naru_image_store::{Digest, Image};
use naru_protocol::version::ApiVersion;
use serde::Deserialize;

use super::error::ApiError;
use super::image_sharing::Sharing;
use super::image_view::{created, created_at, listed};
use super::prune::until;
use super::query::{Filters, Flag, Query};
use crate::container::{Record, image_config};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::glob;

const FILTERS: [&str; 6] = ["before", "dangling", "label", "reference", "since", "until"];
/// From this version on a client can ask how much images share.
const HAS_SHARED_SIZE: ApiVersion = ApiVersion::new(1, 42);

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct ListQuery {
    /// Also what has no name and other images were made of.
    all: Flag,
    filters: Option<String>,
    shared_size: Flag,
}

pub(super) async fn list(
    State(engine): State<Engine>,
    Extension(version): Extension<ApiVersion>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    let wanted = Wanted::of(&engine, &query)?;
    let mut images = engine.images().list().map_err(EngineError::from)?;
    images.retain(|image| wanted.shows(image));
    let records: Vec<Record> =
        engine.containers().all().iter().map(|container| container.record()).collect();
    let tells_shared = query.shared_size.0 && version >= HAS_SHARED_SIZE;
    let sharing = tells_shared.then(|| Sharing::among(&images));
    let mut rows = Vec::new();
    for image in &images {
        if !wanted.takes(image)? {
            continue;
        }
        let Some(named) = wanted.named(image) else { continue };
        let mut row = listed(&named, &records, version)?;
        if let Some(sharing) = &sharing {
            row["SharedSize"] = sharing.shared_size(image).into();
        }
        rows.push(row);
    }
    Ok(Json(rows).into_response())
}

/// What a client wants to see.
struct Wanted {
    all: bool,
    filters: Filters,
    before: Option<i64>,
    since: Option<i64>,
    until: Option<Timestamp>,
    /// The images that others were made of here.
    parents: HashSet<Digest>,
}

impl Wanted {
    fn of(engine: &Engine, query: &ListQuery) -> Result<Self, ApiError> {
        let filters = Filters::parse(query.filters.as_deref(), &FILTERS)?;
        let bound = |key: &str| -> Result<Option<i64>, ApiError> {
            let name = filters.values(key).and_then(<[String]>::first);
            let Some(name) = name else { return Ok(None) };
            Ok(Some(created(&engine.images().resolve(name).map_err(EngineError::from)?)))
        };
        Ok(Self {
            all: query.all.0,
            before: bound("before")?,
            since: bound("since")?,
            until: until(&filters, Timestamp::now())?,
            parents: engine.parents()?,
            filters,
        })
    }

    /// Whether it is an image of its own, and not just what others were made of.
    fn shows(&self, image: &Image) -> bool {
        self.all || !image.is_nameless() || !self.parents.contains(&image.id)
    }

    fn takes(&self, image: &Image) -> Result<bool, ApiError> {
        let labels = image_config(&image.raw_config)?.labels.unwrap_or_default();
        let dangling = |wanted: &str| match wanted {
            "1" | "true" => image.is_untagged() && !self.parents.contains(&image.id),
            _ => !image.is_nameless(),
        };
        let at = created(image);
        Ok(self.filters.any("dangling", dangling)
            && self.filters.labels(|key| labels.get(key).map(String::as_str))
            && self.before.is_none_or(|before| at < before)
            && self.since.is_none_or(|since| at > since)
            && self.until.is_none_or(|until| created_at(image).is_some_and(|at| at < until)))
    }

    /// The image with the names that are asked for; none if it has none of them. A name is a
    /// filter of names, too, not only of images.
    fn named<'a>(&self, image: &'a Image) -> Option<Cow<'a, Image>> {
        if self.filters.values("reference").is_none() {
            return Some(Cow::Borrowed(image));
        }
        let fits = |name: &str, bare: &str| {
            self.filters
                .any("reference", |pattern| is_like(name, pattern) || is_like(bare, pattern))
        };
        let mut image = image.clone();
        image.tags.retain(|tag| fits(&tag.familiar(), &tag.familiar_name()));
        image.repo_digests.retain(|name| fits(name, name.split('@').next().unwrap_or(name)));
        (!image.is_nameless()).then_some(Cow::Owned(image))
    }
}

/// Whether a name matches a pattern, in which nothing stands for a slash.
fn is_like(name: &str, pattern: &str) -> bool {
    let (names, patterns) = (name.split('/'), pattern.split('/'));
    names.clone().count() == patterns.clone().count()
        && names.zip(patterns).all(|(name, pattern)| glob::matches(pattern, name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_like_a_pattern_part_by_part() {
        for (name, pattern, expected) in [
            ("busybox:1", "busybox:1", true),
            ("busybox:1", "busy*", true),
            ("busybox:uclibc", "busy*:*libc", true),
            ("busybox:1", "*box*", true),
            ("busybox:1", "?usybox:[0-9]", true),
            ("busybox:1", "box", false),
            ("tools/box:2", "*", false),
            ("tools/box:2", "*/*", true),
            ("localhost:5000/tools/box", "localhost:5000/*", false),
        ] {
            assert_eq!(is_like(name, pattern), expected, "{name} {pattern}");
        }
    }
}
