//! What holds whatever strangers wrote: held against mutations in the tests, and against what a
//! fuzzer finds in `fuzz/`.

use crate::digest::Digest;
use crate::platform::Platform;
use crate::reference::ImageReference;
use crate::registry::{ManifestDocument, Parsed, choose};

/// A reference can be put into paths and URLs, and what is printed of it is the same one.
pub fn reference(text: &str) -> Result<(), String> {
    let Ok(reference) = text.parse::<ImageReference>() else { return Ok(()) };
    let repository = reference.repository();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    let climbs = repository.split('/').any(|part| matches!(part, "" | "." | ".."));
    if climbs || !repository.bytes().all(is_plain) {
        return Err(format!("{text:?} has the repository {repository:?}"));
    }
    for shown in [reference.to_string(), reference.familiar()] {
        if shown.parse().as_ref() != Ok(&reference) {
            return Err(format!("{text:?} became {shown:?}"));
        }
    }
    Ok(())
}

/// A manifest or index is understood, or refused in words that can be shown.
pub fn manifest(content: &[u8]) -> Result<(), String> {
    let document = ManifestDocument {
        digest: Digest::of(content),
        media_type: String::new(),
        content: content.to_owned(),
    };
    match document.parse("a:1") {
        Ok(Parsed::Index(entries)) => drop(choose(&entries, &Platform::host())),
        Ok(Parsed::Image(_)) => {}
        Err(error) => {
            let said = error.to_string();
            if said.len() >= 2000 {
                return Err(format!("too many words: {said}"));
            }
        }
    }
    Ok(())
}
