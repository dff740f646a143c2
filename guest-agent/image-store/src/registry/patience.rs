//! Servers that ask to be asked again later: `Retry-After` (RFC 9110, section 10.2.3).

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode};

/// How long one request may be kept waiting in all. Who asks for more is answered by a failure:
/// the limits of Docker Hub, for instance, end after hours.
const MOST: Duration = Duration::from_mins(1);
/// What an answer costs at least, so that nobody is asked for ever.
const LEAST: Duration = Duration::from_secs(5);

/// The patience that is left for one request.
#[derive(Debug)]
pub(super) struct Patience {
    left: Duration,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { left: MOST }
    }

    /// How long to wait before the same is asked again; `None` if the answer is the answer.
    pub(super) fn asked_for(&mut self, response: &Response) -> Option<Duration> {
        let status = response.status();
        if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            return None;
        }
        let header = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
        let wait = self.grant(wait(header, Timestamp::now())?)?;
        tracing::info!(host = response.url().host_str(), ?wait, %status, "asked to wait");
        Some(wait)
    }

    fn grant(&mut self, wait: Duration) -> Option<Duration> {
        self.left = self.left.checked_sub(wait.max(LEAST))?;
        Some(wait)
    }
}

/// Seconds, or the time of day.
fn wait(header: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = header.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = DateTimeParser::new().parse_timestamp(header).ok()?;
    // What is in the past already is no wait.
    Some(at.duration_since(now).try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_seconds_or_a_date() {
        let now: Timestamp = "2015-10-21T07:27:30Z".parse().unwrap();
        for (header, expected) in [
            ("7", Some(7)),
            ("0", Some(0)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(30)),
            ("Wed, 21 Oct 2015 07:27:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(wait(header, now), expected.map(Duration::from_secs), "{header}");
        }
    }

    #[test]
    fn patience_ends() {
        let mut patience = Patience::new();
        assert_eq!(patience.grant(MOST + LEAST), None);
        let granted = std::iter::from_fn(|| patience.grant(Duration::ZERO)).count();
        assert_eq!(granted, 12, "each costs something");
        assert_eq!(Patience::new().grant(MOST), Some(MOST));
    }
}
