//! `/system/df`: what images, containers, volumes and the build cache take.

use std::collections::HashMap;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use naru_image_store::{Digest, Image};
use naru_protocol::version::ApiVersion;
use serde_json::{Map, Value};

use super::error::ApiError;
use super::image_sharing::Sharing;
use super::query::Query;
use super::{build, container_view, image_view, volumes};
use crate::container::Record;
use crate::engine::Engine;
use crate::error::EngineError;

/// From this version on a client can ask for some of it.
const HAS_TYPES: ApiVersion = ApiVersion::new(1, 42);

/// What can be asked for, and the field that it comes in.
const OBJECTS: [(&str, &str); 4] = [
    ("image", "Images"),
    ("container", "Containers"),
    ("volume", "Volumes"),
    ("build-cache", "BuildCache"),
];

pub(super) fn routes() -> Router<Engine> {
    Router::new().route("/system/df", get(disk_usage))
}

async fn disk_usage(
    State(engine): State<Engine>,
    Extension(version): Extension<ApiVersion>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    let types: Vec<&str> = query
        .iter()
        .filter(|(key, _)| key == "type" && version >= HAS_TYPES)
        .map(|(_, value)| value.as_str())
        .collect();
    if let Some(unknown) = types.iter().find(|typ| OBJECTS.iter().all(|(name, _)| name != *typ)) {
        return Err(ApiError::invalid(format!("unknown object type: {unknown}")));
    }
    let mut usage = Map::new();
    usage.insert("LayersSize".to_owned(), 0.into());
    for (name, field) in OBJECTS {
        let value = match name {
            _ if !types.is_empty() && !types.contains(&name) => Value::Null,
            "image" => {
                let mut images = engine.images().list().map_err(EngineError::from)?;
                let all = engine.images().all().map_err(EngineError::from)?;
                usage.insert("LayersSize".to_owned(), layers_size(&all).into());
                // As in lists: what has no name and others were made of is not shown.
                let parents = engine.parents()?;
                images.retain(|image| !image.is_nameless() || !parents.contains(&image.id));
                images_usage(&engine, &images, version)?
            }
            "container" => containers_usage(&engine).await?,
            "volume" => volumes::usage(&engine).await,
            _ => build::usage(&engine).await?,
        };
        usage.insert(field.to_owned(), value);
    }
    Ok(Json(usage).into_response())
}

/// Each layer once, however many images stand on it.
fn layers_size(images: &[Image]) -> u64 {
    let layers = images.iter().flat_map(|image| &image.layers);
    let sizes: HashMap<&Digest, u64> = layers.map(|layer| (&layer.diff_id, layer.size)).collect();
    sizes.values().sum()
}

fn images_usage(engine: &Engine, images: &[Image], version: ApiVersion) -> Result<Value, ApiError> {
    let sharing = Sharing::among(images);
    let records: Vec<Record> =
        engine.containers().all().iter().map(|container| container.record()).collect();
    let mut rows = Vec::new();
    for image in images {
        let mut row = image_view::summary(image, &records, version)?;
        row["SharedSize"] = sharing.shared_size(image).into();
        rows.push(row);
    }
    Ok(rows.into())
}

async fn containers_usage(engine: &Engine) -> Result<Value, ApiError> {
    let mut view = container_view::Rows::new(engine);
    let mut rows = Vec::new();
    for container in engine.containers().all() {
        let record = container.record();
        let mut row = view.row(&record);
        // One that is being removed is just not listed.
        let Ok(size) = engine.container_size(&record).await else { continue };
        container_view::add_size(&mut row, size);
        rows.push(row);
    }
    Ok(rows.into())
}
