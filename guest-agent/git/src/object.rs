//! Objects: what they are known by, and what is in them.

use std::fmt;
use std::str::FromStr;

use sha1_checked::{Digest as _, Sha1};

use crate::error::GitError;

/// What an object is known by: the SHA-1 of what it is and has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId([u8; 20]);

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Commit,
    Tree,
    Blob,
    Tag,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
            Self::Tag => "tag",
        }
    }
}

/// Makes an id of an object that is read piece by piece.
pub(crate) struct IdHasher(Sha1);

impl IdHasher {
    pub(crate) fn new(kind: Kind, size: u64) -> Self {
        let mut hasher = Sha1::new();
        hasher.update(format!("{} {size}\0", kind.as_str()));
        Self(hasher)
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// An object that was made to have another one's id is none.
    pub(crate) fn finish(self) -> Result<ObjectId, GitError> {
        let found = self.0.try_finalize();
        if found.has_collision() {
            return Err(GitError::Broken("an object is made to be taken for another"));
        }
        Ok(ObjectId((*found.hash()).into()))
    }
}

impl ObjectId {
    pub(crate) fn of(kind: Kind, content: &[u8]) -> Result<Self, GitError> {
        let mut hasher = IdHasher::new(kind, content.len() as u64);
        hasher.update(content);
        hasher.finish()
    }

    pub(crate) fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl FromStr for ObjectId {
    type Err = GitError;

    fn from_str(text: &str) -> Result<Self, GitError> {
        let broken = || GitError::Broken("an object id is none");
        let mut bytes = [0; 20];
        if text.len() != 40 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(broken());
        }
        for (number, byte) in bytes.iter_mut().enumerate() {
            let digits = text.get(2 * number..2 * number + 2).ok_or_else(broken)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| broken())?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// What is needed of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) tree: ObjectId,
    /// Seconds since 1970.
    pub(crate) time: i64,
    /// Whether there are others before it.
    pub(crate) has_parents: bool,
}

impl Commit {
    /// Reads the head of a commit: its message is nobody's business.
    pub(crate) fn parse(content: &[u8]) -> Option<Self> {
        let (mut tree, mut time, mut has_parents) = (None, None, false);
        for line in content.split(|&byte| byte == b'\n').take_while(|line| !line.is_empty()) {
            let line = String::from_utf8_lossy(line);
            if let Some(id) = line.strip_prefix("tree ") {
                tree = id.parse().ok();
            } else if line.starts_with("parent ") {
                has_parents = true;
            } else if let Some(committer) = line.strip_prefix("committer ") {
                // A name, an address, seconds and a time zone.
                time = committer.rsplit(' ').nth(1).and_then(|seconds| seconds.parse().ok());
            }
        }
        Some(Self { tree: tree?, time: time?, has_parents })
    }
}

/// The object that a tag is of.
pub(crate) fn tagged(content: &[u8]) -> Option<ObjectId> {
    let line = content.split(|&byte| byte == b'\n').next()?;
    str::from_utf8(line).ok()?.strip_prefix("object ")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_gits() {
        let empty = ObjectId::of(Kind::Blob, b"").unwrap();
        assert_eq!(empty.to_string(), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        let tree = ObjectId::of(Kind::Tree, b"").unwrap();
        assert_eq!(tree.to_string(), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
        assert_eq!(tree.to_string().parse::<ObjectId>().unwrap(), tree);
        for text in ["", "e69de29", "+69de29bb2d1d6434b8b29ae775ad8c2e48c5391"] {
            text.parse::<ObjectId>().unwrap_err();
        }
    }

    #[test]
    fn a_commit_has_a_tree_and_a_time() {
        let text = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\
                    author A <a@b> 1 +0000\ncommitter B C <b@c> 1700000000 +0100\n\ntree x\n";
        let commit = Commit::parse(text.as_bytes()).unwrap();
        assert_eq!(commit.time, 1_700_000_000);
        assert_eq!(commit.tree.to_string(), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
        assert_eq!(Commit::parse(b"author A <a@b> 1 +0000\n\n"), None);
        let tag = b"object 4b825dc642cb6eb9a060e54bf8d69288fbee4904\ntype commit\n";
        assert_eq!(tagged(tag), Some(commit.tree));
    }
}
