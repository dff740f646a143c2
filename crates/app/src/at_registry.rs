//! What to advise when something that took a registry failed: log in, check the name, or check
//! the network.
//!
//! A failure before the first line of the engine's answer has a status. One after it is a
//! sentence only, whose words are Docker's own, which clients match.

use naru_error::ErrorKind;
use naru_ipc::Hint;

use crate::AppError;

/// What sort of failure it is.
pub(crate) fn kind(error: &AppError) -> ErrorKind {
    let message = error.to_string().to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    match error.kind() {
        ErrorKind::Internal if says(&["unauthorized", "docker login"]) => ErrorKind::Unauthorized,
        ErrorKind::Internal if says(&["denied", "forbidden"]) => ErrorKind::Forbidden,
        ErrorKind::Internal if says(&["manifest unknown", "name unknown", "not found"]) => {
            ErrorKind::NotFound
        }
        ErrorKind::Internal
            if says(&["toomanyrequests", "timed out", "connect", "dial ", "dns"]) =>
        {
            ErrorKind::Unavailable
        }
        kind => kind,
    }
}

/// Advice that fits, the likeliest first.
pub(crate) fn hints(error: &AppError) -> Vec<Hint> {
    let message = error.to_string().to_ascii_lowercase();
    // Docker Hub counts those that it does not know by their address.
    if message.contains("toomanyrequests") {
        return vec![Hint::LogIn];
    }
    match kind(error) {
        // Registries do not tell what is missing from what is not to be seen.
        ErrorKind::NotFound if message.contains("docker login") => {
            vec![Hint::CheckName, Hint::LogIn]
        }
        ErrorKind::NotFound => vec![Hint::CheckName],
        ErrorKind::Unauthorized | ErrorKind::Forbidden => vec![Hint::LogIn],
        ErrorKind::Unavailable | ErrorKind::Deadline => vec![Hint::CheckNetwork],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, message: &str) -> AppError {
        AppError::Refused { path: "/".to_owned(), status, message: message.to_owned() }
    }

    #[test]
    fn each_failure_has_the_advice_that_fits() {
        let denied = "pull access denied for a, repository does not exist or may require \
            'docker login': denied: requested access to the resource is denied";
        let said = |message: &str| AppError::Said { message: message.to_owned() };
        for (error, expected) in [
            (refused(404, denied), vec![Hint::CheckName, Hint::LogIn]),
            (
                refused(404, "manifest for a:1 not found: manifest unknown: x"),
                vec![Hint::CheckName],
            ),
            (refused(401, "a.example: unauthorized: no"), vec![Hint::LogIn]),
            (refused(503, "a.example cannot be reached"), vec![Hint::CheckNetwork]),
            (refused(503, "toomanyrequests: slow down"), vec![Hint::LogIn]),
            (refused(500, "the blob's digest differs"), vec![]),
            (said("denied: requested access to the resource is denied"), vec![Hint::LogIn]),
            (said("error trying to connect: refused"), vec![Hint::CheckNetwork]),
        ] {
            let error = error.at_registry();
            assert_eq!(error.hints(), expected, "{error}");
        }
        assert_eq!(said("unauthorized: no").at_registry().kind(), ErrorKind::Unauthorized);
    }
}
