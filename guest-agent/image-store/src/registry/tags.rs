//! A repository's tags (distribution specification, "Listing Tags").

use reqwest::Response;
use reqwest::header::LINK;
use serde::Deserialize;

use super::error::RegistryError;
use super::session::{Session, body};

/// A page of a thousand long tags has less than a tenth of it.
const MAX_PAGE: u64 = 4 << 20;
const PAGE: usize = 1000;
/// No more are listed, of however many a repository has.
const MAX_TAGS: usize = 100_000;

#[derive(Deserialize)]
struct Page {
    /// Some registries say `null` when there are none.
    tags: Option<Vec<String>>,
}

impl Session {
    /// All tags of the repository, in the registry's order.
    pub(crate) async fn tags(&self) -> Result<Vec<String>, RegistryError> {
        let mut tags = Vec::new();
        let mut query = format!("n={PAGE}");
        loop {
            let response = self.get(&format!("tags/list?{query}"), None, 0).await?;
            let next = next_query(&response);
            let content = body(response, MAX_PAGE)
                .await
                .map_err(|error| self.unreachable(error))?
                .ok_or_else(|| self.protocol("a page of its tags is too long"))?;
            let page: Page = serde_json::from_slice(&content)
                .map_err(|_| self.protocol("its list of tags is no JSON"))?;
            tags.extend(page.tags.unwrap_or_default());
            match next {
                // One that leads back to where it came from would never end.
                Some(next) if next != query && tags.len() < MAX_TAGS => query = next,
                _ => return Ok(tags),
            }
        }
    }
}

/// What `Link: </v2/name/tags/list?last=x&n=1000>; rel="next"` asks for. Only the query is
/// taken from it: where the list is, is known.
pub(super) fn next_query(response: &Response) -> Option<String> {
    let link = response.headers().get(LINK)?.to_str().ok()?;
    let (target, relation) = link.trim().strip_prefix('<')?.split_once('>')?;
    let (_, query) = target.split_once('?')?;
    relation.contains("next").then(|| query.to_owned())
}
