//! The answer to `/_ping`: the engine's own, and the host's in its place while the
//! machine starts. Clients agree upon the API's version by it, so both must be the same.

/// What the engine calls itself where Docker says its version: a Docker-like number
/// first, because clients compare it, and Naru's own behind it.
pub const SERVER_VERSION: &str = concat!("28.5.0+naru.", env!("CARGO_PKG_VERSION"));

/// Headers of every answer of Docker's API.
pub const SERVER_HEADERS: [(&str, &str); 4] = [
    // `version::MAXIMUM`.
    ("api-version", "1.51"),
    ("docker-experimental", "false"),
    ("ostype", "linux"),
    ("server", concat!("Docker/28.5.0+naru.", env!("CARGO_PKG_VERSION"), " (linux)")),
];

/// Where a ping is answered, after the version.
pub const PATH: &str = "/_ping";

/// Headers of a ping's answer besides those of every answer.
pub const HEADERS: [(&str, &str); 5] = [
    ("content-type", "text/plain; charset=utf-8"),
    ("cache-control", "no-cache, no-store, must-revalidate"),
    ("pragma", "no-cache"),
    // BuildKit's interface is served, and preferred to the classic builder's.
    ("builder-version", "2"),
    ("swarm", "inactive"),
];

/// What is answered to `GET`. The answer to `HEAD` says its own length, as Docker's: 0.
pub const BODY: &str = "OK";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::MAXIMUM;

    #[test]
    fn the_headers_name_the_versions_that_there_are() {
        assert_eq!(SERVER_HEADERS[0], ("api-version", MAXIMUM.to_string().as_str()));
        assert_eq!(SERVER_HEADERS[3].1, format!("Docker/{SERVER_VERSION} (linux)"));
    }
}
