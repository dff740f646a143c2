//! `POST /containers/prune`.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use naru_dockerfile::duration;
use serde::Deserialize;
use serde_json::json;

use super::error::ApiError;
use super::events::parse_time;
use super::query::{Filters, Query};
use crate::container::{Pruned, Record};
use crate::engine::Engine;

const FILTERS: [&str; 3] = ["label", "label!", "until"];

pub(super) fn routes() -> Router<Engine> {
    Router::new().route("/containers/prune", post(prune))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PruneQuery {
    filters: Option<String>,
}

async fn prune(
    State(engine): State<Engine>,
    Query(query): Query<PruneQuery>,
) -> Result<Response, ApiError> {
    let filters = Filters::parse(query.filters.as_deref(), &FILTERS)?;
    let until = until(&filters, Timestamp::now())?;
    let wanted = |record: &Record| {
        let labels = record.config.labels.as_ref();
        until.is_none_or(|until| record.created <= until)
            && filters.labels_or_not(|key| labels?.get(key).map(String::as_str))
    };
    let Pruned { ids, reclaimed } = engine.prune_containers(wanted).await?;
    Ok(Json(json!({ "ContainersDeleted": ids, "SpaceReclaimed": reclaimed })).into_response())
}

/// Up to when what is pruned was made.
pub(super) fn until(filters: &Filters, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    match filters.values("until") {
        None | Some([]) => Ok(None),
        Some([until]) => parse_until(until, now).map(Some),
        Some(_) => Err(ApiError::invalid("more than one until filter specified")),
    }
}

/// A time, or how long before `now` it was: `24h`, `1h30m`. One without a zone is UTC.
fn parse_until(text: &str, now: Timestamp) -> Result<Timestamp, ApiError> {
    let ago = duration(text).ok().map(SignedDuration::from_nanos);
    let ago = ago.and_then(|ago| now.checked_sub(ago).ok());
    // Digits alone are seconds, and no date.
    let civil = || text.contains('-').then(|| text.parse::<DateTime>().ok()).flatten();
    let without_zone = || civil()?.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp());
    // A civil time would leave out the zone that is there.
    let zoned = || text.parse().ok();
    match ago.or_else(zoned).or_else(without_zone) {
        Some(time) => Ok(time),
        None => {
            parse_time(text)?.ok_or_else(|| ApiError::invalid(format!("invalid timestamp: {text}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn until_is_a_time_or_how_long_ago_it_was() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        for (text, second) in [
            ("10m", 1_000_000 - 600),
            ("1h30m", 1_000_000 - 5400),
            ("1.5s", 1_000_000 - 2),
            ("500000", 500_000),
            ("1970-01-01T00:00:09Z", 9),
            ("1970-01-01T01:00:09+01:00", 9),
            ("1970-01-01T00:00:09", 9),
            ("1970-01-01T00:01", 60),
            ("1970-01-02", 86400),
            ("19700102", 19_700_102),
        ] {
            let until = parse_until(text, now).unwrap();
            assert_eq!(until.as_nanosecond().div_euclid(1_000_000_000), second, "{text}");
        }
        for text in ["", "soon", "10x", "m", "h1"] {
            parse_until(text, now).unwrap_err();
        }
    }
}
