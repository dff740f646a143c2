//! Versions of Docker's API: which ones are spoken, and how a path names one.
//!
//! Every route exists as `/vX.YY/…` and without a version, which means the newest.

use std::fmt;

/// A version of the Docker Engine API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    major: u16,
    minor: u16,
}

/// The newest version whose shapes are produced.
pub const MAXIMUM: ApiVersion = ApiVersion::new(1, 51);

/// The oldest version that is still answered.
pub const MINIMUM: ApiVersion = ApiVersion::new(1, 24);

/// A version that is not spoken here. The text is Docker's: clients match it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnspokenVersion {
    /// Above [`MAXIMUM`].
    TooNew(ApiVersion),
    /// Below [`MINIMUM`].
    TooOld(ApiVersion),
}

impl ApiVersion {
    /// Version `major.minor`.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }

    fn spoken(self) -> Result<Self, UnspokenVersion> {
        if self > MAXIMUM {
            Err(UnspokenVersion::TooNew(self))
        } else if self < MINIMUM {
            Err(UnspokenVersion::TooOld(self))
        } else {
            Ok(self)
        }
    }
}

/// Splits `/v1.44/containers/json` into its version and `/containers/json`.
///
/// A path without a version has the newest one.
pub fn split_path(path: &str) -> Result<(ApiVersion, &str), UnspokenVersion> {
    let Some(rest) = path.strip_prefix("/v") else { return Ok((MAXIMUM, path)) };
    let (version, tail) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    };
    match ApiVersion::parse(version) {
        Some(version) => version.spoken().map(|version| (version, tail)),
        None => Ok((MAXIMUM, path)),
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl fmt::Display for UnspokenVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooNew(version) => write!(
                f,
                "client version {version} is too new. Maximum supported API version is {MAXIMUM}"
            ),
            Self::TooOld(version) => write!(
                f,
                "client version {version} is too old. Minimum supported API version is {MINIMUM}, \
                 please upgrade your client to a newer version"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_split_into_version_and_route() {
        assert_eq!(split_path("/v1.44/info"), Ok((ApiVersion::new(1, 44), "/info")));
        assert_eq!(split_path("/info"), Ok((MAXIMUM, "/info")));
        assert_eq!(split_path("/version"), Ok((MAXIMUM, "/version")));
        assert_eq!(split_path("/volumes"), Ok((MAXIMUM, "/volumes")));
        assert_eq!(split_path("/v1.30"), Ok((ApiVersion::new(1, 30), "/")));
    }

    #[test]
    fn versions_out_of_range_are_refused_in_dockers_words() {
        let new = split_path("/v1.99/info").unwrap_err();
        assert_eq!(
            new.to_string(),
            "client version 1.99 is too new. Maximum supported API version is 1.51"
        );
        let old = split_path("/v1.10/info").unwrap_err();
        assert!(old.to_string().starts_with("client version 1.10 is too old. Minimum supported"));
    }
}
