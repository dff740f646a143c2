//! Answers to a registry's challenges (distribution's token authentication).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, RequestBuilder, Url};
use serde::Deserialize;
use tokio::time::sleep;

use super::challenge::Challenge;
use super::error::RegistryError;
use super::patience::Patience;
use super::purpose::Purpose;
use super::session::{Ask, Session, body};

/// How we are known to token servers.
const CLIENT: &str = "naru";
/// Tokens carry what they permit and may be long, but not this long.
const MAX_TOKEN_ANSWER: u64 = 1 << 20;

/// The token server's answer; both names are in use.
#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    #[serde(default)]
    refresh_token: String,
}

impl Session {
    /// The `Authorization` header that answers `challenge`, and, at a login, the token that
    /// may stand for the password from now on (or an empty text).
    pub(super) async fn answer(
        &self,
        challenge: &Challenge,
    ) -> Result<(HeaderValue, String), RegistryError> {
        let credentials = self.credentials();
        match challenge {
            Challenge::Basic if credentials.username.is_empty() => Err(self.no_password()),
            Challenge::Basic => {
                let pair = format!("{}:{}", credentials.username, credentials.password);
                Ok((self.header(&format!("Basic {}", STANDARD.encode(pair)))?, String::new()))
            }
            Challenge::Bearer { .. } if !credentials.registry_token.is_empty() => {
                let token = format!("Bearer {}", credentials.registry_token);
                Ok((self.header(&token)?, String::new()))
            }
            Challenge::Bearer { realm, service, .. } => {
                let (token, identity) = self.token(realm, service.as_deref()).await?;
                Ok((self.header(&format!("Bearer {token}"))?, identity))
            }
        }
    }

    /// Finds out whether the credentials are good; gives the identity token, or an empty text.
    pub(crate) async fn login(&self) -> Result<String, RegistryError> {
        let ask = Ask::new(Method::GET, self.base().clone());
        let (response, at) = self.follow(&ask).await?;
        let Some(challenge) = self.challenge(&response, &at) else {
            return self.success(response).await.map(|_| String::new());
        };
        let (answer, identity) = self.answer(&challenge).await?;
        self.remember(answer);
        let (response, _) = self.follow(&ask).await?;
        self.success(response).await.map(|_| identity)
    }

    fn header(&self, text: &str) -> Result<HeaderValue, RegistryError> {
        let mut header = HeaderValue::from_str(text)
            .map_err(|_| self.protocol("the token has control characters"))?;
        header.set_sensitive(true);
        Ok(header)
    }

    async fn token(
        &self,
        realm: &str,
        service: Option<&str>,
    ) -> Result<(String, String), RegistryError> {
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
        let mut patience = Patience::new();
        let response = loop {
            let request = self.token_request(&realm, service)?;
            let response = request.send().await.map_err(|source| self.unreachable(source))?;
            match patience.asked_for(&response) {
                Some(wait) => sleep(wait).await,
                None => break response,
            }
        };
        if !response.status().is_success() {
            return Err(self.failure(response).await);
        }
        let content = body(response, MAX_TOKEN_ANSWER)
            .await
            .map_err(|source| self.unreachable(source))?
            .ok_or_else(|| self.protocol("the token is too long"))?;
        let answer: TokenAnswer = serde_json::from_slice(&content)
            .map_err(|_| self.protocol("the token server's answer is no JSON"))?;
        let token = [answer.token, answer.access_token].into_iter().find(|token| !token.is_empty());
        let token = token.ok_or_else(|| self.protocol("the token server gave no token"))?;
        Ok((token, answer.refresh_token))
    }

    /// With a password by GET, with an identity token by POST: so that the token is in no log.
    fn token_request(
        &self,
        realm: &Url,
        service: Option<&str>,
    ) -> Result<RequestBuilder, RegistryError> {
        let credentials = self.credentials();
        let scopes = self.purpose().scopes();
        let mut form: Vec<(&str, &str)> =
            service.map(|service| ("service", service)).into_iter().collect();
        let mut url = realm.clone();
        if credentials.identity_token.is_empty() {
            form.extend(scopes.iter().map(|scope| ("scope", scope.as_str())));
            if matches!(self.purpose(), Purpose::Login) {
                form.extend([("offline_token", "true"), ("client_id", CLIENT)]);
            }
            if !credentials.username.is_empty() {
                form.push(("account", &credentials.username));
            }
            url.query_pairs_mut().extend_pairs(form);
            let request = self.request(Method::GET, &url)?;
            return Ok(match credentials.username.as_str() {
                "" => request,
                username => request.basic_auth(username, Some(&credentials.password)),
            });
        }
        // Here several are one text, with spaces between (RFC 6749, section 3.3).
        let scopes = scopes.join(" ");
        form.extend([
            ("scope", scopes.as_str()),
            ("grant_type", "refresh_token"),
            ("refresh_token", &credentials.identity_token),
            ("client_id", CLIENT),
        ]);
        url.query_pairs_mut().clear().extend_pairs(form);
        Ok(self
            .request(Method::POST, realm)?
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(url.query().unwrap_or_default().to_owned()))
    }

    /// What goes with a request to `url`: nothing, unless it is the registry itself that
    /// is asked.
    pub(super) fn with_answer(&self, request: RequestBuilder, url: &Url) -> RequestBuilder {
        match self.present_answer().filter(|_| self.is_home(url)) {
            Some(answer) => request.header(AUTHORIZATION, answer),
            None => request,
        }
    }
}
