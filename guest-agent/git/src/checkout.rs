//! A commit becomes files.

use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::vec::IntoIter;

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, Timespec, Timestamps, fchmod, futimens, mkdirat, openat, symlinkat,
    utimensat,
};
use rustix::io::Errno;

use crate::error::GitError;
use crate::object::{Commit, Kind, ObjectId, tagged};
use crate::pack::{Pack, Room};
use crate::tree::{self, EntryKind, TreeEntry};

/// More than any real tree or commit.
pub(crate) const TREE_MAX: u64 = 64 << 20;
/// More than the kernel takes for a link.
const LINK_MAX: u64 = 4 << 10;
/// Tags of tags.
const TAGS_MAX: usize = 10;
/// Deeper than any path can name.
const DEPTH_MAX: usize = 2048;

/// What is to be done after the files are there.
#[derive(Clone, Debug, Default)]
pub struct Checkout {
    /// The other repositories in it. Their directories are there, and empty.
    pub submodules: Vec<Submodule>,
}

/// Another repository in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submodule {
    /// Where it is, below the directory.
    pub path: String,
    /// Which of its commits.
    pub commit: ObjectId,
}

/// Writes the files of a commit into the empty directory `directory`, nowhere else, until
/// `is_given_up`. Their time is the commit's, so that the same commit is the same files.
pub fn checkout(
    pack: &Pack,
    commit: ObjectId,
    directory: &Path,
    room: &mut Room,
    is_given_up: &dyn Fn() -> bool,
) -> Result<Checkout, GitError> {
    let (_, commit) = find_commit(pack, commit)?;
    let time = Timespec { tv_sec: commit.time, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = openat(CWD, directory, flags, Mode::empty()).map_err(failed(b""))?;
    let mut writing = Writing { pack, room, times, levels: Vec::new(), found: Checkout::default() };
    writing.enter(commit.tree, open, Vec::new())?;
    while let Some(level) = writing.levels.last_mut() {
        if is_given_up() {
            return Err(GitError::Broken("it was given up"));
        }
        match level.entries.next() {
            Some(entry) => writing.write(&entry)?,
            None => writing.leave()?,
        }
    }
    Ok(writing.found)
}

/// The commit that is meant by its id, or by that of a tag.
pub(crate) fn find_commit(pack: &Pack, mut id: ObjectId) -> Result<(ObjectId, Commit), GitError> {
    for _ in 0..TAGS_MAX {
        let content = pack.content(id, TREE_MAX)?;
        let broken = || GitError::Object(id.to_string());
        match pack.kind(id)? {
            Kind::Commit => {
                let commit = Commit::parse(&content).ok_or_else(broken)?;
                return Ok((id, commit));
            }
            Kind::Tag => id = tagged(&content).ok_or_else(broken)?,
            Kind::Tree | Kind::Blob => return Err(broken()),
        }
    }
    Err(GitError::Object(id.to_string()))
}

struct Writing<'a> {
    pack: &'a Pack,
    room: &'a mut Room,
    times: Timestamps,
    levels: Vec<Level>,
    found: Checkout,
}

/// A directory that is being written.
struct Level {
    path: Vec<u8>,
    open: OwnedFd,
    entries: IntoIter<TreeEntry>,
}

impl Writing<'_> {
    fn enter(&mut self, id: ObjectId, open: OwnedFd, path: Vec<u8>) -> Result<(), GitError> {
        if self.levels.len() >= DEPTH_MAX {
            return Err(failed(&path)(Errno::NAMETOOLONG));
        }
        if self.pack.kind(id)? != Kind::Tree {
            return Err(GitError::Object(id.to_string()));
        }
        let entries = tree::parse(id, &self.pack.content(id, TREE_MAX)?)?.into_iter();
        self.levels.push(Level { path, open, entries });
        Ok(())
    }

    fn leave(&mut self) -> Result<(), GitError> {
        let Some(level) = self.levels.pop() else { return Ok(()) };
        futimens(&level.open, &self.times).map_err(failed(&level.path))
    }

    fn write(&mut self, entry: &TreeEntry) -> Result<(), GitError> {
        let Some(level) = self.levels.last() else { return Ok(()) };
        let here = level.open.as_fd();
        let name = entry.name.as_slice();
        let mut path = level.path.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        self.room.take_file()?;
        match entry.what {
            EntryKind::File | EntryKind::Executable => {
                self.blob(entry.id)?;
                self.room.take(self.pack.size(entry.id)?)?;
                let flags = OFlags::WRONLY
                    | OFlags::CREATE
                    | OFlags::EXCL
                    | OFlags::NOFOLLOW
                    | OFlags::CLOEXEC;
                let made = openat(here, name, flags, Mode::RUSR | Mode::WUSR);
                let mut file = File::from(made.map_err(failed(&path))?);
                self.pack.write_content(entry.id, &mut file)?;
                let mode = if entry.what == EntryKind::Executable { 0o755 } else { 0o644 };
                fchmod(&file, Mode::from_raw_mode(mode)).map_err(failed(&path))?;
                futimens(&file, &self.times).map_err(failed(&path))
            }
            EntryKind::Symlink => {
                self.blob(entry.id)?;
                let target = self.pack.content(entry.id, LINK_MAX)?;
                symlinkat(target.as_slice(), here, name).map_err(failed(&path))?;
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                utimensat(here, name, &self.times, flags).map_err(failed(&path))
            }
            EntryKind::Directory => {
                let made = directory(here, name).map_err(failed(&path))?;
                self.enter(entry.id, made, path)
            }
            EntryKind::Submodule => {
                directory(here, name).map_err(failed(&path))?;
                // The very directory that was made: a name that is only like it may be a link.
                let path = String::from_utf8(path).map_err(|error| {
                    GitError::Name(String::from_utf8_lossy(error.as_bytes()).into_owned())
                })?;
                self.found.submodules.push(Submodule { path, commit: entry.id });
                Ok(())
            }
        }
    }

    fn blob(&self, id: ObjectId) -> Result<(), GitError> {
        match self.pack.kind(id)? {
            Kind::Blob => Ok(()),
            Kind::Commit | Kind::Tree | Kind::Tag => Err(GitError::Object(id.to_string())),
        }
    }
}

fn directory(here: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    mkdirat(here, name, Mode::from_raw_mode(0o755))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = openat(here, name, flags, Mode::empty())?;
    fchmod(&made, Mode::from_raw_mode(0o755))?;
    Ok(made)
}

fn failed(path: &[u8]) -> impl FnOnce(Errno) -> GitError {
    let path = String::from_utf8_lossy(path).into_owned();
    move |errno| GitError::Write { path, source: errno.into() }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::pack::tests::{Packer, ROOM};

    pub(crate) fn tree(packer: &mut Packer, entries: &[(&str, &str, ObjectId)]) -> ObjectId {
        let mut content = Vec::new();
        for (mode, name, id) in entries {
            content.extend(format!("{mode} {name}\0").into_bytes());
            let id = id.to_string();
            content
                .extend((0..20).map(|at| u8::from_str_radix(&id[2 * at..2 * at + 2], 16).unwrap()));
        }
        packer.add(Kind::Tree, &content)
    }

    fn commit(packer: &mut Packer, tree: ObjectId) -> ObjectId {
        let text = format!("tree {tree}\nauthor A <a@b> 5 +0000\ncommitter A <a@b> 7 +0000\n\nx\n");
        packer.add(Kind::Commit, text.as_bytes())
    }

    fn checked_out(
        packer: &Packer,
        id: ObjectId,
    ) -> Result<(tempfile::TempDir, Checkout), GitError> {
        let directory = tempfile::tempdir().unwrap();
        let mut room = ROOM;
        let pack = packer.receive(&mut room)?;
        let found = checkout(&pack, id, directory.path(), &mut room, &|| false)?;
        Ok((directory, found))
    }

    #[test]
    fn a_commit_becomes_files() {
        let mut packer = Packer::new();
        let file = packer.add(Kind::Blob, b"content");
        let link = packer.add(Kind::Blob, b"../../out");
        let inner = tree(&mut packer, &[("100755", "run", file), ("120000", "link", link)]);
        let other = ObjectId::of(Kind::Commit, b"elsewhere").unwrap();
        let entries = [("100644", "a", file), ("40000", "d", inner), ("160000", "sub", other)];
        let root = tree(&mut packer, &entries);
        let id = commit(&mut packer, root);
        let tag = packer.add(Kind::Tag, format!("object {id}\ntype commit\ntag v1\n").as_bytes());
        for id in [id, tag] {
            let (directory, found) = checked_out(&packer, id).unwrap();
            let at = |name: &str| fs::symlink_metadata(directory.path().join(name)).unwrap();
            assert_eq!(fs::read(directory.path().join("d/run")).unwrap(), b"content");
            let modes = ["a", "d", "d/run", "sub"].map(|name| at(name).mode() & 0o7777);
            assert_eq!(modes, [0o644, 0o755, 0o755, 0o755]);
            assert!(["a", "d", "d/run", "d/link"].iter().all(|name| at(name).mtime() == 7));
            let target = fs::read_link(directory.path().join("d/link")).unwrap();
            assert_eq!(target, Path::new("../../out"));
            let submodule = Submodule { path: "sub".to_owned(), commit: other };
            assert_eq!(found.submodules, [submodule]);
        }
    }

    #[test]
    fn a_submodule_is_at_the_very_place_that_was_made() {
        let mut packer = Packer::new();
        let mut content = b"160000 d\xff\0".to_vec();
        content.extend([7; 20]);
        let root = packer.add(Kind::Tree, &content);
        let id = commit(&mut packer, root);
        assert!(matches!(checked_out(&packer, id), Err(GitError::Name(_))));
    }

    #[test]
    fn hostile_commits_write_nothing_outside() {
        let mut packer = Packer::new();
        let file = packer.add(Kind::Blob, b"content");
        let link = packer.add(Kind::Blob, b"/tmp");
        let inner = tree(&mut packer, &[("100644", "naru-escaped", file)]);
        // A link, and then a directory in its place.
        let twice = tree(&mut packer, &[("120000", "x", link), ("40000", "x", inner)]);
        let id = commit(&mut packer, twice);
        assert!(matches!(checked_out(&packer, id), Err(GitError::Write { .. })));
        for (mode, name, of) in [
            ("100644", "..", file),
            ("40000", ".git", inner),
            ("40000", "a", file),
            ("100644", "a", inner),
            ("120000", "a", inner),
            ("100644", "a", ObjectId::of(Kind::Blob, b"missing").unwrap()),
        ] {
            let root = tree(&mut packer, &[(mode, name, of)]);
            let id = commit(&mut packer, root);
            checked_out(&packer, id).unwrap_err();
        }
        checked_out(&packer, file).unwrap_err();
        assert!(!Path::new("/tmp/naru-escaped").exists());
    }

    #[test]
    fn a_few_trees_do_not_become_endless_files() {
        let mut packer = Packer::new();
        let mut id = packer.add(Kind::Blob, b"");
        for level in 0..10 {
            let mode = if level == 0 { "100644" } else { "40000" };
            let names: Vec<String> = (0..10).map(|name| name.to_string()).collect();
            let entries: Vec<(&str, &str, ObjectId)> =
                names.iter().map(|name| (mode, name.as_str(), id)).collect();
            id = tree(&mut packer, &entries);
        }
        let id = commit(&mut packer, id);
        assert!(matches!(checked_out(&packer, id), Err(GitError::NoRoom)));
    }
}
