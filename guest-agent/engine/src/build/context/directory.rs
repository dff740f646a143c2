//! The directory that a context is in.

use std::ffi::OsStr;
use std::fs::{DirBuilder, read_dir};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use naru_image_store::UnpackError;
use rustix::process::{getegid, geteuid};
use tokio::runtime::Handle;

use super::error::ContextError;
use crate::container::random_id;
use crate::files::{FilesError, Room, Tree, UnpackOptions, remove_all, unpack};

/// More than any Dockerfile, or list of what is ignored.
pub(super) const TEXT_MAX: u64 = 8 << 20;

/// By so many bytes a text is told from an archive: a header of one, where all kinds have zeros.
const HEAD: u64 = 512;

/// What came in place of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// An archive, which is unpacked.
    Archive,
    /// A Dockerfile without anything.
    Dockerfile(String),
}

/// A directory for the files of a build, removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Context {
    directory: PathBuf,
    /// Where its files are: there, or in a directory of that.
    path: PathBuf,
}

impl Context {
    /// Makes an empty one in `contexts`, where [`sweep`] finds it after a crash.
    pub(crate) fn new(contexts: &Path) -> Result<Self, ContextError> {
        let make = |path: &Path, mode| {
            let failed = ContextError::directory("making", path);
            DirBuilder::new().recursive(true).mode(mode).create(path).map_err(failed)
        };
        make(contexts, 0o700)?;
        let path = contexts.join(random_id());
        // Whoever a `RUN` is executed by finds it mounted.
        make(&path, 0o755)?;
        Ok(Self { directory: path.clone(), path })
    }

    /// Where its files are. What is written there is to belong to the engine's own user.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its files.
    pub(crate) fn tree(&self) -> Result<Tree, ContextError> {
        Tree::at(&self.path).map_err(ContextError::directory("opening", &self.path))
    }

    /// Unpacks an archive, compressed or not, into it. It takes what room there is, and leaves
    /// some for others.
    pub(crate) fn receive(&self, archive: impl Read) -> Result<(), ContextError> {
        let tree = self.tree()?;
        let room = Room::of(&tree)
            .map_err(|errno| ContextError::directory("looking at", &self.path)(errno.into()))?;
        let options = UnpackOptions {
            owner: Some((geteuid().as_raw(), getegid().as_raw())),
            room: Some(room),
            ..UnpackOptions::default()
        };
        unpack(&tree, b"/", options, archive).map_err(ContextError::Unpack)
    }

    /// The same of what may be a Dockerfile instead, which is told by what it is.
    pub(crate) fn receive_any(&self, mut reader: impl Read) -> Result<Received, ContextError> {
        let broken = |source| ContextError::Unpack(FilesError::Archive(UnpackError::Read(source)));
        let mut head = Vec::new();
        reader.by_ref().take(HEAD).read_to_end(&mut head).map_err(broken)?;
        if head.is_empty() {
            return Err(ContextError::Empty);
        }
        let reader = head.as_slice().chain(reader);
        if !is_text(&head) {
            return self.receive(reader).map(|()| Received::Archive);
        }
        let mut text = Vec::new();
        reader.take(TEXT_MAX + 1).read_to_end(&mut text).map_err(broken)?;
        if text.len() as u64 > TEXT_MAX {
            return Err(ContextError::TooLarge { path: "Dockerfile".to_owned(), limit: TEXT_MAX });
        }
        Ok(Received::Dockerfile(String::from_utf8_lossy(&text).into_owned()))
    }

    /// The text of one of its files, links followed; none if there is none.
    pub(crate) fn text(&self, path: &str) -> Result<Option<String>, ContextError> {
        read_text(&self.tree()?, path)
    }

    /// Leaves one of its directories for the whole.
    pub(super) fn narrow(&mut self, directory: &str) -> Result<(), ContextError> {
        let none = |_| ContextError::NoDirectory(directory.to_owned());
        let tree = self.tree()?;
        let real = tree.follow(directory.as_bytes()).map_err(none)?;
        tree.directory(&real).map_err(|errno| none(errno.into()))?;
        // Overlays are mounted of it, whose directories are one text with colons between them.
        if real.contains(&b':') || str::from_utf8(&real).is_err() {
            return Err(ContextError::Unmountable(String::from_utf8_lossy(&real).into_owned()));
        }
        let below = OsStr::from_bytes(real.strip_prefix(b"/").unwrap_or(&real));
        self.path = self.directory.join(below);
        Ok(())
    }
}

/// The text of a file of a tree; none if there is none.
pub(super) fn read_text(tree: &Tree, path: &str) -> Result<Option<String>, ContextError> {
    let unread = |source| ContextError::Read { path: path.to_owned(), source };
    let found = tree.follow(path.as_bytes()).and_then(|real| tree.look(&real));
    let file = match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found.and_then(|node| node.open_file()).map_err(unread)?,
    };
    let mut bytes = Vec::new();
    file.take(TEXT_MAX + 1).read_to_end(&mut bytes).map_err(unread)?;
    if bytes.len() as u64 > TEXT_MAX {
        return Err(ContextError::TooLarge { path: path.to_owned(), limit: TEXT_MAX });
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

impl Drop for Context {
    fn drop(&mut self) {
        let path = std::mem::take(&mut self.directory);
        match Handle::try_current() {
            // There may be a million files.
            Ok(runtime) => drop(runtime.spawn_blocking(move || remove_or_tell(&path))),
            Err(_) => remove_or_tell(&path),
        }
    }
}

/// Removes the contexts that an engine which was killed has left in `contexts`.
pub(crate) fn sweep(contexts: &Path) {
    for entry in read_dir(contexts).into_iter().flatten().flatten() {
        remove_or_tell(&entry.path());
    }
}

fn remove_or_tell(path: &Path) {
    if let Err(error) = remove_all(path) {
        tracing::warn!(path = %path.display(), %error, "left behind");
    }
}

/// Whether it begins as a text, which may be cut in the middle of a character.
fn is_text(head: &[u8]) -> bool {
    let is_valid = str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true);
    is_valid && !head.contains(&0)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use naru_error::ErrorKind;
    use tar::{Builder, EntryType, Header};
    use tempfile::{TempDir, tempdir};

    use super::*;

    fn context() -> (TempDir, Context) {
        let directory = tempdir().unwrap();
        let context = Context::new(&directory.path().join("builds/contexts")).unwrap();
        (directory, context)
    }

    #[test]
    fn no_directory_has_a_name_that_a_mount_takes_for_two() {
        let (_directory, mut context) = context();
        fs::create_dir(context.path().join("a")).unwrap();
        fs::create_dir_all(context.path().join("a:/etc")).unwrap();
        symlink("a:/etc", context.path().join("link")).unwrap();
        assert!(matches!(context.narrow("link"), Err(ContextError::Unmountable(_))));
        context.narrow("a").unwrap();
        assert!(context.path().ends_with("a"));
    }

    fn archive(members: &[(EntryType, &str, &str)]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (kind, name, content) in members {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_mode(0o640);
            header.set_mtime(7);
            header.set_uid(12_345);
            header.set_gid(12_345);
            let body = if *kind == EntryType::Regular { content.as_bytes() } else { b"" };
            if matches!(kind, EntryType::Symlink | EntryType::Link) {
                header.set_link_name(content).unwrap();
            }
            header.set_size(body.len() as u64);
            header.set_cksum();
            builder.append(&header, body).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn a_context_is_a_directory_of_the_engines_own_for_as_long_as_it_lives() {
        let (directory, context) = context();
        let members = [
            (EntryType::Directory, "d/", ""),
            (EntryType::Regular, "d/a", "text"),
            (EntryType::Link, "b", "d/a"),
            (EntryType::Symlink, "out", "/etc/passwd"),
            (EntryType::Fifo, "pipe", ""),
        ];
        context.receive(archive(&members).as_slice()).unwrap();
        let path = context.path().to_owned();
        let file = fs::metadata(path.join("d/a")).unwrap();
        assert_eq!((file.uid(), file.gid()), (geteuid().as_raw(), getegid().as_raw()));
        assert_eq!((file.mode() & 0o7777, file.mtime(), file.nlink()), (0o640, 7, 2));
        assert_eq!(fs::read_link(path.join("out")).unwrap(), Path::new("/etc/passwd"));
        assert_eq!(context.text("d/../b").unwrap().as_deref(), Some("text"));
        assert_eq!(context.text("nothing").unwrap(), None);
        assert_eq!(context.text("out").unwrap(), None, "it is looked for inside");
        for no_file in ["d", "pipe"] {
            let error = context.text(no_file).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{no_file}");
        }
        let contexts = directory.path().join("builds/contexts");
        assert_eq!(fs::metadata(&contexts).unwrap().mode() & 0o777, 0o700);
        drop(context);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_crash_leaves_is_swept() {
        let (directory, context) = context();
        fs::write(context.path().join("a"), "").unwrap();
        let contexts = directory.path().join("builds/contexts");
        sweep(&contexts);
        assert_eq!(fs::read_dir(&contexts).unwrap().count(), 0);
        sweep(&directory.path().join("nothing"));
    }

    #[test]
    fn no_member_is_written_outside() {
        let (directory, context) = context();
        let host = directory.path().join("host");
        fs::create_dir(&host).unwrap();
        symlink(&host, context.path().join("link")).unwrap();
        for name in ["../up", "d/../../up", "link/up"] {
            let member = [(EntryType::Regular, name, "x")];
            context.receive(archive(&member).as_slice()).expect_err(name);
        }
        let absolute = [(EntryType::Regular, "/up", "x")];
        context.receive(archive(&absolute).as_slice()).unwrap();
        assert!(context.path().join("up").is_file());
        let link = [(EntryType::Link, "stolen", "../../../host")];
        context.receive(archive(&link).as_slice()).unwrap_err();
        assert_eq!(fs::read_dir(&host).unwrap().count(), 0);
    }

    #[test]
    fn an_archive_is_told_from_a_dockerfile() {
        let (_directory, context) = context();
        let members = archive(&[(EntryType::Regular, "Dockerfile", "FROM scratch")]);
        for bytes in [members.clone(), zstd(&members)] {
            assert_eq!(context.receive_any(bytes.as_slice()).unwrap(), Received::Archive);
            assert!(context.path().join("Dockerfile").exists());
        }
        let text = format!("# \u{e9}\nFROM scratch\n{}", "# \u{e9}\n".repeat(200));
        let received = context.receive_any(text.as_bytes()).unwrap();
        assert_eq!(received, Received::Dockerfile(text));
        assert!(matches!(context.receive_any(io::empty()), Err(ContextError::Empty)));
        let endless = io::repeat(b'#');
        assert!(matches!(context.receive_any(endless), Err(ContextError::TooLarge { .. })));
    }

    /// A frame of one raw block.
    fn zstd(content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len()).unwrap();
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
        frame.extend(size.to_le_bytes());
        frame.extend(&((size << 3) | 1).to_le_bytes()[..3]);
        frame.extend(content);
        frame
    }

    #[test]
    fn what_is_too_large_is_not_taken() {
        let directory = tempdir().unwrap();
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..4].copy_from_slice(b"huge");
        header.set_size(1 << 60);
        header.set_mode(0o644);
        header.set_cksum();
        let room = Room { bytes: 1 << 20, files: 2 };
        let options = UnpackOptions {
            owner: Some((geteuid().as_raw(), getegid().as_raw())),
            room: Some(room),
            ..UnpackOptions::default()
        };
        let tree = Tree::at(directory.path()).unwrap();
        let endless = header.as_bytes().chain(io::repeat(0));
        let error = unpack(&tree, b"/", options, endless).unwrap_err();
        assert!(naru_error::chain(&error).contains("No space left"), "{error}");
        let size = fs::metadata(directory.path().join("huge")).unwrap().size();
        assert!(size <= 1 << 20, "{size}");
        let many = ["a", "b", "c"].map(|name| (EntryType::Regular, name, ""));
        unpack(&tree, b"/", options, archive(&many).as_slice()).unwrap_err();
    }
}
