//! The directory `.git` beside the files of a commit, as a clone of that commit alone has it.
//!
//! ```text
//! HEAD              the commit
//! config            where it is from
//! shallow           the commit, if it has others before it
//! refs/heads/<name> the branch or tag that was asked for, if it was one
//! objects/pack/     what there is of it
//! index             the files, so that none of them counts as changed
//! ```
//!
//! It is the same bytes each time, and of the commit's time. Repositories in it are files alone.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{Timespec, Timestamps, futimens};

use crate::checkout::{TREE_MAX, find_commit};
use crate::error::GitError;
use crate::object::ObjectId;
use crate::pack::{Pack, Room};
use crate::refs::Found;
use crate::store::{Writing, store};
use crate::tree::{self, EntryKind};

const DIRECTORY: &str = ".git";
/// An entry of the index without its name.
const ENTRY: usize = 62;
/// How long a name may be for the index to say it.
const NAME_MAX: usize = 0xfff;

/// Writes it for a commit that was checked out into `directory`, where no such file can be yet.
/// Of `remote` no password may be left.
pub fn keep(
    pack: &Pack,
    found: &Found,
    remote: &str,
    directory: &Path,
    room: &mut Room,
) -> Result<(), GitError> {
    let (id, commit) = find_commit(pack, found.commit)?;
    let files = files(pack, commit.tree, room)?;
    let git = directory.join(DIRECTORY);
    for name in ["objects/pack", "objects/info", "refs/heads", "refs/tags"] {
        fs::create_dir_all(git.join(name)).map_err(failed(name))?;
    }
    let text = |name: &str, content: &str| fs::write(git.join(name), content).map_err(failed(name));
    text("HEAD", &format!("{id}\n"))?;
    text("config", &config(remote))?;
    if commit.has_parents {
        text("shallow", &format!("{id}\n"))?;
    }
    if let Some(name) = found.name.as_deref().filter(|name| is_reference(name)) {
        if let Some(parent) = git.join(name).parent() {
            fs::create_dir_all(parent).map_err(failed(name))?;
        }
        text(name, &format!("{}\n", found.object))?;
    }
    room.take(store(pack, &git.join("objects/pack"))?)?;
    write_index(&files, commit.time, &git.join("index")).map_err(failed("index"))?;
    date(&git, commit.time).map_err(failed(""))
}

fn failed(name: &str) -> impl FnOnce(io::Error) -> GitError {
    let path = format!("{DIRECTORY}/{name}");
    move |source| GitError::Write { path, source }
}

fn config(remote: &str) -> String {
    let remote = remote.replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\
         \tlogallrefupdates = true\n[remote \"origin\"]\n\turl = \"{remote}\"\n\
         \tfetch = +refs/heads/*:refs/remotes/origin/*\n"
    )
}

/// Whether a server's name for a reference is one that leads nowhere else as a file's.
fn is_reference(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.strip_suffix(".lock").is_none()
            && part.len() < 256
    };
    let is_below = name.starts_with("refs/heads/") || name.starts_with("refs/tags/");
    is_below
        && name.len() < 4096
        && !name.contains(char::is_control)
        && name.split('/').all(is_part)
}

/// A file of the commit.
struct Staged {
    path: Vec<u8>,
    mode: u32,
    size: u64,
    id: ObjectId,
}

/// All files below a tree, in order of path. The tree has been checked out: it has an end.
fn files(pack: &Pack, tree: ObjectId, room: &mut Room) -> Result<Vec<Staged>, GitError> {
    let (mut files, mut todo) = (Vec::new(), vec![(Vec::new(), tree)]);
    while let Some((parent, tree)) = todo.pop() {
        for entry in tree::parse(tree, &pack.content(tree, TREE_MAX)?)? {
            let path = [&parent, &entry.name[..]].concat();
            let mode = match entry.what {
                EntryKind::Directory => {
                    todo.push(([&path[..], b"/"].concat(), entry.id));
                    continue;
                }
                EntryKind::File => 0o100_644,
                EntryKind::Executable => 0o100_755,
                EntryKind::Symlink => 0o120_000,
                EntryKind::Submodule => 0o160_000,
            };
            let is_file = entry.what != EntryKind::Submodule;
            let size = if is_file { pack.size(entry.id)? } else { 0 };
            room.take((ENTRY + path.len()) as u64)?;
            files.push(Staged { path, mode, size, id: entry.id });
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

/// Which files there are, as `git` looks for what has changed: by their times and sizes first.
fn write_index(files: &[Staged], time: i64, path: &Path) -> io::Result<()> {
    let word = |number: u64| u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default();
    let mut index = Writing::new(File::create_new(path)?);
    index.write_all(b"DIRC\0\0\0\x02")?;
    index.write_all(&word(files.len() as u64).to_be_bytes())?;
    for file in files {
        let time = word(time.cast_unsigned());
        let size = word(file.size);
        // Changed and modified, device and number, mode, owner and group.
        for word in [time, 0, time, 0, 0, 0, file.mode, 0, 0, size] {
            index.write_all(&word.to_be_bytes())?;
        }
        index.write_all(file.id.as_bytes())?;
        let length = u16::try_from(file.path.len().min(NAME_MAX)).unwrap_or_default();
        index.write_all(&length.to_be_bytes())?;
        index.write_all(&file.path)?;
        // To a whole number of eight bytes, of which one at least is none.
        let padding = 8 - (ENTRY + file.path.len()) % 8;
        index.write_all(&[0; 8][..padding])?;
    }
    index.finish().map(drop)
}

/// Sets the times of everything below and of the directory itself.
fn date(directory: &Path, time: i64) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            date(&entry.path(), time)?;
        } else {
            set_time(File::open(entry.path())?, time)?;
        }
    }
    set_time(File::open(directory)?, time)
}

fn set_time(file: impl AsFd, time: i64) -> io::Result<()> {
    let time = Timespec { tv_sec: time, tv_nsec: 0 };
    Ok(futimens(file, &Timestamps { last_access: time, last_modification: time })?)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::checkout::{checkout, tests::tree};
    use crate::object::Kind;
    use crate::pack::tests::{Packer, ROOM};

    fn git(directory: &Path, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.arg("-C").arg(directory).args(["-c", "safe.directory=*"]).args(arguments);
        let said = command.output().unwrap();
        assert!(said.status.success(), "git {arguments:?}: {said:?}");
        String::from_utf8(said.stdout).unwrap().trim_end().to_owned()
    }

    #[test]
    fn git_finds_a_whole_clone_in_which_nothing_has_changed() {
        let mut packer = Packer::new();
        let large = packer.add(Kind::Blob, &vec![7; 300_000]);
        let small = packer.add(Kind::Blob, b"content");
        let link = packer.add(Kind::Blob, b"a");
        let inner = tree(&mut packer, &[("100755", "run", small), ("120000", "to", link)]);
        // In git's order, in which a directory is one with a slash.
        let entries = [("100644", "a", small), ("100644", "d.x", large), ("40000", "d", inner)];
        let root = tree(&mut packer, &entries);
        let before = "0123456789".repeat(4);
        let text = format!(
            "tree {root}\nparent {before}\nauthor A <a@b> 5 +0000\ncommitter A <a@b> 7 +0000\n\nx\n"
        );
        let commit = packer.add(Kind::Commit, text.as_bytes());
        let tag = format!("object {commit}\ntype commit\ntag v1\ntagger A <a@b> 5 +0000\n\nx\n");
        let object = packer.add(Kind::Tag, tag.as_bytes());
        let kept = || {
            let directory = tempfile::tempdir().unwrap();
            let mut room = ROOM;
            let pack = packer.receive(&mut room).unwrap();
            checkout(&pack, commit, directory.path(), &mut room, &|| false).unwrap();
            let found = Found { name: Some("refs/tags/v1".to_owned()), commit, object };
            keep(&pack, &found, "https://a.b/c.git", directory.path(), &mut room).unwrap();
            directory
        };
        let directory = kept();
        let at = directory.path();
        assert_eq!(git(at, &["status", "--porcelain"]), "");
        assert_eq!(git(at, &["rev-parse", "HEAD"]), commit.to_string());
        assert_eq!(git(at, &["describe"]), "v1");
        assert_eq!(git(at, &["log", "--format=%H"]), commit.to_string());
        assert_eq!(git(at, &["config", "remote.origin.url"]), "https://a.b/c.git");
        git(at, &["fsck", "--full", "--strict"]);
        fs::write(at.join("a"), "changed").unwrap();
        assert_eq!(git(at, &["status", "--porcelain"]), " M a");
        let index = |at: &Path| {
            fs::read(
                at.join(".git/objects/pack")
                    .read_dir()
                    .unwrap()
                    .map(|entry| entry.unwrap().path())
                    .find(|path| path.extension().is_some_and(|ending| ending == "idx"))
                    .unwrap(),
            )
            .unwrap()
        };
        assert_eq!(index(at), index(kept().path()));
    }

    #[test]
    fn a_servers_names_lead_nowhere_else() {
        for name in ["refs/heads/main", "refs/tags/v1", "refs/heads/a/b"] {
            assert!(is_reference(name), "{name}");
        }
        for name in
            ["HEAD", "refs/heads/../../config", "refs/heads//a", "refs/pull/1", "refs/heads/"]
        {
            assert!(!is_reference(name), "{name}");
        }
    }
}
