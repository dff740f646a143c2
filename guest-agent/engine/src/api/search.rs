//! `GET /images/search`, and `GET /naru/search`, which tells marks, too.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hyper::HeaderMap;
use naru_error::chain;
use naru_image_store::{FoundRepository, Mark};
use naru_protocol::search;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::credentials::credentials;
use super::error::ApiError;
use super::query::{Filters, Query};
use crate::engine::Engine;
use crate::error::EngineError;

const FILTERS: [&str; 3] = ["is-automated", "is-official", "stars"];
const DEFAULT_LIMIT: usize = 25;
const MAX_LIMIT: usize = 100;
/// What is found is shown without marks after that.
const MARKS_DEADLINE: Duration = Duration::from_secs(5);

type Answer = Result<Response, ApiError>;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SearchQuery {
    term: String,
    limit: Option<usize>,
    filters: Option<String>,
}

impl SearchQuery {
    /// How many are to be found, of a term that can be looked for.
    fn checked_limit(&self) -> Result<usize, ApiError> {
        if self.term.contains("://") {
            return Err(ApiError::invalid(format!(
                "invalid repository name: repository name ({}) should not have a scheme",
                self.term
            )));
        }
        match self.limit {
            None | Some(0) => Ok(DEFAULT_LIMIT),
            Some(limit @ 1..=MAX_LIMIT) => Ok(limit),
            Some(limit) => {
                let range = format!("limit {limit} is outside the range of [1, {MAX_LIMIT}]");
                Err(ApiError::invalid(range))
            }
        }
    }
}

pub(super) async fn search(
    State(engine): State<Engine>,
    Query(query): Query<SearchQuery>,
    headers: HeaderMap,
) -> Answer {
    let wanted = Wanted::of(&Filters::parse(query.filters.as_deref(), &FILTERS)?)?;
    let (limit, credentials) = (query.checked_limit()?, credentials(&headers));
    let found = engine
        .images()
        .search(&query.term, limit, credentials.as_ref())
        .await
        .map_err(EngineError::from)?;
    let rows: Vec<Value> = found
        .into_iter()
        .filter(|repository| wanted.takes(repository))
        .map(|repository| {
            json!({
                "star_count": repository.star_count, "is_official": repository.is_official,
                "name": repository.name, "is_automated": false,
                "description": repository.description.unwrap_or_default(),
            })
        })
        .collect();
    Ok(Json(rows).into_response())
}

pub(super) async fn with_marks(
    State(engine): State<Engine>,
    Query(query): Query<SearchQuery>,
    headers: HeaderMap,
) -> Answer {
    let wanted = Wanted::of(&Filters::parse(query.filters.as_deref(), &FILTERS)?)?;
    let (limit, credentials) = (query.checked_limit()?, credentials(&headers));
    let images = engine.images();
    let marks = timeout(MARKS_DEADLINE, images.marks(&query.term, limit));
    let (found, marks) =
        tokio::join!(images.search(&query.term, limit, credentials.as_ref()), marks);
    let found = found.map_err(EngineError::from)?;
    // What was found is shown without them, too.
    let marks = match marks {
        Ok(Ok(marks)) => marks,
        Ok(Err(error)) => {
            tracing::warn!(error = chain(&error), "Docker Hub's marks are not known");
            BTreeMap::new()
        }
        Err(_late) => BTreeMap::new(),
    };
    let rows = found.into_iter().filter(|repository| wanted.takes(repository));
    let rows = rows.map(|repository| marked(repository, &marks));
    Ok(Json(rows.collect::<Vec<_>>()).into_response())
}

fn marked(repository: FoundRepository, marks: &BTreeMap<String, Mark>) -> search::FoundRepository {
    let mark = match marks.get(&repository.name) {
        None if repository.is_official => Some(search::Mark::Official),
        None => None,
        Some(Mark::Official) => Some(search::Mark::Official),
        Some(Mark::VerifiedPublisher) => Some(search::Mark::VerifiedPublisher),
        Some(Mark::OpenSource) => Some(search::Mark::OpenSource),
    };
    search::FoundRepository {
        name: repository.name,
        description: repository.description.unwrap_or_default(),
        stars: repository.star_count,
        mark,
    }
}

/// What the filters of a search leave.
struct Wanted {
    automated: Option<bool>,
    official: Option<bool>,
    stars: i64,
}

impl Wanted {
    fn of(filters: &Filters) -> Result<Self, ApiError> {
        let invalid = |key: &str, values: &[String]| {
            ApiError::invalid(format!("invalid filter '{key}={}'", values.join(",")))
        };
        let flag = |key: &str| match filters.values(key) {
            None => Ok(None),
            Some([value]) if matches!(value.as_str(), "1" | "true") => Ok(Some(true)),
            Some([value]) if matches!(value.as_str(), "0" | "false") => Ok(Some(false)),
            Some(values) => Err(invalid(key, values)),
        };
        let mut stars = 0;
        for value in filters.values("stars").unwrap_or_default() {
            let least = value.parse().map_err(|_| invalid("stars", std::slice::from_ref(value)))?;
            stars = stars.max(least);
        }
        Ok(Self { automated: flag("is-automated")?, official: flag("is-official")?, stars })
    }

    /// Nothing is built automatically by Docker Hub any more, as Docker has it.
    fn takes(&self, repository: &FoundRepository) -> bool {
        self.automated != Some(true)
            && self.official.is_none_or(|official| official == repository.is_official)
            && repository.star_count >= self.stars
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_filtered_by_stars_and_marks() {
        let repository = |star_count, is_official| FoundRepository {
            name: "a".to_owned(),
            description: None,
            star_count,
            is_official,
        };
        let wanted = |text| Wanted::of(&Filters::parse(Some(text), &FILTERS).unwrap());
        let official = wanted(r#"{"is-official":["true"],"stars":["3"]}"#).unwrap();
        assert!(official.takes(&repository(3, true)));
        assert!(!official.takes(&repository(2, true)) && !official.takes(&repository(9, false)));
        assert!(!wanted(r#"{"is-automated":["true"]}"#).unwrap().takes(&repository(9, true)));
        let Err(error) = wanted(r#"{"stars":["many"]}"#) else { panic!("it is no number") };
        assert_eq!(error.message(), "invalid filter 'stars=many'");
        assert!(wanted(r#"{"is-official":["maybe"]}"#).is_err());
    }
}
