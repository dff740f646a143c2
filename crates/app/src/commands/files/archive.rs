//! Archives of a container's files, made and read on this computer. All of it blocks.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use naru_ipc::FileText;
use tar::{Archive, Builder, Entry, EntryType, Header};

use super::{READING, packing_failed};
use crate::AppError;
use crate::local_file::failed;
use crate::private_file::beside;

/// As much of a file as a person looks at.
const SHOWN: u64 = 256 << 10;

/// The beginning of the one file in `archive`.
pub(in crate::commands) fn text(archive: impl Read) -> Result<FileText, AppError> {
    with_file(archive, |size, content| {
        let mut bytes = Vec::new();
        let read = content.take(SHOWN).read_to_end(&mut bytes);
        read.map_err(|source| AppError::System { action: READING, source })?;
        Ok(FileText { text: readable(bytes), size })
    })
}

/// An archive with `text` in the place of the one file in `archive`, in which `before` has to be.
pub(super) fn changed(archive: impl Read, before: &str, text: &str) -> Result<Vec<u8>, AppError> {
    let broken = |source| AppError::System { action: READING, source };
    let mut archive = Archive::new(archive);
    let mut entry = first(&mut archive)?;
    let mut now = Vec::new();
    (&mut entry).take(SHOWN + 1).read_to_end(&mut now).map_err(broken)?;
    if now != before.as_bytes() {
        return Err(AppError::FileChanged);
    }
    let name = entry.path().map_err(broken)?.into_owned();
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(text.len() as u64);
    header.set_mode(entry.header().mode().map_err(broken)?);
    header.set_uid(entry.header().uid().map_err(broken)?);
    header.set_gid(entry.header().gid().map_err(broken)?);
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    header.set_mtime(since_epoch.as_secs());
    let mut builder = Builder::new(Vec::new());
    builder.append_data(&mut header, name, text.as_bytes()).map_err(packing_failed)?;
    builder.into_inner().map_err(packing_failed)
}

/// Text without the end of a character that is cut off; none when it is none.
fn readable(mut bytes: Vec<u8>) -> Option<String> {
    if let Err(error) = str::from_utf8(&bytes)
        && error.error_len().is_none()
    {
        bytes.truncate(error.valid_up_to());
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

/// Writes the one file in `archive` to `path`, in the place of what is there.
pub(in crate::commands) fn unpack_file(archive: impl Read, path: &Path) -> Result<(), AppError> {
    let part = beside(path, &format!("part-{}", std::process::id()));
    let written = with_file(archive, |_, content| {
        let mut file = File::create(&part).map_err(|source| failed("create", &part, source))?;
        let written = io::copy(content, &mut file).and_then(|_| file.sync_all());
        written.map_err(|source| failed("write", &part, source))?;
        fs::rename(&part, path).map_err(|source| failed("write", path, source))
    });
    if written.is_err() {
        // It may not have come so far.
        drop(fs::remove_file(&part));
    }
    written
}

/// Gives `use_it` the size and the content of the file that is first in `archive`.
fn with_file<T>(
    archive: impl Read,
    use_it: impl FnOnce(u64, &mut dyn Read) -> Result<T, AppError>,
) -> Result<T, AppError> {
    let mut archive = Archive::new(archive);
    let mut entry = first(&mut archive)?;
    use_it(entry.size(), &mut entry)
}

/// The one file in `archive`.
fn first<R: Read>(archive: &mut Archive<R>) -> Result<Entry<'_, R>, AppError> {
    let entry = archive
        .entries()
        .and_then(|mut entries| entries.next().ok_or(io::ErrorKind::UnexpectedEof)?)
        .map_err(|source| AppError::System { action: READING, source })?;
    if entry.header().entry_type() == EntryType::Regular {
        Ok(entry)
    } else {
        Err(AppError::NotAFile)
    }
}

/// Writes a file or a folder of this computer as an archive whose owner is root, as
/// `docker cp` does. What is neither is left out.
pub(super) fn pack(out: impl Write, local: &Path) -> Result<(), AppError> {
    let name = local.file_name().ok_or_else(|| failed("read", local, no_name()))?;
    let mut builder = Builder::new(out);
    let mut todo = vec![(local.to_owned(), PathBuf::from(name))];
    while let Some((path, name)) = todo.pop() {
        let unreadable = |source| failed("read", &path, source);
        let metadata = fs::symlink_metadata(&path).map_err(unreadable)?;
        let mut header = header(&metadata);
        if metadata.is_dir() {
            builder.append_data(&mut header, &name, io::empty()).map_err(packing_failed)?;
            for entry in fs::read_dir(&path).map_err(unreadable)? {
                let entry = entry.map_err(unreadable)?;
                todo.push((entry.path(), name.join(entry.file_name())));
            }
        } else if metadata.is_symlink() {
            let target = fs::read_link(&path).map_err(unreadable)?;
            builder.append_link(&mut header, &name, target).map_err(packing_failed)?;
        } else if metadata.is_file() {
            let file = File::open(&path).map_err(unreadable)?;
            // One that grows or shrinks meanwhile keeps the size that its header has.
            let content = file.take(metadata.len()).chain(io::repeat(0)).take(metadata.len());
            builder.append_data(&mut header, &name, content).map_err(packing_failed)?;
        }
    }
    let mut out = builder.into_inner().map_err(packing_failed)?;
    out.flush().map_err(packing_failed)
}

/// What an archive says of a file of this computer, whose owner is root in it.
pub(in crate::commands) fn header(metadata: &Metadata) -> Header {
    let mut header = Header::new_gnu();
    let (kind, mode) = match () {
        () if metadata.is_dir() => (EntryType::Directory, 0o755),
        () if metadata.is_symlink() => (EntryType::Symlink, 0o777),
        () => (EntryType::Regular, 0o644),
    };
    header.set_entry_type(kind);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mode(own_mode(metadata).unwrap_or(mode));
    header.set_size(if metadata.is_file() { metadata.len() } else { 0 });
    let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    header.set_mtime(changed.unwrap_or_default().as_secs());
    header
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere there is none")]
fn own_mode(metadata: &Metadata) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;

    Some(metadata.mode() & 0o777)
}

#[cfg(not(unix))]
fn own_mode(_metadata: &Metadata) -> Option<u32> {
    None
}

fn no_name() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it has no name of its own")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive_of(content: &[u8]) -> Vec<u8> {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        let mut builder = Builder::new(Vec::new());
        builder.append_data(&mut header, "a", content).unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn text_is_shown_and_what_is_none_is_not() {
        let shown = |content: &[u8]| text(archive_of(content).as_slice()).unwrap();
        assert_eq!(shown(b"key=value\n").text.as_deref(), Some("key=value\n"));
        assert_eq!(shown(b"").text.as_deref(), Some(""));
        assert_eq!(shown(b"\x7fELF\0").text, None);
        assert_eq!(shown(b"\xff\xfe").text, None);
        // Long, and the cut goes through a character of two bytes.
        let long = [b"x".as_slice(), "é".repeat(200_000).as_bytes()].concat();
        let beginning = shown(&long);
        assert_eq!(beginning.size, 400_001);
        assert_eq!(beginning.text.unwrap().len(), 256 * 1024 - 1);
    }

    #[test]
    fn a_file_keeps_its_rights_and_is_left_alone_when_it_has_changed() {
        let mut header = Header::new_gnu();
        header.set_size(3);
        header.set_mode(0o640);
        header.set_uid(33);
        header.set_gid(34);
        let mut builder = Builder::new(Vec::new());
        builder.append_data(&mut header, "conf", b"old".as_slice()).unwrap();
        let archive = builder.into_inner().unwrap();
        let error = changed(archive.as_slice(), "other", "new").unwrap_err();
        assert!(matches!(error, AppError::FileChanged), "{error}");
        let made = changed(archive.as_slice(), "old", "newer").unwrap();
        let mut made = Archive::new(made.as_slice());
        let mut entry = first(&mut made).unwrap();
        let header = entry.header();
        let rights = (header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap());
        assert_eq!(rights, (0o640, 33, 34));
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        assert_eq!(text, "newer");
    }

    #[test]
    fn a_folder_goes_into_an_archive_and_a_file_comes_out_of_one() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("conf");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("a"), "content").unwrap();
        let mut out = Vec::new();
        pack(&mut out, &folder).unwrap();
        let mut archive = Archive::new(out.as_slice());
        let entries = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            (entry.path().unwrap().display().to_string(), entry.header().uid().unwrap())
        });
        assert_eq!(entries.collect::<Vec<_>>(), [("conf".to_owned(), 0), ("conf/a".to_owned(), 0)]);

        let copy = home.path().join("copy");
        fs::write(&copy, "old").unwrap();
        assert!(matches!(unpack_file(out.as_slice(), &copy), Err(AppError::NotAFile)));
        assert_eq!(fs::read(&copy).unwrap(), b"old");
        unpack_file(archive_of(b"new").as_slice(), &copy).unwrap();
        assert_eq!(fs::read(&copy).unwrap(), b"new");
    }
}
