//! Files and directories that are the user's alone.
//!
//! On Unix by mode (0600, 0700); on Windows by the access list that the user's
//! profile directory hands down.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::AppError;

/// Creates `path` and what is missing above it, readable by the user only.
///
/// A directory that exists already is made private as well.
pub(crate) fn create_directory(path: &Path) -> Result<(), AppError> {
    let failed = |source| AppError::File { action: "create", path: path.to_owned(), source };
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
        builder.mode(0o700).create(path).map_err(failed)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(failed)
    }
    #[cfg(not(unix))]
    {
        builder.create(path).map_err(failed)
    }
}

/// Opens `path` for writing and creates it when it is missing, for the user only.
pub(crate) fn open_or_create(path: &Path) -> Result<File, AppError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path).map_err(|source| AppError::File {
        action: "open",
        path: path.to_owned(),
        source,
    })
}

/// Replaces `path` by `content` at once: a reader sees the old or the new text,
/// also after a crash.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<(), AppError> {
    let temporary = beside(path, &format!("new-{}", std::process::id()));
    let failed = |source| AppError::File { action: "write", path: path.to_owned(), source };
    let mut file = open_or_create(&temporary)?;
    let written = file
        .set_len(0)
        .and_then(|()| file.write_all(content))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // Nothing is lost when this fails too: the name is never read.
        drop(fs::remove_file(&temporary));
    }
    written.map_err(failed)
}

/// The name of a file beside `path`: its own name, a dot and `suffix`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(suffix);
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_file_is_whole_and_leaves_no_other_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("settings.json");
        write_atomically(&path, b"a longer first text").unwrap();
        write_atomically(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn files_and_directories_are_the_users_alone() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("a/b");
        create_directory(&inner).unwrap();
        let file = inner.join("f");
        write_atomically(&file, b"").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&inner), mode(&file)), (0o700, 0o600));
    }
}
