//! `/containers/…`.

use std::collections::HashSet;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Extension, Json, Router};
use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;
use jiff::Timestamp;
use naru_error::chain;
use naru_protocol::version::ApiVersion;
use serde::Deserialize;
use serde_json::json;

use super::container_view;
use super::error::ApiError;
use super::query::{Filters, Flag, Query};
use crate::container::{Asker, Condition, Record, Started, Stopped, WaitError};
use crate::engine::Engine;
use crate::error::EngineError;

const FILTERS: [&str; 15] = [
    "ancestor",
    "before",
    "expose",
    "exited",
    "health",
    "id",
    "is-task",
    "isolation",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
];

/// Docker's states, those that no container here is ever in included.
const STATES: [&str; 7] =
    ["created", "running", "paused", "restarting", "removing", "exited", "dead"];

const HEALTHS: [&str; 4] = ["none", "starting", "healthy", "unhealthy"];

type Answer = Result<Response, ApiError>;

pub(super) fn routes() -> Router<Engine> {
    Router::new()
        .route("/containers/json", get(list))
        .route("/containers/{id}", delete(remove))
        .route("/containers/{id}/json", get(inspect))
        .route("/containers/{id}/start", post(start))
        .route("/containers/{id}/stop", post(stop))
        .route("/containers/{id}/restart", post(restart))
        .route("/containers/{id}/kill", post(kill))
        .route("/containers/{id}/wait", post(wait))
        .route("/containers/{id}/resize", post(resize))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ListQuery {
    all: Flag,
    limit: Option<i64>,
    size: Flag,
    filters: Option<String>,
}

async fn list(State(engine): State<Engine>, Query(query): Query<ListQuery>) -> Answer {
    let filters = Filters::parse(query.filters.as_deref(), &FILTERS)?;
    check_values(&filters)?;
    let limit = query.limit.and_then(|limit| usize::try_from(limit).ok()).filter(|n| *n > 0);
    // Asking for states, or for so many of the newest, includes those that do not run.
    let all = query.all.0 || limit.is_some() || filters.values("status").is_some();
    let records: Vec<Record> =
        engine.containers().all().iter().map(|container| container.record()).collect();
    let bounds = Bounds::of(&engine, &filters)?;
    let shown = records
        .iter()
        .filter(|record| (all || record.counts_as_running()) && listed(&filters, &bounds, record))
        .take(limit.unwrap_or(usize::MAX));
    let mut view = container_view::Rows::new(&engine);
    let mut rows = Vec::new();
    for record in shown {
        let mut row = view.row(record);
        if query.size.0 {
            // One that is being removed is just not listed.
            let Ok(size) = engine.container_size(record).await else { continue };
            container_view::add_size(&mut row, size);
        }
        rows.push(row);
    }
    Ok(Json(rows).into_response())
}

/// Refuses values of filters that no container can ever fit.
fn check_values(filters: &Filters) -> Result<(), ApiError> {
    for (key, what, known) in
        [("status", "state", STATES.as_slice()), ("health", "health", HEALTHS.as_slice())]
    {
        let mut values = filters.values(key).unwrap_or_default().iter();
        if let Some(unknown) = values.find(|value| !known.contains(&value.as_str())) {
            return Err(ApiError::invalid(format!(
                "invalid filter '{key}={unknown}': invalid value for {what} ({unknown}): must be \
                 one of {}",
                known.join(", ")
            )));
        }
    }
    let mut codes = filters.values("exited").unwrap_or_default().iter();
    if let Some(unknown) = codes.find(|code| code.parse::<i32>().is_err()) {
        return Err(ApiError::invalid(format!(
            "invalid filter 'exited={unknown}': strconv.Atoi: parsing \"{unknown}\": invalid syntax"
        )));
    }
    let is_boolean = |text: &String| matches!(text.as_str(), "0" | "1" | "false" | "true");
    let tasks = filters.values("is-task").unwrap_or_default();
    if !tasks.iter().all(is_boolean) {
        return Err(ApiError::invalid(format!("invalid filter 'is-task=[{}]'", tasks.join(" "))));
    }
    Ok(())
}

/// The containers that `before` and `since` name, and the images of `ancestor`.
struct Bounds {
    before: Option<Timestamp>,
    since: Option<Timestamp>,
    ancestors: Option<HashSet<String>>,
}

impl Bounds {
    fn of(engine: &Engine, filters: &Filters) -> Result<Self, ApiError> {
        let created = |key: &str| -> Result<Option<Timestamp>, ApiError> {
            let Some(name) = filters.values(key).and_then(<[String]>::first) else {
                return Ok(None);
            };
            Ok(Some(engine.containers().find(name)?.record().created))
        };
        let ancestors = filters.values("ancestor").map(|names| engine.descendants(names));
        let ancestors = ancestors.transpose()?;
        Ok(Self { before: created("before")?, since: created("since")?, ancestors })
    }
}

fn listed(filters: &Filters, bounds: &Bounds, record: &Record) -> bool {
    let labels = record.config.labels.as_ref();
    let exposed = || record.config.exposed_ports.iter().flatten();
    let port = |wanted: &str| wanted.split('/').next().unwrap_or_default().parse::<u16>().ok();
    filters.any("id", |id| record.id.starts_with(id))
        && filters.any("name", |name| name_fits(&record.name, name))
        && filters.any("status", |status| status == record.state.status.as_str())
        && filters.any("exited", |code| {
            record.state.finished_at.is_some() && code == record.state.exit_code.to_string()
        })
        && filters.any("network", |network| {
            record.networks.iter().any(|membership| {
                membership.network == network
                    || membership.network_id.as_deref().is_some_and(|id| id.starts_with(network))
            })
        })
        && filters.any("publish", |wanted| {
            record.ports.iter().any(|published| Some(published.host_port) == port(wanted))
        })
        && filters.any("expose", |wanted| exposed().any(|exposed| port(exposed) == port(wanted)))
        && filters.any("health", |wanted| {
            let health = record.state.health.as_ref().map(|health| health.status.as_str());
            wanted == health.unwrap_or("none")
        })
        && filters.any("volume", |wanted| record.mount_points().iter().any(|p| p.is(wanted)))
        && filters.any("is-task", |wanted| matches!(wanted, "0" | "false"))
        && filters.any("isolation", |wanted| wanted == "default")
        && filters.labels(|key| labels.and_then(|labels| labels.get(key)).map(String::as_str))
        && bounds.before.is_none_or(|before| record.created < before)
        && bounds.since.is_none_or(|since| record.created > since)
        && bounds.ancestors.as_ref().is_none_or(|ids| ids.contains(&record.image_id))
}

/// Docker takes a name as an unanchored regular expression; anchors and plain text are
/// what people write.
pub(super) fn name_fits(name: &str, wanted: &str) -> bool {
    let wanted = wanted.strip_prefix('/').unwrap_or(wanted);
    let (start, wanted) = match wanted.strip_prefix('^') {
        // `^/?` is how programs find a name whether it has its slash or not.
        Some(rest) => {
            (true, rest.strip_prefix("/?").or_else(|| rest.strip_prefix('/')).unwrap_or(rest))
        }
        None => (false, wanted),
    };
    let (end, wanted) = match wanted.strip_suffix('$') {
        Some(rest) => (true, rest),
        None => (false, wanted),
    };
    match (start, end) {
        (true, true) => name == wanted,
        (true, false) => name.starts_with(wanted),
        (false, true) => name.ends_with(wanted),
        (false, false) => name.contains(wanted),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct InspectQuery {
    size: Flag,
}

async fn inspect(
    State(engine): State<Engine>,
    Extension(version): Extension<ApiVersion>,
    Path(id): Path<String>,
    Query(query): Query<InspectQuery>,
) -> Answer {
    let record = engine.containers().find(&id)?.record();
    let mut shown = container_view::inspect(&engine, &record, version);
    if query.size.0 {
        let size = engine.container_size(&record).await?;
        shown["SizeRw"] = size.written.into();
        shown["SizeRootFs"] = size.whole.into();
    }
    Ok(Json(shown).into_response())
}

async fn start(State(engine): State<Engine>, Path(id): Path<String>) -> Answer {
    let container = engine.containers().find(&id)?;
    Ok(match engine.start_container(&container).await? {
        Started::Now => StatusCode::NO_CONTENT.into_response(),
        Started::WasRunning => StatusCode::NOT_MODIFIED.into_response(),
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StopQuery {
    t: Option<i64>,
    signal: Option<String>,
}

async fn stop(
    State(engine): State<Engine>,
    Path(id): Path<String>,
    Query(query): Query<StopQuery>,
) -> Answer {
    let container = engine.containers().find(&id)?;
    let signal = query.signal.as_deref();
    Ok(match engine.stop_container(&container, signal, query.t, Asker::User).await? {
        Stopped::Now => StatusCode::NO_CONTENT.into_response(),
        Stopped::WasStopped => StatusCode::NOT_MODIFIED.into_response(),
    })
}

async fn restart(
    State(engine): State<Engine>,
    Path(id): Path<String>,
    Query(query): Query<StopQuery>,
) -> Answer {
    let container = engine.containers().find(&id)?;
    engine.restart_container(&container, query.signal.as_deref(), query.t).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn kill(
    State(engine): State<Engine>,
    Path(id): Path<String>,
    Query(query): Query<StopQuery>,
) -> Answer {
    let killed = match engine.containers().find(&id) {
        Ok(container) => engine.kill_container(&container, query.signal.as_deref()).await,
        Err(error) => Err(error),
    };
    killed.map_err(|error| {
        let message = format!("cannot kill container: {id}: {}", chain(&error));
        ApiError::new(error.kind(), message)
    })?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RemoveQuery {
    force: Flag,
    link: Flag,
    v: Flag,
}

async fn remove(
    State(engine): State<Engine>,
    Path(id): Path<String>,
    Query(query): Query<RemoveQuery>,
) -> Answer {
    if query.link.0 {
        return Err(ApiError::unsupported("links are not supported by this engine yet"));
    }
    let container = engine.containers().find(&id)?;
    engine.remove_container(&container, query.force.0, query.v.0).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WaitQuery {
    condition: String,
}

/// The headers go out at once, so that a client knows it is waiting before it starts
/// the container.
async fn wait(
    State(engine): State<Engine>,
    Extension(version): Extension<ApiVersion>,
    Path(id): Path<String>,
    Query(query): Query<WaitQuery>,
) -> Answer {
    /// From this version on a client says what it waits for.
    const HAS_CONDITION: ApiVersion = ApiVersion::new(1, 30);
    let container = engine.containers().find(&id)?;
    let condition = if version < HAS_CONDITION { "" } else { query.condition.as_str() };
    let condition: Condition =
        condition.parse().map_err(|WaitError(message)| ApiError::invalid(message))?;
    let exit_code = container.wait(condition);
    let answer = async move {
        let answer = json!({ "StatusCode": exit_code.await });
        Ok::<_, std::convert::Infallible>(format!("{answer}\n"))
    };
    let body = Body::from_stream(futures::stream::once(answer));
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ResizeQuery {
    pub(super) h: u16,
    pub(super) w: u16,
}

async fn resize(
    State(engine): State<Engine>,
    Path(id): Path<String>,
    Query(query): Query<ResizeQuery>,
) -> Answer {
    let container = engine.containers().find(&id)?;
    if !container.settled().await.running() {
        return Err(EngineError::NotRunning(container.id.clone()).into());
    }
    if query.h > 0 && query.w > 0 {
        container.shim.resize(query.h, query.w).await?;
        let size = [("height", query.h.to_string()), ("width", query.w.to_string())];
        engine.container_event(&container, "resize", size);
    }
    Ok(StatusCode::OK.into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_matched_as_people_write_them() {
        assert!(name_fits("my_web_1", "web"));
        assert!(name_fits("web", "^/web$"));
        assert!(!name_fits("web2", "^web$"));
        assert!(name_fits("web2", "/web"));
    }
}
