//! What repositories there are: Docker Hub's search, and any registry's own list.

use std::collections::BTreeMap;

use reqwest::{Method, Response};
use serde::Deserialize;

use super::error::RegistryError;
use super::session::{Ask, Session, body};
use super::tags::next_query;

/// A page of a thousand long names has less than a tenth of it.
const MAX_PAGE: u64 = 4 << 20;
const PAGE: usize = 1000;
/// Pages that are looked through for a word.
const MAX_PAGES: usize = 50;

/// A repository that a search has found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct FoundRepository {
    /// Its name, as it can be pulled.
    #[serde(default)]
    pub name: String,
    /// What its owner says of it.
    #[serde(default)]
    pub description: Option<String>,
    /// How many like it.
    #[serde(default)]
    pub star_count: i64,
    /// Whether Docker itself vouches for it.
    #[serde(default)]
    pub is_official: bool,
}

/// What Docker Hub vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The repository is Docker's own.
    Official,
    /// It is known who publishes there.
    VerifiedPublisher,
    /// It is an open-source project that Docker sponsors.
    OpenSource,
}

impl Mark {
    /// As Docker Hub writes it.
    fn of_badge(badge: &str) -> Option<Self> {
        match badge {
            "official" => Some(Self::Official),
            "verified_publisher" => Some(Self::VerifiedPublisher),
            "open_source" => Some(Self::OpenSource),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct BadgeAnswer {
    #[serde(default)]
    results: Vec<Badged>,
}

#[derive(Deserialize)]
struct Badged {
    #[serde(default)]
    name: String,
    badge: Option<String>,
}

#[derive(Deserialize)]
struct SearchAnswer {
    #[serde(default)]
    results: Vec<FoundRepository>,
}

#[derive(Deserialize)]
struct CataloguePage {
    /// Some registries say `null` when there are none.
    repositories: Option<Vec<String>>,
}

impl Session {
    /// Asks an index as Docker Hub has it.
    pub(crate) async fn search_index(
        &self,
        term: &str,
        limit: usize,
    ) -> Result<Vec<FoundRepository>, RegistryError> {
        let mut url = self.base().clone();
        url.set_path("/v1/search");
        url.query_pairs_mut().append_pair("q", term).append_pair("n", &limit.to_string());
        let response = self.ask(&Ask::new(Method::GET, url)).await?;
        let answer: SearchAnswer = self.json(response, "the answer to a search").await?;
        Ok(answer.results)
    }

    /// The marks of what Docker Hub's own pages find for `term`, by the names that `docker search`
    /// has. Docker publishes this much of that API by its own client, `docker/hub-mcp`.
    pub(crate) async fn marks(
        &self,
        term: &str,
        limit: usize,
    ) -> Result<BTreeMap<String, Mark>, RegistryError> {
        let mut url = self.base().clone();
        url.set_path("/api/search/v4");
        url.query_pairs_mut()
            .append_pair("query", term)
            .append_pair("type", "image")
            .append_pair("from", "0")
            .append_pair("size", &limit.to_string());
        let response = self.ask(&Ask::new(Method::GET, url)).await?;
        let answer: BadgeAnswer = self.json(response, "the answer to a search").await?;
        let marked = answer.results.into_iter().filter_map(|found| {
            let mark = Mark::of_badge(found.badge.as_deref()?)?;
            // What is Docker's own has no owner's name, as people write it.
            Some((found.name.strip_prefix("library/").unwrap_or(&found.name).to_owned(), mark))
        });
        Ok(marked.collect())
    }

    /// The registry's own repositories with `term` in their names, at most `limit`.
    pub(crate) async fn catalogue(
        &self,
        term: &str,
        limit: usize,
    ) -> Result<Vec<String>, RegistryError> {
        let mut found = Vec::new();
        let mut query = format!("n={PAGE}");
        for _ in 0..MAX_PAGES {
            let mut url = self.url("_catalog")?;
            url.set_query(Some(&query));
            let response = self.ask(&Ask::new(Method::GET, url)).await?;
            let next = next_query(&response);
            let page: CataloguePage = self.json(response, "its list of repositories").await?;
            let names = page.repositories.unwrap_or_default().into_iter();
            found.extend(names.filter(|name| name.contains(term)));
            match next {
                Some(next) if found.len() < limit => query = next,
                _ => break,
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    async fn json<T: for<'de> Deserialize<'de>>(
        &self,
        response: Response,
        what: &str,
    ) -> Result<T, RegistryError> {
        let content = body(response, MAX_PAGE)
            .await
            .map_err(|error| self.unreachable(error))?
            .ok_or_else(|| self.protocol(&format!("{what} is too long")))?;
        serde_json::from_slice(&content).map_err(|_| self.protocol(&format!("{what} is no JSON")))
    }
}
