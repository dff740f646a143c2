//! What is asked of registries besides images: `/auth`, `/distribution`, `/images/search`.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper::HeaderMap;
use naru_error::chain;
use naru_image_store::{DistributedImage, FoundRepository, ImageReference};
use serde::Deserialize;
use serde_json::{Value, json};

use super::credentials::{AuthConfig, credentials};
use super::error::ApiError;
use super::json_body;
use super::query::{Filters, Query};
use crate::engine::Engine;
use crate::error::EngineError;

const FILTERS: [&str; 3] = ["is-automated", "is-official", "stars"];
const DEFAULT_LIMIT: usize = 25;
const MAX_LIMIT: usize = 100;

type Answer = Result<Response, ApiError>;

pub(super) fn routes() -> Router<Engine> {
    Router::new().route("/auth", post(login)).route("/distribution/{*rest}", get(distribution))
}

async fn login(State(engine): State<Engine>, body: Body) -> Answer {
    let auth: AuthConfig = json_body(body).await?;
    let address = auth.serveraddress.clone();
    let credentials = auth.into_credentials();
    let identity =
        engine.images().login(&address, &credentials).await.map_err(EngineError::from)?;
    let answer = json!({ "IdentityToken": identity, "Status": "Login Succeeded" });
    Ok(Json(answer).into_response())
}

async fn distribution(
    State(engine): State<Engine>,
    Path(rest): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let Some(name) = rest.strip_suffix("/json") else { return Err(ApiError::page_not_found()) };
    let reference: ImageReference =
        name.parse().map_err(|error| ApiError::invalid(chain(&error)))?;
    let credentials = credentials(&headers);
    let found = engine
        .images()
        .distributed(&reference, credentials.as_ref(), false)
        .await
        .map_err(EngineError::from)?;
    let platforms: Vec<Value> = found.images.iter().map(platform).collect();
    Ok(Json(json!({
        "Descriptor": {
            "mediaType": found.media_type, "digest": found.digest.to_string(), "size": found.size,
        },
        "Platforms": platforms,
    }))
    .into_response())
}

fn platform(image: &DistributedImage) -> Value {
    let platform = &image.platform;
    let mut value = json!({ "architecture": platform.architecture, "os": platform.os });
    if let Some(variant) = &platform.variant {
        value["variant"] = json!(variant);
    }
    value
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SearchQuery {
    term: String,
    limit: Option<usize>,
    filters: Option<String>,
}

pub(super) async fn search(
    State(engine): State<Engine>,
    Query(query): Query<SearchQuery>,
    headers: HeaderMap,
) -> Answer {
    if query.term.contains("://") {
        return Err(ApiError::invalid(format!(
            "invalid repository name: repository name ({}) should not have a scheme",
            query.term
        )));
    }
    let wanted = Wanted::of(&Filters::parse(query.filters.as_deref(), &FILTERS)?)?;
    let limit = match query.limit {
        None | Some(0) => DEFAULT_LIMIT,
        Some(limit @ 1..=MAX_LIMIT) => limit,
        Some(limit) => {
            let range = format!("limit {limit} is outside the range of [1, {MAX_LIMIT}]");
            return Err(ApiError::invalid(range));
        }
    };
    let credentials = credentials(&headers);
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
