//! `GET /events`.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use futures::StreamExt as _;
use hyper::header::CONTENT_TYPE;
use jiff::Timestamp;
use naru_protocol::version::ApiVersion;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::error::ApiError;
use super::query::{Filters, Query};
use crate::engine::Engine;
use crate::events::Event;

/// From this version on the legacy fields `status`, `id` and `from` are gone.
const WITHOUT_LEGACY: ApiVersion = ApiVersion::new(1, 52);

/// Actions that carry data after a colon. A filter that names one of them without it is one of
/// beginnings.
const WITH_DATA: [&str; 3] = ["health_status", "exec_create", "exec_start"];

const FILTERS: [&str; 14] = [
    "type",
    "event",
    "container",
    "image",
    "label",
    "network",
    "volume",
    "daemon",
    "scope",
    "plugin",
    // Of a swarm: no event here has anything to do with them.
    "node",
    "service",
    "secret",
    "config",
];

/// Kinds by whose name or id, or the beginning of it, a filter finds events.
const NAMED: [&str; 9] =
    ["container", "network", "volume", "daemon", "plugin", "node", "service", "secret", "config"];

pub(super) fn routes() -> Router<Engine> {
    Router::new().route("/events", get(events))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EventsQuery {
    since: Option<String>,
    until: Option<String>,
    filters: Option<String>,
}

async fn events(
    State(engine): State<Engine>,
    Extension(version): Extension<ApiVersion>,
    Query(query): Query<EventsQuery>,
) -> Result<Response, ApiError> {
    let filters = Filters::parse(query.filters.as_deref(), &FILTERS)?;
    let since = match query.since.as_deref() {
        // Here it is a time, and all events are after it.
        Some("0") => Some(Timestamp::UNIX_EPOCH),
        since => since.map(parse_time).transpose()?.flatten(),
    };
    let until = query.until.as_deref().map(parse_time).transpose()?.flatten();
    if let (Some(after), Some(before)) = (since, until)
        && before < after
    {
        return Err(ApiError::invalid(format!(
            "`since` time ({}) cannot be after `until` time ({})",
            query.since.unwrap_or_default(),
            query.until.unwrap_or_default()
        )));
    }
    // Who says up to when, and not from when, wants all that is remembered.
    let since = since.or_else(|| until.map(|_| Timestamp::UNIX_EPOCH));
    let (past, mut future) = engine.events().subscribe();
    let past: Vec<Event> = match since {
        Some(since) => past.into_iter().filter(|event| event.time >= since).collect(),
        None => Vec::new(),
    };
    let past = past.into_iter().filter(move |event| until.is_none_or(|until| event.time <= until));
    let deadline = until.map(|until| {
        let left = until.duration_since(Timestamp::now());
        Instant::now() + left.try_into().unwrap_or_default()
    });
    let shutdown = engine.shutdown().clone();
    let live = async_stream(
        async move |sender| {
            let ended = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::pin!(ended);
            loop {
                let event = tokio::select! {
                    event = future.recv() => event,
                    () = &mut ended => return,
                    () = shutdown.cancelled() => return,
                    () = sender.closed() => return,
                };
                match event {
                    Ok(event) => {
                        if sender.send(event).await.is_err() {
                            return;
                        }
                    }
                    Err(RecvError::Lagged(missed)) => {
                        tracing::warn!(missed, "a listener is too slow for the events");
                    }
                    Err(RecvError::Closed) => return,
                }
            }
        },
        &engine,
    );
    let stream = futures::stream::iter(past)
        .chain(live)
        .filter(move |event| std::future::ready(matches(&filters, event)))
        .map(move |event| Ok::<_, Infallible>(line(&event, version)));
    Ok(([(CONTENT_TYPE, "application/json")], Body::from_stream(stream)).into_response())
}

/// A stream of what `produce` sends, made in a task that ends with it.
fn async_stream<F, Fut>(
    produce: F,
    engine: &Engine,
) -> impl futures::Stream<Item = Event> + use<F, Fut>
where
    F: FnOnce(mpsc::Sender<Event>) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(16);
    engine.tasks().spawn(produce(sender));
    futures::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|event| (event, receiver))
    })
}

/// Seconds, `seconds.nanos` or RFC 3339; empty and 0 mean not given.
pub(super) fn parse_time(text: &str) -> Result<Option<Timestamp>, ApiError> {
    if text.is_empty() || text == "0" {
        return Ok(None);
    }
    let invalid = || ApiError::invalid(format!("invalid timestamp: {text}"));
    if let Ok(time) = text.parse() {
        return Ok(Some(time));
    }
    let (seconds, nanos) = text.split_once('.').unwrap_or((text, "0"));
    let digits: String = nanos.chars().chain("000000000".chars()).take(9).collect();
    let seconds = seconds.parse().map_err(|_| invalid())?;
    let nanos = digits.parse().map_err(|_| invalid())?;
    Timestamp::new(seconds, nanos).map(Some).map_err(|_| invalid())
}

/// As Docker: an event is looked at whatever its kind, so that `container=web` also finds what
/// else has this name.
fn matches(filters: &Filters, event: &Event) -> bool {
    let attribute = |key: &str| event.attributes.get(key).map(String::as_str);
    let name = attribute("name").unwrap_or_default();
    let asks_for_beginnings =
        filters.values("event").unwrap_or_default().iter().any(|v| WITH_DATA.contains(&v.as_str()));
    filters.any("type", |kind| kind == event.kind)
        && filters.any("event", |action| {
            action == event.action || (asks_for_beginnings && event.action.starts_with(action))
        })
        && NAMED.iter().all(|kind| {
            filters.any(kind, |wanted| event.id.starts_with(wanted) || name.starts_with(wanted))
        })
        && filters.any("image", |wanted| {
            let image =
                if event.kind == "image" { name } else { attribute("image").unwrap_or_default() };
            [&event.id, image].iter().any(|image| *image == wanted || without_tag(image) == wanted)
        })
        && filters.any("scope", |scope| scope == "local")
        && filters.labels(attribute)
}

/// `registry:5000/web` of `registry:5000/web:1@sha256:…`.
fn without_tag(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or_default();
    match image.rsplit_once(':') {
        Some((bare, tag)) if !tag.contains('/') => bare,
        _ => image,
    }
}

fn line(event: &Event, version: ApiVersion) -> Bytes {
    let mut message = json!({
        "Type": event.kind,
        "Action": event.action,
        "Actor": { "ID": event.id, "Attributes": event.attributes },
        "scope": "local",
        "time": event.time.as_second(),
        "timeNano": i64::try_from(event.time.as_nanosecond()).unwrap_or(i64::MAX),
    });
    // They were there before events had kinds.
    if version < WITHOUT_LEGACY && matches!(event.kind, "container" | "image") {
        message["status"] = event.action.clone().into();
        message["id"] = event.id.clone().into();
        if let Some(image) = event.attributes.get("image") {
            message["from"] = image.clone().into();
        }
    }
    Bytes::from(format!("{message}\n"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn event() -> Event {
        let attributes = BTreeMap::from([("image", "busybox:1"), ("name", "web"), ("app", "x")]);
        Event {
            kind: "container",
            action: "exec_start: sh -c x".to_owned(),
            id: "abc".to_owned(),
            attributes: attributes.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
            time: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn filters_are_anded_and_their_values_ored() {
        for (filters, expected) in [
            (r#"{"type":["container","image"],"container":["web"]}"#, true),
            (r#"{"event":["exec_start"]}"#, true),
            (r#"{"event":["exec"]}"#, false),
            (r#"{"event":["health_status","exec_start: sh"]}"#, true),
            (r#"{"event":["die","exec_start: sh -c x"]}"#, true),
            (r#"{"image":["busybox"]}"#, true),
            (r#"{"image":["busybox:1"]}"#, true),
            (r#"{"image":["busy"]}"#, false),
            (r#"{"container":["ab"]}"#, true),
            (r#"{"container":["we"]}"#, true),
            (r#"{"container":["eb"]}"#, false),
            (r#"{"network":["web"]}"#, true),
            (r#"{"volume":["data"]}"#, false),
            (r#"{"scope":["local"],"daemon":["abc"],"plugin":["abc"]}"#, true),
            (r#"{"scope":["swarm"]}"#, false),
            (r#"{"label":["app=x"],"type":["image"]}"#, false),
            (r#"{"label":["app=x","name"]}"#, true),
            (r#"{"label":["app=x","nosuch"]}"#, false),
        ] {
            let filters = Filters::parse(Some(filters), &FILTERS).unwrap();
            assert_eq!(matches(&filters, &event()), expected, "{filters:?}");
        }
    }

    #[test]
    fn a_tag_is_taken_off_and_a_port_is_not() {
        for (image, expected) in [
            ("busybox", "busybox"),
            ("busybox:1", "busybox"),
            ("host:5000/web", "host:5000/web"),
            ("host:5000/web:1@sha256:abc", "host:5000/web"),
        ] {
            assert_eq!(without_tag(image), expected);
        }
    }

    #[test]
    fn older_clients_find_the_old_fields_of_containers_and_images() {
        let shown = |kind: &'static str, version| -> serde_json::Value {
            serde_json::from_slice(&line(&Event { kind, ..event() }, version)).unwrap()
        };
        let container = shown("container", ApiVersion::new(1, 51));
        assert_eq!(container["status"], "exec_start: sh -c x");
        assert_eq!((&container["id"], &container["from"]), (&json!("abc"), &json!("busybox:1")));
        assert_eq!(shown("network", ApiVersion::new(1, 51)).get("status"), None);
        assert_eq!(shown("container", WITHOUT_LEGACY).get("id"), None);
    }

    #[test]
    fn times_come_in_three_forms() {
        assert_eq!(parse_time("1.5").unwrap().unwrap().as_millisecond(), 1500);
        assert_eq!(parse_time("7").unwrap().unwrap().as_second(), 7);
        assert_eq!(parse_time("1970-01-01T00:00:01Z").unwrap().unwrap().as_second(), 1);
        parse_time("soon").unwrap_err();
    }
}
