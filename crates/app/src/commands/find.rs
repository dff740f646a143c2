//! `registry.*`.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, header::HeaderValue};
use naru_ipc::{
    FoundRepository, IpcError, Mark, RegistryAccount, RegistryLogin, RegistryLogout,
    RegistrySearch, Repository, RepositoryImage, RepositoryQuery, RepositoryTag,
};
use naru_protocol::repository;
use serde::Deserialize;
use serde_json::json;

use super::check_image;
use crate::credentials::{self, Credentials};
use crate::{App, AppError, http};

/// How many are found at the most, and how many tags are shown at a time.
const SEARCH_LIMIT: usize = 50;
const TAG_LIMIT: usize = 20;

/// Where the engine looks for repositories, marks of trust included.
const SEARCH_PATH: &str = "/naru/search";

/// One row of the answer at [`SEARCH_PATH`].
#[derive(Debug, Deserialize)]
struct Found {
    name: String,
    description: String,
    stars: i64,
    mark: Option<Mark>,
}

impl App {
    /// `registry.search`.
    pub async fn registry_search(
        &self,
        request: RegistrySearch,
    ) -> Result<Vec<FoundRepository>, IpcError> {
        Ok(self.search(&request).await.map_err(AppError::at_registry)?)
    }

    async fn search(&self, request: &RegistrySearch) -> Result<Vec<FoundRepository>, AppError> {
        let term = match request.registry.as_str() {
            "" => request.term.clone(),
            registry => format!("{registry}/{}", request.term),
        };
        let path = format!("{SEARCH_PATH}?limit={SEARCH_LIMIT}&term={}", encoded(&term));
        let request = self.with_credentials(Method::GET, &path, &request.registry).await?;
        let found: Vec<Found> = self.inner.ask_json("what the registry found", request).await?;
        let found = found.into_iter().map(|found| FoundRepository {
            name: found.name,
            description: found.description,
            stars: u32::try_from(found.stars).unwrap_or_default(),
            mark: found.mark,
        });
        Ok(found.collect())
    }

    /// `registry.repository`.
    pub async fn registry_repository(
        &self,
        request: RepositoryQuery,
    ) -> Result<Repository, IpcError> {
        Ok(self.repository(&request).await.map_err(AppError::at_registry)?)
    }

    async fn repository(&self, query: &RepositoryQuery) -> Result<Repository, AppError> {
        check_image(&query.name)?;
        let after = match query.after.as_str() {
            "" => String::new(),
            after => format!("&after={}", encoded(after)),
        };
        let name = encoded(&query.name);
        let path = format!("{}?name={name}&limit={TAG_LIMIT}{after}", repository::PATH);
        let registry = credentials::registry_of(&query.name);
        let request = self.with_credentials(Method::GET, &path, registry).await?;
        let found: repository::Repository = self.inner.ask_json("the repository", request).await?;
        Ok(Repository {
            name: found.name,
            official: found.official,
            tags: found.tags.into_iter().map(tag).collect(),
            more: found.more,
        })
    }

    /// `registry.login`: what the registry accepts is kept where `docker login` keeps it.
    pub async fn registry_login(&self, request: RegistryLogin) -> Result<(), IpcError> {
        Ok(self.login(request).await.map_err(AppError::at_registry)?)
    }

    async fn login(&self, login: RegistryLogin) -> Result<(), AppError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            identity_token: Option<String>,
        }
        let RegistryLogin { registry, username, password } = login;
        let body = json!({
            "username": username, "password": password,
            "serveraddress": credentials::server_of(&registry),
        });
        let body = body.to_string().into_bytes();
        let request = http::request(Method::POST, "/v1.51/auth", None, body)?;
        let answer: Answer = self.inner.ask_json("the registry's answer", request).await?;
        let token = answer.identity_token.filter(|token| !token.is_empty());
        let proven = match token {
            Some(token) => Credentials::token(token),
            None => Credentials { username, secret: password },
        };
        let directory = &self.inner.directories.docker_config;
        credentials::keep(directory, &registry, &proven).await
    }

    /// `registry.accounts`: whom docker's file and the programs that it names know.
    pub async fn registry_accounts(&self, (): ()) -> Result<Vec<RegistryAccount>, IpcError> {
        Ok(credentials::accounts(&self.inner.directories.docker_config).await?)
    }

    /// `registry.logout`.
    pub async fn registry_logout(&self, request: RegistryLogout) -> Result<(), IpcError> {
        let directory = &self.inner.directories.docker_config;
        Ok(credentials::forget(directory, &request.registry).await?)
    }

    /// A request with what the person has proven to the registry, if anything.
    pub(super) async fn with_credentials(
        &self,
        method: Method,
        path: &str,
        registry: &str,
    ) -> Result<Request<Full<Bytes>>, AppError> {
        let mut request = http::request(method, path, None, Vec::new())?;
        let directory = &self.inner.directories.docker_config;
        if let Some(credentials) = credentials::find(directory, registry).await {
            let header = HeaderValue::from_str(&credentials.header(registry));
            let mut header = header.map_err(|_| AppError::InvalidName {
                what: "registry",
                name: registry.to_owned(),
            })?;
            header.set_sensitive(true);
            request.headers_mut().insert("x-registry-auth", header);
        }
        Ok(request)
    }
}

fn tag(tag: repository::RepositoryTag) -> RepositoryTag {
    let image = |image: repository::RepositoryImage| RepositoryImage {
        platform: image.platform,
        size: image.size,
    };
    RepositoryTag {
        name: tag.name,
        images: tag.images.into_iter().map(image).collect(),
        error: tag.error.unwrap_or_default(),
    }
}

/// The text as a value in a query.
pub(super) fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_typed_leaves_its_place_in_the_query() {
        assert_eq!(encoded("a b&limit=1#/é"), "a%20b%26limit%3D1%23%2F%C3%A9");
    }
}
