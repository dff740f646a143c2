//! Image references, by the grammar and in the words of `distribution/reference`.

use std::fmt;
use std::str::FromStr;

use crate::digest::{Digest, DigestError};
use crate::platform::Platform;

const DEFAULT_DOMAIN: &str = "docker.io";
const LEGACY_DEFAULT_DOMAIN: &str = "index.docker.io";
const OFFICIAL_PREFIX: &str = "library/";
const DEFAULT_TAG: &str = "latest";
const MAX_NAME_LENGTH: usize = 255;
const MAX_TAG_LENGTH: usize = 128;

/// A normalised image reference: `busybox` is `docker.io/library/busybox:latest`.
///
/// It always has a tag or a digest or both; with both, the digest decides.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageReference {
    domain: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is no image reference; the words are Docker's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// It does not fit the grammar.
    #[error("invalid reference format")]
    Format,
    /// The repository has upper-case letters.
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    Uppercase(String),
    /// The repository's path is too long.
    #[error("repository name must not be more than 255 characters")]
    TooLong,
    /// It would be mistaken for an image's id.
    #[error("invalid repository name ({0}), cannot specify 64-byte hexadecimal strings")]
    LooksLikeId(String),
    /// What follows `@` is no digest.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

impl ImageReference {
    /// The registry's host and port, `docker.io` when none was given.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The path in the registry, `library/busybox`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; `latest` when neither tag nor digest was given.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The manifest digest the reference is pinned to.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Domain and repository without tag and digest: `docker.io/library/busybox`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.repository)
    }

    /// The repository as people write it: `busybox`.
    pub fn familiar_name(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return self.name();
        }
        let familiar = match self.repository.strip_prefix(OFFICIAL_PREFIX) {
            Some(official) if !official.contains('/') => official,
            _ => &self.repository,
        };
        // A repository may begin like a registry's name, which would be meant instead.
        let (domain, repository) = split_domain(familiar);
        let is_same = domain == self.domain && repository == self.repository;
        if is_same { familiar.to_owned() } else { self.name() }
    }

    /// The whole reference as people write it: `busybox:latest`.
    pub fn familiar(&self) -> String {
        self.suffixed(self.familiar_name())
    }

    /// As software of any kind is named (Package URL specification), for one platform.
    pub fn package_url(&self, platform: &Platform) -> String {
        let platform = platform.to_string().replace('/', "%2F");
        let version = self.tag.clone().or_else(|| self.digest.as_ref().map(ToString::to_string));
        let version = version.map(|version| format!("@{version}")).unwrap_or_default();
        format!("pkg:docker/{}{version}?platform={platform}", self.familiar_name())
    }

    /// The same repository at `digest`, without a tag.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self {
            domain: self.domain.clone(),
            repository: self.repository.clone(),
            tag: None,
            digest: Some(digest),
        }
    }

    fn suffixed(&self, mut name: String) -> String {
        if let Some(tag) = &self.tag {
            name.push(':');
            name.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            name.push('@');
            name.push_str(digest.as_str());
        }
        name
    }
}

impl FromStr for ImageReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(ReferenceError::LooksLikeId(text.to_owned()));
        }
        let (domain, remainder) = split_domain(text);
        let remote = remainder.split(':').next().unwrap_or_default();
        if remote.chars().any(char::is_uppercase) {
            return Err(ReferenceError::Uppercase(remote.to_owned()));
        }
        let (named, digest) = match remainder.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (remainder.as_str(), None),
        };
        let (repository, tag) = match named.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (named, None),
        };
        if !is_domain(&domain)
            || !repository.split('/').all(is_path_component)
            || !tag.is_none_or(is_tag)
            || !digest.is_none_or(looks_like_digest)
        {
            return Err(ReferenceError::Format);
        }
        if repository.len() > MAX_NAME_LENGTH {
            return Err(ReferenceError::TooLong);
        }
        let digest = digest.map(str::parse).transpose()?;
        let tag = match (tag, &digest) {
            (None, None) => Some(DEFAULT_TAG.to_owned()),
            (tag, _) => tag.map(str::to_owned),
        };
        Ok(Self { domain, repository: repository.to_owned(), tag, digest })
    }
}

impl fmt::Display for ImageReference {
    /// Writes the canonical form, `docker.io/library/busybox:latest`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.suffixed(self.name()))
    }
}

/// Docker's `splitDockerDomain`: what stands before the first slash is a host only
/// when it looks like one.
fn split_domain(text: &str) -> (String, String) {
    let (mut domain, mut remainder) = match text.split_once('/') {
        Some((head, rest))
            if head.contains(['.', ':'])
                || head == "localhost"
                || head.chars().any(char::is_uppercase) =>
        {
            (head.to_owned(), rest.to_owned())
        }
        _ => (DEFAULT_DOMAIN.to_owned(), text.to_owned()),
    };
    if domain == LEGACY_DEFAULT_DOMAIN {
        DEFAULT_DOMAIN.clone_into(&mut domain);
    }
    if domain == DEFAULT_DOMAIN && !remainder.contains('/') {
        remainder.insert_str(0, OFFICIAL_PREFIX);
    }
    (domain, remainder)
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, "")) => (address, None),
            Some((address, port)) => match port.strip_prefix(':') {
                Some(port) => (address, Some(port)),
                None => return false,
            },
            None => return false,
        },
        None => match domain.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (domain, None),
        },
    };
    let host_fits = if domain.starts_with('[') {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':')
    } else {
        host.split('.').all(is_domain_component)
    };
    let port_fits =
        port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    host_fits && port_fits
}

fn is_domain_component(component: &str) -> bool {
    !component.is_empty()
        && !component.starts_with('-')
        && !component.ends_with('-')
        && component.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Letters and digits, joined by one `.`, one or two `_`, or any number of `-`.
fn is_path_component(component: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else { return false };
    is_word(first)
        && is_word(last)
        && component.split(|character: char| character.is_ascii() && is_word(character as u8)).all(
            |separator| {
                matches!(separator, "" | "." | "_" | "__")
                    || separator.bytes().all(|byte| byte == b'-')
            },
        )
}

fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= MAX_TAG_LENGTH
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

/// Docker first asks whether it has a digest's shape, and only then whether it is one.
fn looks_like_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hex)| {
        algorithm
            .split(['-', '_', '+', '.'])
            .all(|part| part.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic()))
            && algorithm.bytes().all(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'.')
            })
            && hex.len() >= 32
            && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn canonical(text: &str) -> String {
        match text.parse::<ImageReference>() {
            Ok(reference) => reference.to_string(),
            Err(error) => format!("! {error}"),
        }
    }

    #[test]
    fn names_are_normalised_as_docker_does() {
        for (text, expected) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("busybox:1.36", "docker.io/library/busybox:1.36"),
            ("docker.io/busybox", "docker.io/library/busybox:latest"),
            ("index.docker.io/busybox", "docker.io/library/busybox:latest"),
            ("grafana/loki", "docker.io/grafana/loki:latest"),
            ("ghcr.io/a/b/c:v1.2-x_y", "ghcr.io/a/b/c:v1.2-x_y"),
            ("localhost/app", "localhost/app:latest"),
            ("localhost:5000/app", "localhost:5000/app:latest"),
            ("127.0.0.1:5000/app:2", "127.0.0.1:5000/app:2"),
            ("[::1]:5000/app", "[::1]:5000/app:latest"),
            ("Reg/app", "Reg/app:latest"),
            ("a__b/c--d.e", "docker.io/a__b/c--d.e:latest"),
        ] {
            assert_eq!(canonical(text), expected, "{text}");
        }
    }

    #[test]
    fn a_digest_stands_in_for_the_tag() {
        let pinned = format!("busybox@sha256:{HEX}");
        assert_eq!(canonical(&pinned), format!("docker.io/library/busybox@sha256:{HEX}"));
        let both = format!("busybox:1@sha256:{HEX}");
        assert_eq!(canonical(&both), format!("docker.io/library/busybox:1@sha256:{HEX}"));
    }

    #[test]
    fn what_is_no_reference_is_refused_in_dockers_words() {
        let format = "! invalid reference format";
        for text in [
            "",
            ":latest",
            "a:",
            "a b",
            "-a",
            "a-",
            "a//b",
            "/a",
            "a/",
            "a___b",
            "a..b",
            "a:b:c",
            "a@b",
            "ex ample.com/a",
            "a.b:x/c",
            "[::1/a",
            "a:-x",
            "-h.io/a",
            "../etc",
        ] {
            assert_eq!(canonical(text), format, "{text:?}");
        }
        assert_eq!(canonical(&format!("a:{}", "t".repeat(129))), format);
        assert_eq!(
            canonical("BusyBox"),
            "! invalid reference format: repository name (library/BusyBox) must be lowercase"
        );
        assert_eq!(
            canonical(&"a".repeat(256)),
            "! repository name must not be more than 255 characters"
        );
        assert_eq!(
            canonical(HEX),
            format!(
                "! invalid repository name ({HEX}), cannot specify 64-byte hexadecimal strings"
            )
        );
        assert_eq!(
            canonical(&format!("a@sha256:{}", &HEX[..40])),
            "! invalid checksum digest length"
        );
        assert_eq!(canonical(&format!("a@md5:{HEX}")), "! unsupported digest algorithm");
    }

    #[test]
    fn the_familiar_form_leaves_out_what_is_the_default() {
        for (text, expected) in [
            ("docker.io/library/busybox", "busybox:latest"),
            ("docker.io/grafana/loki:3", "grafana/loki:3"),
            ("localhost:5000/library/app", "localhost:5000/library/app:latest"),
            // Without its beginning another registry would be meant.
            ("docker.io/reg.example/app", "docker.io/reg.example/app:latest"),
            ("docker.io/docker.io/app", "docker.io/docker.io/app:latest"),
        ] {
            let familiar = text.parse::<ImageReference>().map(|reference| reference.familiar());
            assert_eq!(familiar, Ok(expected.to_owned()), "{text}");
        }
    }
}
