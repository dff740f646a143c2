//! `/networks/…`.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bollard_stubs::models::{EndpointSettings, NetworkCreateRequest};
use hyper::StatusCode;
use jiff::Timestamp;
use naru_error::ErrorKind;
use naru_protocol::version::ApiVersion;
use serde::Deserialize;
use serde_json::{Value, json};

use super::containers::name_fits;
use super::error::ApiError;
use super::network_view;
use super::prune::until;
use super::query::{Filters, Flag, Query};
use super::{read_json, whole_body};
use crate::engine::Engine;
use crate::network::{Network, NetworkRecord, is_predefined};

/// From this version on a network can do without IPv4, and one is preferred as the way out.
pub(super) const HAS_ENABLE_IPV4: ApiVersion = ApiVersion::new(1, 48);

const FILTERS: [&str; 7] = ["dangling", "driver", "id", "label", "name", "scope", "type"];
const PRUNE_FILTERS: [&str; 3] = ["label", "label!", "until"];

type Answer = Result<Response, ApiError>;

pub(super) fn routes() -> Router<Engine> {
    Router::new()
        .route("/networks", get(list))
        .route("/networks/", get(list))
        .route("/networks/create", post(create))
        .route("/networks/prune", post(prune))
        .route("/networks/{id}", get(inspect).delete(remove))
        .route("/networks/{id}/connect", post(connect))
        .route("/networks/{id}/disconnect", post(disconnect))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FiltersQuery {
    filters: Option<String>,
}

async fn list(State(engine): State<Engine>, Query(query): Query<FiltersQuery>) -> Answer {
    let filters = Filters::parse(query.filters.as_deref(), &FILTERS)?;
    check_values(&filters)?;
    let networks = engine.network().all();
    let shown = networks.iter().filter(|network| listed(&filters, network));
    let rows: Vec<Value> = shown.map(|network| network_view::summary(&network.record)).collect();
    Ok(Json(rows).into_response())
}

/// Refuses values of filters that no network can ever fit.
fn check_values(filters: &Filters) -> Result<(), ApiError> {
    for (key, known) in [
        ("dangling", ["0", "1", "false", "true"].as_slice()),
        ("type", ["builtin", "custom"].as_slice()),
    ] {
        let mut values = filters.values(key).unwrap_or_default().iter();
        if let Some(unknown) = values.find(|value| !known.contains(&value.as_str())) {
            return Err(ApiError::invalid(format!("invalid filter '{key}={unknown}'")));
        }
    }
    match filters.values("dangling") {
        Some(values) if values.len() > 1 => {
            Err(ApiError::invalid(format!("invalid filter 'dangling=[{}]'", values.join(" "))))
        }
        _ => Ok(()),
    }
}

fn listed(filters: &Filters, network: &Network) -> bool {
    let record = &network.record;
    let builtin = is_predefined(&record.name);
    filters.any("id", |id| record.id.contains(id))
        && filters.any("name", |name| name_fits(&record.name, name))
        && filters.any("driver", |driver| driver == record.driver.as_str())
        && filters.any("scope", |scope| scope == "local")
        && filters.any("type", |kind| (kind == "builtin") == builtin)
        && filters.any("dangling", |wanted| {
            let dangling = !builtin && network.is_empty();
            matches!(wanted, "1" | "true") == dangling
        })
        && filters.labels(|key| record.labels.get(key).map(String::as_str))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct InspectQuery {
    scope: String,
    /// Adds the services of a swarm, of which there are none.
    #[serde(rename = "verbose")]
    _verbose: Flag,
}

async fn inspect(
    State(engine): State<Engine>,
    Path(id): Path<String>,
    Query(query): Query<InspectQuery>,
) -> Answer {
    let network = engine.network().find(&id)?;
    if !matches!(query.scope.as_str(), "" | "local") {
        return Err(ApiError::new(ErrorKind::NotFound, format!("network {id} not found")));
    }
    Ok(Json(network_view::inspect(&network)).into_response())
}

async fn create(
    State(engine): State<Engine>,
    Extension(version): Extension<ApiVersion>,
    body: Body,
) -> Answer {
    let mut request: NetworkCreateRequest = json(body).await?;
    request.enable_ipv4 = request.enable_ipv4.filter(|_| version >= HAS_ENABLE_IPV4);
    let network = engine.create_network(request).await?;
    let answer = json!({ "Id": network.record.id, "Warning": "" });
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

async fn remove(State(engine): State<Engine>, Path(id): Path<String>) -> Answer {
    let network = engine.network().find(&id)?;
    engine.remove_network(&network).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ConnectRequest {
    container: String,
    endpoint_config: Option<EndpointSettings>,
}

async fn connect(
    State(engine): State<Engine>,
    Extension(version): Extension<ApiVersion>,
    Path(id): Path<String>,
    body: Body,
) -> Answer {
    let request: ConnectRequest = json(body).await?;
    let network = engine.network().find(&id)?;
    let container = engine.containers().find(&request.container)?;
    let mut settings = request.endpoint_config.unwrap_or_default();
    settings.gw_priority = settings.gw_priority.filter(|_| version >= HAS_ENABLE_IPV4);
    engine.connect_network(&container, &network, settings).await?;
    Ok(StatusCode::OK.into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct DisconnectRequest {
    container: String,
    /// For a container that is not known any more: such a one is in no network here.
    #[serde(rename = "Force")]
    _force: bool,
}

async fn disconnect(State(engine): State<Engine>, Path(id): Path<String>, body: Body) -> Answer {
    let request: DisconnectRequest = json(body).await?;
    let network = engine.network().find(&id)?;
    let container = engine.containers().find(&request.container)?;
    engine.disconnect_network(&container, &network).await?;
    Ok(StatusCode::OK.into_response())
}

async fn prune(State(engine): State<Engine>, Query(query): Query<FiltersQuery>) -> Answer {
    let filters = Filters::parse(query.filters.as_deref(), &PRUNE_FILTERS)?;
    let until = until(&filters, Timestamp::now())?;
    let wanted = |record: &NetworkRecord| {
        until.is_none_or(|until| record.created <= until)
            && filters.labels_or_not(|key| record.labels.get(key).map(String::as_str))
    };
    let names = engine.prune_networks(wanted).await?;
    let names = if names.is_empty() { Value::Null } else { json!(names) };
    Ok(Json(json!({ "NetworksDeleted": names })).into_response())
}

/// A JSON body that there must be.
async fn json<T: serde::de::DeserializeOwned>(body: Body) -> Result<T, ApiError> {
    let bytes = whole_body(body).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(ApiError::invalid("invalid JSON: got EOF while reading request body"));
    }
    read_json(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::tests_support::live;

    #[test]
    fn each_filter_finds_what_it_names() {
        let network = live("shop_web", &["10.9.0.0/24"]);
        for (filters, expected) in [
            (r#"{"name":["web"]}"#, true),
            (r#"{"name":["^web$"]}"#, false),
            (r#"{"name":["^shop_web$"],"driver":["bridge"],"scope":["local"]}"#, true),
            (r#"{"driver":["macvlan"]}"#, false),
            (r#"{"type":["custom"]}"#, true),
            (r#"{"type":["builtin"]}"#, false),
            (r#"{"dangling":["true"]}"#, true),
            (r#"{"dangling":["0"]}"#, false),
            (r#"{"id":["fedcba"]}"#, true),
            (r#"{"label":["none"]}"#, false),
        ] {
            let filters = Filters::parse(Some(filters), &FILTERS).unwrap();
            check_values(&filters).unwrap();
            assert_eq!(listed(&filters, &network), expected, "{filters:?}");
        }
        for filters in [r#"{"dangling":["odd"]}"#, r#"{"type":["odd"]}"#] {
            let filters = Filters::parse(Some(filters), &FILTERS).unwrap();
            let error = check_values(&filters).unwrap_err();
            assert!(error.message().starts_with("invalid filter '"), "{}", error.message());
        }
    }
}
