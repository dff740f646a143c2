//! `WWW-Authenticate` (RFC 9110, section 11.6.1), as far as registries use it.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// How a registry wants to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// With a name and a password.
    Basic,
    /// With a token from another server.
    Bearer {
        /// Where tokens are given out; not to be trusted.
        realm: String,
        /// What the token is for.
        service: Option<String>,
        /// Why the present token would not do.
        error: Option<String>,
    },
}

impl Challenge {
    /// The challenge to answer: a bearer one where there is one.
    pub(super) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let challenges: Vec<Self> = headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| Self::parse(value.to_str().ok()?))
            .collect();
        let bearer = challenges.iter().find(|challenge| **challenge != Self::Basic);
        bearer.or_else(|| challenges.first()).cloned()
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service, mut error) = (None, None, None);
        for (key, value) in parameters(rest) {
            match key.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "service" => service = Some(value),
                "error" => error = Some(value),
                _ => {}
            }
        }
        Some(Self::Bearer { realm: realm?, service, error })
    }
}

/// `key=token` and `key="quoted \"string\""`, separated by commas.
fn parameters(mut text: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    while let Some((key, rest)) = text.split_once('=') {
        let key = key.trim_matches([' ', '\t', ',']);
        let rest = rest.trim_start();
        let (value, after) = if let Some(quoted) = rest.strip_prefix('"') {
            unquoted(quoted)
        } else {
            let (value, after) = rest.split_once(',').unwrap_or((rest, ""));
            (value.trim().to_owned(), after)
        };
        found.push((key, value));
        text = after;
    }
    found
}

fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((position, character)) = characters.next() {
        match character {
            '"' => return (value, &text[position + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(character),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_and_nonsense_is_not() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer {
                realm: realm.to_owned(),
                service: service.map(str::to_owned),
                error: None,
            })
        };
        for (text, expected) in [
            ("Basic realm=\"x\"", Some(Challenge::Basic)),
            (
                "Bearer realm=\"https://a/t\",service=\"b,c\",scope=\"repository:x:pull\"",
                bearer("https://a/t", Some("b,c")),
            ),
            ("bearer realm=https://a/t , service=b", bearer("https://a/t", Some("b"))),
            ("Bearer realm=\"a\\\"b", bearer("a\"b", None)),
            ("Bearer service=\"b\"", None),
            ("Negotiate", None),
            ("", None),
        ] {
            assert_eq!(Challenge::parse(text), expected, "{text}");
        }
    }
}
