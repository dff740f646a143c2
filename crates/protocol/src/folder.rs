//! What is in a folder of a container, an image or a volume, for whoever looks around in it: Docker's
//! API has only archives of all that is below, and of images and volumes none.

use serde::{Deserialize, Serialize};

/// Path of `GET` with `?container=…&path=…`, `?image=…&path=…` or `?volume=…&path=…` → [`Folder`].
/// Links are followed.
/// With an image `&layer=…` is one of its layers alone; the lowest is 0.
pub const PATH: &str = "/naru/folder";

/// A folder's content, as far as an answer goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// Folders first, then by name.
    pub entries: Vec<Entry>,
    /// Whether there are more than are listed.
    pub more: bool,
}

/// One thing in a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name, with U+FFFD for what is no UTF-8.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Bytes; 0 for what is no file.
    pub size: u64,
    /// Unix seconds of its last change.
    pub modified: i64,
    /// Permission bits with set-uid, set-gid and sticky.
    pub mode: u32,
    /// For a link, where it leads in the end; else empty.
    pub target: String,
    /// Whether that is a folder.
    pub to_folder: bool,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A device, a pipe or a socket.
    Other,
    /// In a layer alone: what lower layers have by this name is gone.
    Removed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_form() {
        let entry = Entry {
            name: "etc".to_owned(),
            kind: Kind::Link,
            size: 0,
            modified: 7,
            mode: 0o755,
            target: "/usr/etc".to_owned(),
            to_folder: true,
        };
        let folder = Folder { entries: vec![entry], more: false };
        let golden = r#"{"entries":[{"name":"etc","kind":"link","size":0,"modified":7,"mode":493,"target":"/usr/etc","to_folder":true}],"more":false}"#;
        assert_eq!(serde_json::to_string(&folder).unwrap(), golden);
        assert_eq!(serde_json::from_str::<Folder>(golden).unwrap(), folder);
    }
}
