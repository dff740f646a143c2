//! What is known of a volume, as it lies in the database.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{EngineError, Result};

/// The label of a volume that nobody has named.
pub(super) const ANONYMOUS_LABEL: &str = "com.docker.volume.anonymous";

/// The one driver that there is.
pub(crate) const LOCAL: &str = "local";

/// A file's name can be no longer, and `.gone.` comes before it.
const NAME_MAX: usize = 255 - ".gone.".len();

/// A volume. Labels and options are none where the client has not spoken of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VolumeRecord {
    pub(crate) name: String,
    pub(crate) created: Timestamp,
    pub(crate) labels: Option<BTreeMap<String, String>>,
    pub(crate) options: Option<BTreeMap<String, String>>,
}

impl VolumeRecord {
    /// Whether nobody has named it, so that it goes with a prune.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.labels.as_ref().is_some_and(|labels| labels.contains_key(ANONYMOUS_LABEL))
    }

    /// Whether something is to be mounted at its directory while it is used.
    pub(crate) fn is_mounted_when_used(&self) -> bool {
        self.options.as_ref().is_some_and(|options| options.contains_key("device"))
    }
}

/// Refuses in Docker's words what is no volume's name.
pub(super) fn check_name(name: &str) -> Result<()> {
    let refused = |why: String| Err(EngineError::Invalid(format!("create {name}: {why}")));
    if name.len() == 1 {
        return refused(
            "volume name is too short, names should be at least two alphanumeric characters"
                .to_owned(),
        );
    }
    let is_first = |c: char| c.is_ascii_alphanumeric();
    let is_later = |c: char| is_first(c) || "_.-".contains(c);
    if !name.starts_with(is_first) || !name.chars().all(is_later) {
        return refused(format!(
            "{name:?} includes invalid characters for a local volume name, only \
             \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, \
             use absolute path"
        ));
    }
    if name.len() > NAME_MAX {
        return refused("file name too long".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_dockers_and_never_a_path() {
        for name in ["ab", "0a", "a_b.c-d", &"a".repeat(NAME_MAX)] {
            check_name(name).unwrap();
        }
        for (name, said) in [
            ("a", "create a: volume name is too short, names should be"),
            ("../x", "create ../x: \"../x\" includes invalid characters for a local volume name"),
            (".new.x", "create .new.x: \".new.x\" includes invalid characters"),
            ("a b", "create a b: \"a b\" includes invalid characters"),
            ("", "create : \"\" includes invalid characters"),
        ] {
            let error = check_name(name).unwrap_err().to_string();
            assert!(error.starts_with(said), "{error}");
        }
        let error = check_name(&"a".repeat(NAME_MAX + 1)).unwrap_err().to_string();
        assert!(error.ends_with("file name too long"), "{error}");
    }
}
