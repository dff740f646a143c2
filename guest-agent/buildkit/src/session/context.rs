//! Build contexts: the client's directories, as far as a build needs them.

use tonic::metadata::{Ascii, AsciiMetadataKey, MetadataValue};

use super::call::Metadata;
use super::{Session, method};
use crate::error::SessionError;
use crate::fsutil::{Received, Sink, receive};
use crate::wire::fsutil::Packet;

/// Which files of which of the client's directories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContextRequest {
    /// The directory's name in the request for the build: `context`, `dockerfile`.
    pub name: String,
    /// Only what matches one of these, if there are any.
    pub include: Vec<String>,
    /// Not what matches these; later ones and those with `!` win, as in `.dockerignore`.
    pub exclude: Vec<String>,
    /// Only these, with what their symbolic links lead to, if there are any.
    pub follow: Vec<String>,
}

impl Session {
    /// Receives files of one of the client's directories.
    ///
    /// Giving this up tells the client to stop. What the sink was given stays its own.
    pub async fn receive_context<S: Sink>(
        &self,
        request: &ContextRequest,
        sink: &mut S,
    ) -> Result<Received, SessionError> {
        let mut call = self.exchange::<Packet, Packet>(method::SYNC_FILES, metadata(request))?;
        let received = match receive(&mut call.incoming, &call.outgoing, sink).await {
            Ok(received) => received,
            Err(error) => {
                call.leave().await;
                return Err(error.into());
            }
        };
        call.finish().await.map_err(|status| self.refused(method::SYNC_FILES, &status))?;
        Ok(received)
    }
}

fn metadata(request: &ContextRequest) -> Metadata {
    let name = std::slice::from_ref(&request.name);
    [
        ("dir-name", name),
        ("include-patterns", &request.include),
        ("exclude-patterns", &request.exclude),
        ("followpaths", &request.follow),
    ]
    .iter()
    .flat_map(|(key, values)| entries(key, values))
    .collect()
}

/// Texts that a header cannot carry are escaped, all of one key or none, which is said.
fn entries(key: &'static str, values: &[String]) -> Metadata {
    let plain: Option<Vec<_>> = values.iter().map(|value| header(value)).collect();
    let name = AsciiMetadataKey::from_static(key);
    if let Some(values) = plain {
        return values.into_iter().map(|value| (name.clone(), value)).collect();
    }
    let escaped = values.iter().filter_map(|value| header(&escape(value)));
    let mut entries: Metadata = escaped.map(|value| (name.clone(), value)).collect();
    if let Ok(flag) = AsciiMetadataKey::from_bytes(format!("{key}-encoded").as_bytes()) {
        entries.push((flag, MetadataValue::from_static("1")));
    }
    entries
}

/// The text as a header's value, if it would arrive as it is.
fn header(text: &str) -> Option<MetadataValue<Ascii>> {
    let is_plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    // HTTP trims, and a list may be split at its commas by who reads it.
    (is_plain && text.trim() == text).then(|| text.parse().ok()).flatten()
}

/// As Go's `url.QueryEscape` does, but for spaces, where either way is read alike.
fn escape(text: &str) -> String {
    let escaped = text.bytes().map(|byte| {
        let is_plain = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        if is_plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    });
    escaped.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(values: &[&str]) -> Vec<(String, String)> {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        entries("exclude-patterns", &values)
            .iter()
            .map(|(key, value)| {
                (key.as_str().to_owned(), value.to_str().unwrap_or_default().to_owned())
            })
            .collect()
    }

    #[test]
    fn patterns_travel_as_they_are_while_they_can() {
        let key = "exclude-patterns".to_owned();
        assert_eq!(
            texts(&["*.log", "!a b"]),
            [(key.clone(), "*.log".to_owned()), (key.clone(), "!a b".to_owned())]
        );
        assert_eq!(
            texts(&["ä", "a%"]),
            [
                (key.clone(), "%C3%A4".to_owned()),
                (key.clone(), "a%25".to_owned()),
                (format!("{key}-encoded"), "1".to_owned()),
            ]
        );
        assert_eq!(texts(&[" a"])[0].1, "%20a", "a header's value is trimmed");
        assert!(texts(&[]).is_empty());
    }
}
