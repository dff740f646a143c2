//! Who a build's client is to the servers of git repositories.
//!
//! As with BuildKit the client has it as a secret: `GIT_AUTH_HEADER` is the value of the header
//! `Authorization`, `GIT_AUTH_TOKEN` a token of which one is made. A secret whose name ends by
//! `.` and the server goes first. What is found is said for the repository alone and what is below
//! it; on GitHub, where tokens are for all that an account may see, for all repositories.

use std::fmt::{self, Debug, Formatter};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;

use super::super::error::BuildError;
use super::super::request::BuildSecrets;

const HEADER: &str = "GIT_AUTH_HEADER";
const TOKEN: &str = "GIT_AUTH_TOKEN";
/// To these a secret for one repository is said for each.
const SHARED: [&str; 2] = ["https://github.com", "https://www.github.com"];

/// Values of `Authorization`, and what each is said for. It shows none of them.
#[derive(Clone, Default)]
pub(crate) struct GitAccess(Vec<(String, HeaderValue)>);

impl GitAccess {
    /// Asks the client for what a repository is reached with.
    pub(crate) async fn of(
        remotes: impl IntoIterator<Item = &str>,
        secrets: &dyn BuildSecrets,
    ) -> Result<Self, BuildError> {
        let mut known = Vec::new();
        for remote in remotes {
            let Some(host) = host(remote) else { continue };
            if let Some(value) = authorization(host, secrets).await? {
                let shared = SHARED.iter().find(|shared| is_below(remote, shared));
                let scope = shared.copied().unwrap_or(remote);
                known.push((scope.trim_end_matches('/').to_owned(), value));
            }
        }
        Ok(Self(known))
    }

    /// What is said to the server of a repository.
    pub(super) fn to(&self, remote: &str) -> Option<&HeaderValue> {
        let found = self.0.iter().find(|(scope, _)| is_below(remote, scope));
        found.map(|(_, value)| value)
    }
}

impl Debug for GitAccess {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(|(scope, _)| scope)).finish()
    }
}

/// The secrets by the order in which they go.
async fn authorization(
    host: &str,
    secrets: &dyn BuildSecrets,
) -> Result<Option<HeaderValue>, BuildError> {
    for (name, is_token) in [
        (format!("{HEADER}.{host}"), false),
        (format!("{TOKEN}.{host}"), true),
        (HEADER.to_owned(), false),
        (TOKEN.to_owned(), true),
    ] {
        let Some(secret) = secrets.secret(&name).await? else { continue };
        // A file's last line has an end.
        let secret = secret.trim_ascii();
        let value = if is_token {
            let who = [b"x-access-token:", secret].concat();
            format!("basic {}", STANDARD.encode(who)).into_bytes()
        } else {
            secret.to_vec()
        };
        let invalid = |_| BuildError::Client(format!("the secret {name} is no header's value"));
        let mut value = HeaderValue::from_bytes(&value).map_err(invalid)?;
        value.set_sensitive(true);
        return Ok(Some(value));
    }
    Ok(None)
}

/// The host and the port, if they are reached by HTTP.
fn host(remote: &str) -> Option<&str> {
    let rest = remote.strip_prefix("https://").or_else(|| remote.strip_prefix("http://"))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    Some(host).filter(|host| !host.is_empty())
}

/// Whether a URL is another one or below that.
fn is_below(remote: &str, scope: &str) -> bool {
    remote.strip_prefix(scope).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use async_trait::async_trait;
    use naru_image_store::Credentials;
    use tokio::net::UnixStream;

    use super::*;

    #[derive(Debug)]
    struct Secrets(BTreeMap<&'static str, &'static str>);

    #[async_trait]
    impl BuildSecrets for Secrets {
        async fn secret(&self, id: &str) -> Result<Option<Vec<u8>>, BuildError> {
            Ok(self.0.get(id).map(|secret| secret.as_bytes().to_vec()))
        }

        async fn has_agent(&self, _id: &str) -> Result<bool, BuildError> {
            Ok(false)
        }

        async fn serve_agent(&self, _id: &str, _connection: UnixStream) {}

        async fn credentials(&self, _registry: &str) -> Result<Option<Credentials>, BuildError> {
            Ok(None)
        }
    }

    async fn access(remote: &str, secrets: &[(&'static str, &'static str)]) -> GitAccess {
        let secrets = Secrets(secrets.iter().copied().collect());
        GitAccess::of([remote], &secrets).await.unwrap()
    }

    #[tokio::test]
    async fn a_secret_for_the_server_goes_before_one_for_all() {
        let remote = "https://u@a.b:8443/c.git";
        for (secrets, said) in [
            (&[("GIT_AUTH_TOKEN", "hush\n")][..], Some("basic eC1hY2Nlc3MtdG9rZW46aHVzaA==")),
            (&[("GIT_AUTH_TOKEN", "hush"), ("GIT_AUTH_HEADER", "bearer x")], Some("bearer x")),
            (
                &[("GIT_AUTH_HEADER", "bearer x"), ("GIT_AUTH_TOKEN.a.b:8443", "hush")],
                Some("basic eC1hY2Nlc3MtdG9rZW46aHVzaA=="),
            ),
            (&[("GIT_AUTH_HEADER.other", "bearer x")], None),
            (&[], None),
        ] {
            let access = access(remote, secrets).await;
            let found = access.to(remote).map(|value| value.to_str().unwrap());
            assert_eq!(found, said);
            assert!(!format!("{access:?} {:?}", access.to(remote)).contains("eC1h"));
        }
        let broken = Secrets([("GIT_AUTH_HEADER", "a\nb")].into());
        GitAccess::of([remote], &broken).await.unwrap_err();
        assert!(access("ssh://a.b/c.git", &[("GIT_AUTH_TOKEN", "x")]).await.0.is_empty());
    }

    #[tokio::test]
    async fn a_secret_is_said_for_its_repository_alone() {
        let secret = [("GIT_AUTH_TOKEN", "hush")];
        let one = access("https://a.b/c.git/", &secret).await;
        for (remote, is_said) in [
            ("https://a.b/c.git", true),
            ("https://a.b/c.git/d", true),
            ("https://a.b/c.github", false),
            ("https://a.b/d.git", false),
            ("http://a.b/c.git", false),
            ("https://a.b.c/c.git", false),
        ] {
            assert_eq!(one.to(remote).is_some(), is_said, "{remote}");
        }
        let all = access("https://github.com/a/b.git", &secret).await;
        assert!(all.to("https://github.com/c/d").is_some());
        assert!(all.to("https://github.com.evil/c/d").is_none());
        assert!(all.to("https://github.com@evil/c/d").is_none());
    }
}
