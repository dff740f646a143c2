//! Trees: what is in a directory.

use crate::error::GitError;
use crate::object::ObjectId;

/// One thing in a directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TreeEntry {
    pub(crate) name: Vec<u8>,
    pub(crate) what: EntryKind,
    pub(crate) id: ObjectId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    File,
    Executable,
    Symlink,
    Directory,
    /// A commit of another repository.
    Submodule,
}

/// Reads a tree; `id` is its own.
pub(crate) fn parse(id: ObjectId, content: &[u8]) -> Result<Vec<TreeEntry>, GitError> {
    let broken = || GitError::Object(id.to_string());
    let mut entries = Vec::new();
    let mut rest = content;
    while !rest.is_empty() {
        let space = rest.iter().position(|&byte| byte == b' ').ok_or_else(broken)?;
        let (mode, after) = (&rest[..space], &rest[space + 1..]);
        let end = after.iter().position(|&byte| byte == 0).ok_or_else(broken)?;
        let (name, after) = (&after[..end], &after[end + 1..]);
        let (of, after) = after.split_first_chunk::<20>().ok_or_else(broken)?;
        let mode = str::from_utf8(mode).ok().and_then(|mode| u32::from_str_radix(mode, 8).ok());
        let mode = mode.ok_or_else(broken)?;
        let what = match mode & 0o170_000 {
            0o040_000 => EntryKind::Directory,
            0o100_000 if mode & 0o111 != 0 => EntryKind::Executable,
            0o100_000 => EntryKind::File,
            0o120_000 => EntryKind::Symlink,
            0o160_000 => EntryKind::Submodule,
            _ => return Err(broken()),
        };
        if !is_name(name) {
            return Err(GitError::Name(String::from_utf8_lossy(name).into_owned()));
        }
        entries.push(TreeEntry { name: name.to_vec(), what, id: ObjectId::from_bytes(*of) });
        rest = after;
    }
    Ok(entries)
}

/// Whether a file may be called so: it leads nowhere, and is nothing of git's own.
fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..")
        && !name.contains(&b'/')
        && !name.eq_ignore_ascii_case(b".git")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Kind;

    #[test]
    fn a_tree_has_names_that_lead_nowhere() {
        let id = ObjectId::of(Kind::Blob, b"").unwrap();
        let entry = |mode: &str, name: &str| {
            let mut entry = format!("{mode} {name}\0").into_bytes();
            entry.extend_from_slice(&[7; 20]);
            entry
        };
        let content = [entry("100644", "a"), entry("40000", "b c"), entry("120000", "-d")].concat();
        let entries = parse(id, &content).unwrap();
        let found: Vec<_> = entries.iter().map(|entry| entry.what).collect();
        assert_eq!(found, [EntryKind::File, EntryKind::Directory, EntryKind::Symlink]);
        for name in ["", ".", "..", "a/b", ".git", ".GIT"] {
            let error = parse(id, &entry("100644", name)).unwrap_err();
            assert!(matches!(error, GitError::Name(_)), "{name:?}: {error}");
        }
        for broken in
            [entry("0", "a"), entry("x", "a"), content[..20].to_vec(), b"100644 ".to_vec()]
        {
            assert!(matches!(parse(id, &broken), Err(GitError::Object(_))));
        }
    }
}
