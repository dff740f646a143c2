//! Which platforms' images an archive has behind one name.

use super::plan::shown;
use super::spool::{Spool, blob_name};
use crate::digest::Digest;
use crate::error::ImageError;
use crate::platform::Platform;
use crate::registry::{DOCKER_LIST, Descriptor, ManifestDocument, OCI_INDEX, Parsed};
use std::collections::{HashMap, HashSet};

/// Entries of an index that are looked at; those with the most have a dozen platforms, and as many
/// words about them.
const MAX_ENTRIES: usize = 64;

/// Which manifests are there with all they need, as far as they were looked at. A few bytes name a
/// large one again and again: each is read once, so that no more is read than there is.
type Whole = HashMap<Digest, bool>;

/// Whether there are several behind any of the entries.
pub(super) fn has_several(spool: &Spool, entries: &[Descriptor]) -> bool {
    let (mut known, mut whole) = (HashSet::new(), Whole::new());
    let mut indexes = entries.iter().filter(|entry| {
        matches!(entry.media_type.as_str(), OCI_INDEX | DOCKER_LIST) && known.insert(&entry.digest)
    });
    indexes.any(|entry| look(spool, entry, &mut whole).is_ok_and(|platforms| platforms.len() > 1))
}
/// The manifests of an index, each for another platform, that are there with all they need: an
/// archive need not have what its index lists. What is meant where nobody asks for a platform comes
/// first. Nothing of what is no index.
pub(super) fn of(spool: &Spool, entry: &Descriptor) -> Result<Vec<Descriptor>, ImageError> {
    look(spool, entry, &mut Whole::new())
}

fn look(
    spool: &Spool,
    entry: &Descriptor,
    whole: &mut Whole,
) -> Result<Vec<Descriptor>, ImageError> {
    let shown = shown(entry);
    let Some(Parsed::Index(entries)) = parsed(spool, entry, &shown)? else { return Ok(Vec::new()) };
    let mut found: Vec<(Platform, Descriptor)> = Vec::new();
    let mut known: HashSet<Digest> = HashSet::new();
    for entry in entries.into_iter().take(MAX_ENTRIES) {
        let Some(platform) = entry.platform.clone().map(Platform::from) else { continue };
        // What is said of an image is for nobody to run.
        if platform.architecture != "unknown"
            && known.insert(entry.digest.clone())
            && is_whole(spool, &entry, &shown, whole)?
        {
            found.push((platform, entry));
        }
    }
    let first = Platform::default_of(found.iter().map(|(platform, _)| platform));
    let mut entries: Vec<Descriptor> = found.into_iter().map(|(_, entry)| entry).collect();
    if let Some(before) = entries.get_mut(..=first) {
        before.rotate_right(1);
    }
    Ok(entries)
}

fn is_whole(
    spool: &Spool,
    entry: &Descriptor,
    shown: &str,
    known: &mut Whole,
) -> Result<bool, ImageError> {
    if let Some(is_whole) = known.get(&entry.digest) {
        return Ok(*is_whole);
    }
    // Also if it cannot be read, or is something else.
    known.insert(entry.digest.clone(), false);
    let Some(Parsed::Image(manifest)) = parsed(spool, entry, shown)? else { return Ok(false) };
    let mut blobs = std::iter::once(&manifest.config).chain(&manifest.layers);
    let is_whole = blobs.all(|blob| spool.find(&blob_name(&blob.digest)).is_ok());
    known.insert(entry.digest.clone(), is_whole);
    Ok(is_whole)
}
/// The document behind an entry; none if it is not there, or none that is known.
fn parsed(spool: &Spool, entry: &Descriptor, shown: &str) -> Result<Option<Parsed>, ImageError> {
    if spool.find(&blob_name(&entry.digest)).is_err() {
        return Ok(None);
    }
    let content = spool.small_blob(&entry.digest)?;
    let (digest, media_type) = (entry.digest.clone(), entry.media_type.clone());
    Ok(ManifestDocument { digest, media_type, content }.parse(shown).ok())
}
