//! `shared` and `slave`: what the source's mount must be for that.

use std::fs::{canonicalize, read_to_string};
use std::path::{Path, PathBuf};

use super::Bind;
use crate::error::{EngineError, Result};

/// Refuses, in Docker's words, to follow a mount that lets nobody.
pub(super) fn check_propagation(bind: &Bind) -> Result<()> {
    let wanted = match bind.propagation.trim_start_matches('r') {
        "shared" => "shared",
        "slave" => "shared or slave",
        _ => return Ok(()),
    };
    let failed = || EngineError::io("looking for the mount of", &bind.source);
    let source = canonicalize(&bind.source).map_err(failed())?;
    let mounts = read_to_string("/proc/self/mountinfo").map_err(failed())?;
    match refusal(&mounts, &source, wanted) {
        Some(why) => Err(EngineError::Invalid(why)),
        None => Ok(()),
    }
}

fn refusal(mounts: &str, source: &Path, wanted: &str) -> Option<String> {
    let lines = mounts.lines().filter_map(|line| {
        let (before, _) = line.split_once(" - ")?;
        let fields: Vec<&str> = before.split(' ').collect();
        Some((unescaped(fields.get(4)?), fields.get(6..)?.to_vec()))
    });
    let above = lines.filter(|(point, _)| source.starts_with(point));
    // Of several at one place the last one is on top.
    let (point, options) = above.max_by_key(|(point, _)| point.components().count())?;
    let has = |prefix: &str| options.iter().any(|option| option.starts_with(prefix));
    if has("shared:") || (wanted != "shared" && has("master:")) {
        return None;
    }
    Some(format!(
        "path {} is mounted on {} but it is not a {wanted} mount",
        source.display(),
        point.display()
    ))
}

/// The kernel writes spaces and the like as octal numbers.
fn unescaped(field: &str) -> PathBuf {
    let mut text = field.to_owned();
    for (number, character) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        text = text.replace(number, character);
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_shares_is_followed() {
        let mounts = "1 0 8:1 / / rw - ext4 /dev/vda rw\n\
                      2 1 0:5 / /with\\040space rw shared:1 - tmpfs x rw\n\
                      3 1 0:6 / /slave rw master:1 - tmpfs y rw\n";
        let refusal = |path: &str, wanted: &str| refusal(mounts, Path::new(path), wanted);
        for path in ["/with space", "/with space/a"] {
            assert_eq!(refusal(path, "shared"), None, "{path}");
        }
        assert_eq!(refusal("/slave/a", "shared or slave"), None);
        assert_eq!(
            refusal("/slave/a", "shared").unwrap(),
            "path /slave/a is mounted on /slave but it is not a shared mount"
        );
        assert_eq!(
            refusal("/a", "shared or slave").unwrap(),
            "path /a is mounted on / but it is not a shared or slave mount"
        );
    }
}
