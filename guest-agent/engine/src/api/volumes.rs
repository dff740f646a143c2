//! `/volumes/…`.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bollard_stubs::models::VolumeCreateRequest;
use hyper::StatusCode;
use naru_protocol::version::ApiVersion;
use serde::Deserialize;
use serde_json::{Value, json};

use super::containers::name_fits;
use super::error::ApiError;
use super::query::{Filters, Flag, Query};
use super::{read_json, whole_body};
use crate::engine::Engine;
use crate::volume::{LOCAL, PrunedVolumes, VolumeRecord, VolumeRequest};

/// From this version on only those that nobody has named go, unless all are asked for.
const PRUNES_ANONYMOUS: ApiVersion = ApiVersion::new(1, 42);

type Answer = Result<Response, ApiError>;

pub(super) fn routes() -> Router<Engine> {
    Router::new()
        .route("/volumes", get(list))
        .route("/volumes/create", post(create))
        .route("/volumes/prune", post(prune))
        .route("/volumes/{name}", get(inspect).delete(remove))
}

fn view(engine: &Engine, record: &VolumeRecord) -> Value {
    json!({
        // To the second, as Docker has it.
        "CreatedAt": record.created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "Driver": LOCAL,
        "Labels": record.labels,
        "Mountpoint": engine.volumes().directories().data(&record.name),
        "Name": record.name,
        "Options": record.options,
        "Scope": "local",
    })
}

/// What the volumes take, and how many containers each belongs to.
pub(super) async fn usage(engine: &Engine) -> Value {
    let mut rows = Vec::new();
    for (volume, record) in engine.volumes().all() {
        // One that is being removed is just not listed.
        let Ok(size) = engine.volume_size(&record.name).await else { continue };
        let mut row = view(engine, &record);
        row["UsageData"] = json!({ "Size": size, "RefCount": volume.users().len() });
        rows.push(row);
    }
    rows.into()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FiltersQuery {
    filters: Option<String>,
}

async fn list(State(engine): State<Engine>, Query(query): Query<FiltersQuery>) -> Answer {
    const FILTERS: [&str; 4] = ["dangling", "driver", "label", "name"];
    let filters = Filters::parse(query.filters.as_deref(), &FILTERS)?;
    let dangling = boolean(&filters, "dangling")?;
    let rows: Vec<Value> = engine
        .volumes()
        .all()
        .iter()
        .filter(|(volume, record)| {
            dangling.is_none_or(|dangling| volume.users().is_empty() == dangling)
                && filters.any("name", |wanted| name_fits(&record.name, wanted))
                && filters.any("driver", |wanted| wanted == LOCAL)
                && has_labels(&filters, record)
        })
        .map(|(_, record)| view(&engine, record))
        .collect();
    Ok(Json(json!({ "Volumes": rows, "Warnings": null })).into_response())
}

fn has_labels(filters: &Filters, record: &VolumeRecord) -> bool {
    let labels = record.labels.as_ref();
    filters.labels_or_not(|key| labels?.get(key).map(String::as_str))
}

/// The value of a filter that is true or false; all of its values must say the same.
fn boolean(filters: &Filters, key: &str) -> Result<Option<bool>, ApiError> {
    let Some(values) = filters.values(key).filter(|values| !values.is_empty()) else {
        return Ok(None);
    };
    let is = |known: [&str; 2]| values.iter().all(|value| known.contains(&value.as_str()));
    match (is(["1", "true"]), is(["0", "false"])) {
        (true, _) => Ok(Some(true)),
        (_, true) => Ok(Some(false)),
        _ => Err(ApiError::invalid(format!("invalid filter '{key}=[{}]'", values.join(" ")))),
    }
}

async fn create(State(engine): State<Engine>, body: Body) -> Answer {
    let bytes = whole_body(body).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(ApiError::invalid("invalid JSON: got EOF while reading request body"));
    }
    let body: VolumeCreateRequest = read_json(&bytes)?;
    if body.cluster_volume_spec.is_some() {
        return Err(ApiError::unsupported("cluster volumes are not supported: there is no swarm"));
    }
    let request = VolumeRequest {
        name: body.name.unwrap_or_default(),
        driver: body.driver.unwrap_or_default(),
        options: body.driver_opts.map(|options| options.into_iter().collect()),
        labels: body.labels.map(|labels| labels.into_iter().collect()),
        is_anothers: false,
    };
    let made = engine.create_volume(request).await?;
    Ok((StatusCode::CREATED, Json(view(&engine, &made))).into_response())
}

async fn inspect(State(engine): State<Engine>, Path(name): Path<String>) -> Answer {
    let found = engine.volumes().find(&name)?.record();
    let record = found.ok_or(crate::error::EngineError::NoSuchVolume(name))?;
    Ok(Json(view(&engine, &record)).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RemoveQuery {
    force: Flag,
}

async fn remove(
    State(engine): State<Engine>,
    Path(name): Path<String>,
    Query(query): Query<RemoveQuery>,
) -> Answer {
    engine.remove_volume(&name, query.force.0).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn prune(
    State(engine): State<Engine>,
    Extension(version): Extension<ApiVersion>,
    Query(query): Query<FiltersQuery>,
) -> Answer {
    let has_all = version >= PRUNES_ANONYMOUS;
    let known = if has_all { &["label", "label!", "all"][..] } else { &["label", "label!"] };
    let filters = Filters::parse(query.filters.as_deref(), known)?;
    let all = boolean(&filters, "all")?.unwrap_or(!has_all);
    let wanted =
        |record: &VolumeRecord| (all || record.is_anonymous()) && has_labels(&filters, record);
    let PrunedVolumes { names, reclaimed } = engine.prune_volumes(wanted).await?;
    Ok(Json(json!({ "VolumesDeleted": names, "SpaceReclaimed": reclaimed })).into_response())
}
