//! The files that an image is built from.
//!
//! Each case has the usual ones, and those that it names. A name may have a mode behind it
//! (`run.sh 755`); a directory's ends with `/`, and that of a link is `name ->`, of another name
//! of a file `name =>`, of one with an attribute `name user.attribute=value`.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, ensure};
use naru_test_framework::oci::LayerWriter;
use tar::EntryType;

use super::case::{Case, Change, Content};

/// Of every file, unless it is written again.
const MODIFIED: Duration = Duration::from_secs(1_600_000_000);
const USUAL: [(&str, &str); 8] = [
    ("a", "one\n"),
    ("b", "two\n"),
    ("run.sh 755", "#!/bin/sh\necho ran\n"),
    ("private 600", "private\n"),
    ("dir/x", "x\n"),
    ("dir/y.txt", "y\n"),
    ("dir/sub/z.txt", "z\n"),
    ("dir/to-x ->", "x"),
];

/// Writes what a case is built from; for Docker with the Dockerfile that it can read.
pub(super) fn write(folder: &Path, case: &Case, for_docker: bool) -> anyhow::Result<()> {
    for (name, text) in USUAL {
        write_one(folder, name, &Content::Text(text.to_owned()))?;
    }
    for (name, content) in &case.context {
        write_one(folder, name, content).with_context(|| name.clone())?;
    }
    let instead = case.docker.as_ref().filter(|_| for_docker);
    write_dockerfile(folder, case, instead.unwrap_or(&case.dockerfile))?;
    make_old(folder, SystemTime::UNIX_EPOCH + MODIFIED)
}

/// Writes what `ADD` fetches.
pub(super) fn write_served(folder: &Path) -> anyhow::Result<()> {
    let entries = BTreeMap::from([("in-it".to_owned(), "packed\n".to_owned())]);
    let archive = Content::Archive { tar: entries, through: Some("gzip".to_owned()) };
    for (name, content) in [
        ("served", Content::Text("served\n".to_owned())),
        ("deep/name.txt", Content::Text("named\n".to_owned())),
        ("packed.tar.gz", archive),
    ] {
        write_one(folder, name, &content)?;
    }
    make_old(folder, SystemTime::UNIX_EPOCH + MODIFIED)
}

fn write_dockerfile(folder: &Path, case: &Case, text: &str) -> anyhow::Result<()> {
    let path = folder.join(&case.file);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    Ok(fs::write(path, text)?)
}

pub(super) fn change(folder: &Path, case: &Case, change: &Change) -> anyhow::Result<()> {
    for name in &change.remove {
        let path = folder.join(name);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
            .with_context(|| name.clone())?;
    }
    for (name, content) in &change.write {
        write_one(folder, name, content).with_context(|| name.clone())?;
    }
    match &change.dockerfile {
        Some(text) => write_dockerfile(folder, case, text),
        None => Ok(()),
    }
}

/// What stands behind a name.
enum Kind<'a> {
    File { mode: u32 },
    Directory { mode: u32 },
    Link,
    Again,
    Attribute(&'a str, &'a str),
}

fn read_name(key: &str) -> anyhow::Result<(&str, Kind<'_>)> {
    let (name, rest) = key.split_once(' ').unwrap_or((key, ""));
    let kind = match rest {
        "->" => Kind::Link,
        "=>" => Kind::Again,
        "" if name.ends_with('/') => Kind::Directory { mode: 0o755 },
        "" => Kind::File { mode: 0o644 },
        attribute if attribute.contains('=') => {
            let (attribute, value) = attribute.split_once('=').context("an attribute")?;
            Kind::Attribute(attribute, value)
        }
        mode => {
            let mode = u32::from_str_radix(mode, 8).with_context(|| key.to_owned())?;
            if name.ends_with('/') { Kind::Directory { mode } } else { Kind::File { mode } }
        }
    };
    Ok((name, kind))
}

fn write_one(folder: &Path, key: &str, content: &Content) -> anyhow::Result<()> {
    let (name, kind) = read_name(key)?;
    // Names with spaces are written with `%20`.
    let path = folder.join(name.replace("%20", " "));
    fs::create_dir_all(path.parent().context("it is in the folder")?)?;
    let bytes = match content {
        Content::Text(text) => text.clone().into_bytes(),
        Content::Archive { tar, through } => archive(tar, through.as_deref())?,
    };
    let mode = match kind {
        Kind::File { mode } => {
            fs::write(&path, bytes)?;
            mode
        }
        Kind::Directory { mode } => {
            fs::create_dir_all(&path)?;
            mode
        }
        Kind::Link => return Ok(symlink(String::from_utf8(bytes)?, path)?),
        Kind::Again => return Ok(fs::hard_link(folder.join(String::from_utf8(bytes)?), path)?),
        Kind::Attribute(attribute, value) => {
            fs::write(&path, bytes)?;
            let flags = rustix::fs::XattrFlags::empty();
            rustix::fs::setxattr(&path, attribute, value.as_bytes(), flags)?;
            0o644
        }
    };
    Ok(fs::set_permissions(&path, Permissions::from_mode(mode))?)
}

/// A tar whose entries are named as files are; `0:0` unless a name has an owner (`name @5:6`).
fn archive(entries: &BTreeMap<String, String>, through: Option<&str>) -> anyhow::Result<Vec<u8>> {
    let mut layer = LayerWriter::new();
    for (key, text) in entries {
        let (key, owner) = key.split_once(" @").unwrap_or((key, "0:0"));
        let (user, group) = owner.split_once(':').context("an owner")?;
        layer.owner(user.parse()?, group.parse()?);
        let (name, kind) = read_name(key)?;
        match kind {
            Kind::File { mode } => layer.file(name, mode, text.as_bytes())?,
            Kind::Directory { mode } => layer.directory(name.trim_end_matches('/'), mode)?,
            Kind::Link => layer.symlink(name, text)?,
            // Docker gives the file the mode of its last name.
            Kind::Again => layer.entry(name, EntryType::Link, 0o755, Some(text), b"")?,
            Kind::Attribute(attribute, value) => {
                layer.attribute(attribute, value.as_bytes());
                layer.file(name, 0o644, text.as_bytes())?;
            }
        }
    }
    let tar = layer.into_tar();
    match through {
        None => Ok(tar),
        Some(program) => filter(program, &tar),
    }
}

fn filter(program: &str, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut child = Command::new(program)
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| program.to_owned())?;
    // These are smaller than a pipe.
    child.stdin.take().context("it has an input")?.write_all(bytes)?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{program} fails");
    Ok(output.stdout)
}

/// What was made before anything else was has a time that can be told from now.
fn make_old(path: &Path, modified: SystemTime) -> anyhow::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_symlink() {
        let time = rustix::fs::Timespec { tv_sec: MODIFIED.as_secs().cast_signed(), tv_nsec: 0 };
        let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        return Ok(rustix::fs::utimensat(rustix::fs::CWD, path, &times, flags)?);
    }
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            make_old(&entry?.path(), modified)?;
        }
    }
    Ok(File::open(path)?.set_times(FileTimes::new().set_modified(modified))?)
}
