//! Answers to a registry's challenges (distribution's token authentication).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::Deserialize;

use super::challenge::Challenge;
use super::error::RegistryError;
use super::session::{Session, body};

/// Tokens carry what they permit and may be long, but not this long.
const MAX_TOKEN_ANSWER: u64 = 1 << 20;

/// The token server's answer; both names are in use.
#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

impl Session {
    /// The `Authorization` header that answers `challenge`.
    pub(super) async fn answer(&self, challenge: &Challenge) -> Result<HeaderValue, RegistryError> {
        let credentials = self.credentials();
        match challenge {
            Challenge::Basic if credentials.username.is_empty() => Err(self.unauthorized()),
            Challenge::Basic => self.header(&format!(
                "Basic {}",
                STANDARD.encode(format!("{}:{}", credentials.username, credentials.password))
            )),
            Challenge::Bearer { .. } if !credentials.registry_token.is_empty() => {
                self.header(&format!("Bearer {}", credentials.registry_token))
            }
            Challenge::Bearer { realm, service, .. } => {
                let token = self.token(realm, service.as_deref()).await?;
                self.header(&format!("Bearer {token}"))
            }
        }
    }

    fn header(&self, text: &str) -> Result<HeaderValue, RegistryError> {
        let mut header = HeaderValue::from_str(text)
            .map_err(|_| self.protocol("the token has control characters"))?;
        header.set_sensitive(true);
        Ok(header)
    }

    /// The scope is ours, not the challenge's: a registry must not get a token for another's
    /// repository out of the user's credentials.
    async fn token(&self, realm: &str, service: Option<&str>) -> Result<String, RegistryError> {
        let realm: Url =
            realm.parse().map_err(|_| self.protocol("the challenge's realm is no URL"))?;
        let scheme_fits = match realm.scheme() {
            "https" => true,
            "http" => !self.is_encrypted(),
            _ => false,
        };
        if !scheme_fits {
            return Err(self.protocol("the challenge's realm is not https"));
        }
        let credentials = self.credentials();
        let scope = format!("repository:{}:pull", self.repository());
        let mut form = vec![("scope", scope.as_str())];
        form.extend(service.map(|service| ("service", service)));
        let request = if credentials.identity_token.is_empty() {
            if !credentials.username.is_empty() {
                form.push(("account", &credentials.username));
            }
            let mut url = realm;
            url.query_pairs_mut().extend_pairs(form);
            let request = self.request(&url);
            if credentials.username.is_empty() {
                request
            } else {
                request.basic_auth(&credentials.username, Some(&credentials.password))
            }
        } else {
            form.push(("grant_type", "refresh_token"));
            form.push(("refresh_token", &credentials.identity_token));
            form.push(("client_id", "naru"));
            let mut encoded = realm.clone();
            encoded.query_pairs_mut().clear().extend_pairs(form);
            self.post_form(&realm, encoded.query().unwrap_or_default().to_owned())
        };
        let response = request.send().await.map_err(|source| self.unreachable(source))?;
        if !response.status().is_success() {
            return Err(self.failure(response, None).await);
        }
        let content = body(response, MAX_TOKEN_ANSWER)
            .await
            .map_err(|source| self.unreachable(source))?
            .ok_or_else(|| self.protocol("the token is too long"))?;
        let answer: TokenAnswer = serde_json::from_slice(&content)
            .map_err(|_| self.protocol("the token server's answer is no JSON"))?;
        [answer.token, answer.access_token]
            .into_iter()
            .find(|token| !token.is_empty())
            .ok_or_else(|| self.protocol("the token server gave no token"))
    }

    /// What goes with a request to `url`: nothing, unless it is the registry itself that
    /// is asked.
    pub(super) fn authorization(
        &self,
        url: &Url,
    ) -> Option<(reqwest::header::HeaderName, HeaderValue)> {
        if url.origin() != self.base().origin() {
            return None;
        }
        self.present_answer().map(|answer| (AUTHORIZATION, answer))
    }
}
