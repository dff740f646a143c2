//! Who a client is to a registry.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use hyper::HeaderMap;
use naru_image_store::Credentials;
use serde::Deserialize;

/// The client's word for a registry's credentials.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct AuthConfig {
    username: String,
    password: String,
    #[serde(alias = "identityToken")]
    identitytoken: String,
    #[serde(alias = "registryToken")]
    registrytoken: String,
    pub(super) serveraddress: String,
}

impl AuthConfig {
    pub(super) fn into_credentials(self) -> Credentials {
        Credentials {
            username: self.username,
            password: self.password,
            identity_token: self.identitytoken,
            registry_token: self.registrytoken,
        }
    }
}

/// `X-Registry-Auth`: base64 (either alphabet, padded or not) of JSON. What cannot be
/// read is as good as absent, as in Docker.
pub(super) fn credentials(headers: &HeaderMap) -> Option<Credentials> {
    let header = headers.get("x-registry-auth")?.to_str().ok()?;
    let padded = format!("{header}{}", &"==="[..(4 - header.len() % 4) % 4]);
    let bytes = URL_SAFE.decode(&padded).or_else(|_| STANDARD.decode(&padded)).ok()?;
    let auth: AuthConfig = serde_json::from_slice(&bytes).ok()?;
    let credentials = auth.into_credentials();
    (!credentials.is_empty()).then_some(credentials)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn header(value: &str) -> HeaderMap {
        let value = HeaderValue::from_str(value).unwrap();
        HeaderMap::from_iter([("x-registry-auth".parse().unwrap(), value)])
    }

    #[test]
    fn credentials_are_read_in_any_alphabet_and_padding() {
        let json = br#"{"username":"u","password":"p>>?"}"#;
        for text in
            [URL_SAFE.encode(json), STANDARD.encode(json), STANDARD.encode(json).replace('=', "")]
        {
            let credentials = credentials(&header(&text)).unwrap();
            assert_eq!(credentials.username, "u");
        }
        assert!(credentials(&header("!!!")).is_none());
        assert!(credentials(&header("e30=")).is_none(), "an empty object is no credentials");
    }
}
