//! The files of containers and images.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A path in a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ContainerPath {
    /// Name, id or unique id prefix.
    pub id: String,
    /// From the container's root.
    pub path: String,
}

/// A folder of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ImageFolder {
    /// A name or an id.
    pub image: String,
    /// One of its layers alone, the lowest being 0; none for what they are together.
    pub layer: Option<u32>,
    /// From the image's root.
    pub path: String,
}

/// What is in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct FolderListing {
    /// Folders first, then by name.
    pub entries: Vec<FolderEntry>,
    /// Whether there are more than are listed.
    pub more: bool,
}

/// One thing in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct FolderEntry {
    /// Its name; bytes that are no UTF-8 are shown as `U+FFFD`.
    pub name: String,
    /// `file`, `folder`, `link`, `other`, or, in a layer alone, `removed`.
    #[ts(type = "\"file\" | \"folder\" | \"link\" | \"other\" | \"removed\"")]
    pub kind: String,
    /// Bytes; 0 for what is no file.
    #[ts(type = "number")]
    pub size: u64,
    /// Unix seconds of its last change.
    #[ts(type = "number")]
    pub modified: i64,
    /// Permissions as octal digits, such as `0644`.
    pub mode: String,
    /// Where a link leads in the end, or empty.
    pub target: String,
    /// Whether a link leads to a folder.
    pub to_folder: bool,
}

/// A file's content, as far as it can be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct FileText {
    /// The text; none when the file is no text.
    pub text: Option<String>,
    /// The file's size in bytes; it may be more than the text has.
    #[ts(type = "number")]
    pub size: u64,
}

/// `container.write_file`: new content for a file that is text. Owner and rights stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct FileWrite {
    /// Name, id or unique id prefix.
    pub id: String,
    /// From the container's root; no link.
    pub path: String,
    /// What was in it: a file that has changed since is left as it is.
    pub before: String,
    /// What is to be in it.
    pub text: String,
}

/// `container.download`: a copy on this computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ContainerDownload {
    /// Name, id or unique id prefix.
    pub id: String,
    /// The path in the container.
    pub path: String,
    /// The file to write, as the person chose it; what is there is replaced.
    pub local: String,
    /// Whether it is a folder, of which an archive is written.
    pub folder: bool,
}

/// `container.upload`: a copy in the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ContainerUpload {
    /// Name, id or unique id prefix.
    pub id: String,
    /// The folder in the container that it comes into.
    pub path: String,
    /// The file or folder on this computer, as the person chose it.
    pub local: String,
}

/// One thing that is not as the image has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct FileChange {
    /// From the container's root.
    pub path: String,
    /// `added`, `changed` or `removed`.
    #[ts(type = "\"added\" | \"changed\" | \"removed\"")]
    pub kind: String,
}
