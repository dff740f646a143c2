//! Platforms: what an image runs on, and which of an index's entries fits a wish.

use std::env::consts::ARCH;
use std::fmt;
use std::str::FromStr;

use oci_spec::image::ImageConfiguration;
use serde_json::{Value, json};

/// An operating system, an architecture and perhaps its variant, in Go's names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `amd64`, `arm64`, `arm`, ….
    pub architecture: String,
    /// `v8`, `v7`, …; empty variants are `None`.
    pub variant: Option<String>,
}

/// The text is no `os/architecture[/variant]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is an invalid platform: want os/architecture[/variant]")]
pub struct PlatformError(String);

impl Platform {
    /// The platform this program was built for.
    pub fn host() -> Self {
        Self {
            os: "linux".to_owned(),
            architecture: go_architecture(ARCH).to_owned(),
            variant: None,
        }
        .normalised()
    }

    /// Which of several is meant where nobody asks for one: this machine's, else the first.
    pub fn default_of<'a>(platforms: impl IntoIterator<Item = &'a Self>) -> usize {
        let own = Self::host();
        let ranks = platforms.into_iter().map(|platform| own.rank(platform).unwrap_or(u32::MAX));
        ranks.enumerate().min_by_key(|(_, rank)| *rank).map_or(0, |(position, _)| position)
    }

    /// As an entry of an index says it (OCI image specification, `platform` of a descriptor).
    pub(crate) fn to_json(&self) -> Value {
        let mut platform = json!({ "architecture": self.architecture, "os": self.os });
        if let Some(variant) = &self.variant {
            platform["variant"] = json!(variant);
        }
        platform
    }

    /// How well `candidate` serves someone who wants `self`: smaller is better, `None`
    /// is not at all. An arm of a lower variant serves, as containerd decides it.
    pub fn rank(&self, candidate: &Self) -> Option<u32> {
        let wanted = self.clone().normalised();
        let candidate = candidate.clone().normalised();
        if wanted.os != candidate.os || wanted.architecture != candidate.architecture {
            return None;
        }
        if wanted.variant == candidate.variant {
            return Some(0);
        }
        let level = |platform: &Self| match &platform.variant {
            Some(variant) => variant.strip_prefix('v')?.split('.').next()?.parse::<u32>().ok(),
            None => Some(1),
        };
        level(&wanted)?.checked_sub(level(&candidate)?).map(|distance| distance + 1)
    }

    /// Fills in and folds away what is the same thing by another name: `arm64/v8` is
    /// `arm64`, `arm` is `arm/v7`, `x86_64` is `amd64`.
    #[must_use]
    pub fn normalised(mut self) -> Self {
        self.os.make_ascii_lowercase();
        self.architecture.make_ascii_lowercase();
        let architecture = go_architecture(&self.architecture).to_owned();
        self.architecture = architecture;
        let variant = self.variant.take().filter(|variant| !variant.is_empty());
        self.variant = match (self.architecture.as_str(), variant.as_deref()) {
            ("arm64", Some("v8" | "8")) | ("amd64", Some("v1")) => None,
            ("arm", None | Some("7")) => Some("v7".to_owned()),
            ("arm", Some(digit @ ("5" | "6" | "8"))) => Some(format!("v{digit}")),
            (_, variant) => variant.map(str::to_owned),
        };
        self
    }
}

fn go_architecture(name: &str) -> &str {
    match name {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        "armhf" | "armel" => "arm",
        "i386" | "i686" | "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

impl From<&ImageConfiguration> for Platform {
    fn from(config: &ImageConfiguration) -> Self {
        Self {
            os: config.os().to_string(),
            architecture: config.architecture().to_string(),
            variant: config.variant().clone(),
        }
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let fits = |part: &&str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        };
        let parts: Vec<&str> = text.split('/').collect();
        if !parts.iter().all(fits) {
            return Err(PlatformError(text.to_owned()));
        }
        let platform = match *parts.as_slice() {
            ["linux"] => return Ok(Self::host()),
            [architecture] => Self {
                os: "linux".to_owned(),
                architecture: architecture.to_owned(),
                variant: None,
            },
            [os, architecture] => {
                Self { os: os.to_owned(), architecture: architecture.to_owned(), variant: None }
            }
            [os, architecture, variant] => Self {
                os: os.to_owned(),
                architecture: architecture.to_owned(),
                variant: Some(variant.to_owned()),
            },
            _ => return Err(PlatformError(text.to_owned())),
        };
        Ok(platform.normalised())
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(formatter, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().expect("a platform")
    }

    #[test]
    fn platforms_are_normalised() {
        for (text, expected) in [
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/aarch64", "linux/arm64"),
            ("x86_64", "linux/amd64"),
            ("linux/arm", "linux/arm/v7"),
            ("Linux/AMD64", "linux/amd64"),
        ] {
            assert_eq!(platform(text).to_string(), expected, "{text}");
        }
        for text in ["", "linux/", "a/b/c/d", "linux/am d64"] {
            assert_eq!(text.parse::<Platform>(), Err(PlatformError(text.to_owned())));
        }
    }

    #[test]
    fn a_lower_arm_variant_serves_and_a_higher_one_does_not() {
        let wanted = platform("linux/arm/v7");
        assert_eq!(wanted.rank(&platform("linux/arm/v7")), Some(0));
        assert_eq!(wanted.rank(&platform("linux/arm/v6")), Some(2));
        assert_eq!(wanted.rank(&platform("linux/arm/v5")), Some(3));
        assert_eq!(wanted.rank(&platform("linux/arm/v8")), None);
        assert_eq!(wanted.rank(&platform("linux/arm64")), None);
        assert_eq!(platform("linux/amd64").rank(&platform("windows/amd64")), None);
    }
}
