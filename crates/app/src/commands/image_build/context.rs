//! The archive of a folder that an image is built from. All of it blocks.

use std::fs::{self, DirEntry, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use naru_dockerfile::{Ignore, ParentMatch, ignore_files, ignore_patterns};
use tar::Builder;

use super::super::files::archive::header;
use super::super::files::packing_failed;
use crate::AppError;
use crate::local_file::failed;

/// The largest file of patterns that is read.
const MAX_PATTERNS: u64 = 8 << 20;

/// What of `folder` is none of the build's, as its `.dockerignore` says, or the one of this
/// Dockerfile alone.
///
/// The engine needs both files, whatever they say of themselves: it leaves them out then.
pub(super) fn ignored(folder: &Path, dockerfile: &str) -> Result<Ignore, AppError> {
    for name in ignore_files(dockerfile) {
        let path = folder.join(&name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(failed("read", &path, source)),
        };
        let mut text = String::new();
        let read = file.take(MAX_PATTERNS).read_to_string(&mut text);
        read.map_err(|source| failed("read", &path, source))?;
        let needed = [format!("!{name}"), format!("!{dockerfile}")];
        let patterns = ignore_patterns(&text).into_iter().chain(needed);
        return Ignore::new(patterns).map_err(|problem| {
            failed("understand", &path, io::Error::new(io::ErrorKind::InvalidData, problem))
        });
    }
    Ok(Ignore::default())
}

/// A directory that is still to be gone through.
struct Directory {
    path: PathBuf,
    /// Its name in the archive; empty for the folder itself.
    name: PathBuf,
    matched: ParentMatch,
}

/// Writes the folder as an archive whose owner is root. Links stay links; what is no file,
/// folder or link is left out, and so is what goes away meanwhile.
pub(super) fn pack(out: impl Write, folder: &Path, ignore: &Ignore) -> Result<(), AppError> {
    let mut builder = Builder::new(out);
    let root = Directory {
        path: folder.to_owned(),
        name: PathBuf::new(),
        matched: ParentMatch::default(),
    };
    let mut todo = vec![root];
    while let Some(directory) = todo.pop() {
        let unreadable = |source| failed("read", &directory.path, source);
        let entries = fs::read_dir(&directory.path).map_err(unreadable)?;
        let mut entries: Vec<_> = entries.collect::<io::Result<_>>().map_err(unreadable)?;
        entries.sort_unstable_by_key(DirEntry::file_name);
        for entry in entries {
            let (path, name) = (entry.path(), directory.name.join(entry.file_name()));
            let (is_ignored, matched) = ignore.is_ignored_in(&slashed(&name), &directory.matched);
            let is_folder = entry.file_type().map_err(unreadable)?.is_dir();
            if !is_ignored {
                append(&mut builder, &path, &name)?;
            }
            if is_folder && (!is_ignored || ignore.has_exceptions_in(&slashed(&name))) {
                todo.push(Directory { path, name, matched });
            }
        }
    }
    let mut out = builder.into_inner().map_err(packing_failed)?;
    out.flush().map_err(packing_failed)
}

fn append(builder: &mut Builder<impl Write>, path: &Path, name: &Path) -> Result<(), AppError> {
    let unreadable = |source| failed("read", path, source);
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(unreadable(source)),
    };
    let mut header = header(&metadata);
    let appended = if metadata.is_dir() {
        builder.append_data(&mut header, name, io::empty())
    } else if metadata.is_symlink() {
        let target = fs::read_link(path).map_err(unreadable)?;
        builder.append_link(&mut header, name, target)
    } else if metadata.is_file() {
        let file = File::open(path).map_err(unreadable)?;
        // One that grows or shrinks meanwhile keeps the size that its header has.
        let content = file.take(metadata.len()).chain(io::repeat(0)).take(metadata.len());
        builder.append_data(&mut header, name, content)
    } else {
        Ok(())
    };
    appended.map_err(packing_failed)
}

/// The name with slashes on every system, as patterns have them.
fn slashed(name: &Path) -> String {
    let parts: Vec<_> = name.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path, dockerfile: &str) -> Vec<String> {
        let ignore = ignored(folder, dockerfile).unwrap();
        let mut out = Vec::new();
        pack(&mut out, folder, &ignore).unwrap();
        let mut archive = tar::Archive::new(out.as_slice());
        let entries = archive.entries().unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| slashed(&entry.unwrap().path().unwrap())).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_ignored_stays_here_but_for_its_exceptions_and_what_the_engine_needs() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path();
        fs::create_dir_all(folder.join("node_modules/deep")).unwrap();
        fs::create_dir_all(folder.join("src")).unwrap();
        for file in ["Dockerfile", "node_modules/deep/a", "node_modules/keep", "src/main", "b.log"]
        {
            fs::write(folder.join(file), file).unwrap();
        }
        let all = [
            "Dockerfile",
            "b.log",
            "node_modules",
            "node_modules/deep",
            "node_modules/deep/a",
            "node_modules/keep",
            "src",
            "src/main",
        ];
        assert_eq!(names(folder, "Dockerfile"), all);
        let patterns = "node_modules\n!node_modules/keep\n*.log\nDockerfile\n.dockerignore\n";
        fs::write(folder.join(".dockerignore"), patterns).unwrap();
        let left = [".dockerignore", "Dockerfile", "node_modules/keep", "src", "src/main"];
        assert_eq!(names(folder, "Dockerfile"), left);
        // A Dockerfile's own patterns take the place of the folder's.
        fs::write(folder.join("Dockerfile.dockerignore"), "*\n!src\n").unwrap();
        let left = ["Dockerfile", "Dockerfile.dockerignore", "src", "src/main"];
        assert_eq!(names(folder, "Dockerfile"), left);
        fs::write(folder.join("Dockerfile.dockerignore"), "[\n").unwrap();
        let error = ignored(folder, "Dockerfile").unwrap_err();
        assert!(error.to_string().contains("Dockerfile.dockerignore"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_links_and_lead_nobody_out_of_the_folder() {
        use std::os::unix::fs::symlink;

        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("app");
        fs::create_dir(&folder).unwrap();
        fs::write(home.path().join("secret"), "secret").unwrap();
        symlink("../secret", folder.join("file")).unwrap();
        symlink("..", folder.join("up")).unwrap();
        let mut out = Vec::new();
        pack(&mut out, &folder, &Ignore::default()).unwrap();
        let mut archive = tar::Archive::new(out.as_slice());
        let targets = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            entry.link_name().unwrap().unwrap().into_owned()
        });
        assert_eq!(targets.collect::<Vec<_>>(), [Path::new("../secret"), Path::new("..")]);
    }
}
