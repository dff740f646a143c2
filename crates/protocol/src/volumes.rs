//! A volume's files as a whole, for backups and copies: Docker's API has them only through a
//! container.

use serde::{Deserialize, Serialize};

/// Path of `GET` with `?volume=…` → a tar archive of all its files, the top's owner and mode with
/// it, or with `&path=…` of what is there; of files with holes it has GNU tar's form, unless one is
/// asked for by itself. And of `PUT` with `?volume=…`, whose body is such an archive, compressed or
/// not: all that is in the volume then, which is made if there is none. One that is not empty has to
/// be meant by `&replace=1`.
pub const ARCHIVE_PATH: &str = "/naru/volume/archive";

/// Path of `POST` with `?volume=…&to=…`, which makes a volume with the files of another, and answers
/// JSON lines: [`CloneProgress`], and at last [`Cloned`]. It ends early when nobody waits.
pub const CLONE_PATH: &str = "/naru/volume/clone";

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloneProgress {
    /// Bytes of files so far.
    pub bytes: u64,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cloned {
    /// The volume's name.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_form() {
        let progress = CloneProgress { bytes: 7 };
        assert_eq!(serde_json::to_string(&progress).unwrap(), r#"{"bytes":7}"#);
        let cloned = Cloned { name: "copy".to_owned() };
        assert_eq!(serde_json::to_string(&cloned).unwrap(), r#"{"name":"copy"}"#);
    }
}
