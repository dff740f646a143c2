//! A client's directory comes into one of ours, which may have been filled before: what is the
//! same as then is not sent again.
//!
//! The directory is the engine's alone, and nobody else changes it meanwhile. Entries come in
//! the order of a walk, so each parent is a directory that was just told; what is in the way of
//! one is removed first. A file's contents are gathered elsewhere and take its place when they
//! are whole, so that whatever is in the directory is whole.
//!
//! All of it blocks.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink,
};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use naru_buildkit::fsutil::{Entry, Kind, Sink};
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags, llistxattr, makedev, mknodat,
    setxattr, utimensat,
};

use crate::build::Kept;
use crate::files::remove_all;

const NS: i64 = 1_000_000_000;

/// A directory to be filled, which is there.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) root: PathBuf,
    /// Where contents are gathered; on the same file system, and made for that.
    incoming: PathBuf,
    /// A file that goes when something in the directory changes.
    stamp: Option<PathBuf>,
}

impl Place {
    /// A directory that is thrown away.
    pub(super) fn fresh(root: PathBuf) -> Self {
        let mut incoming = root.clone().into_os_string();
        incoming.push(".incoming");
        Self { root, incoming: incoming.into(), stamp: None }
    }

    /// One that is kept.
    pub(super) fn kept(kept: &Kept) -> Self {
        let stamp = Some(kept.stamp());
        Self { root: kept.files(), incoming: kept.incoming(), stamp }
    }
}

/// A directory that is being filled.
#[derive(Debug)]
pub(super) struct Filling {
    place: Place,
    /// The directories that the walk is in, the root first.
    open: Vec<Frame>,
    /// Files whose contents are on their way.
    wanted: HashMap<PathBuf, Entry>,
    /// Their second names, made when all contents are there.
    links: Vec<(PathBuf, PathBuf)>,
    /// The times of directories, which are set when nothing is put into them any more.
    directories: Vec<(PathBuf, i64)>,
    gathered: u64,
    has_changed: bool,
}

/// A directory that the walk is in.
#[derive(Debug)]
struct Frame {
    path: PathBuf,
    /// What was in it before and was not told again.
    left: HashSet<OsString>,
}

/// Contents that are being gathered.
#[derive(Debug)]
pub(super) struct Gathered {
    file: File,
    at: PathBuf,
    path: PathBuf,
}

impl Filling {
    pub(super) fn new(place: Place) -> io::Result<Self> {
        if fs::symlink_metadata(&place.incoming).is_ok() {
            remove_all(&place.incoming)?;
        }
        DirBuilder::new().mode(0o700).create(&place.incoming)?;
        let open = vec![Frame { path: PathBuf::new(), left: names(&place.root)? }];
        Ok(Self {
            place,
            open,
            wanted: HashMap::new(),
            links: Vec::new(),
            directories: Vec::new(),
            gathered: 0,
            has_changed: false,
        })
    }

    /// Something is about to change: nothing that knows the directory knows it any more.
    fn change(&mut self) -> io::Result<()> {
        if !self.has_changed
            && let Some(stamp) = &self.place.stamp
            && let Err(error) = fs::remove_file(stamp)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        self.has_changed = true;
        Ok(())
    }

    /// All has come: what was not told is removed.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.leave(0)?;
        for (path, first) in std::mem::take(&mut self.links) {
            self.link(&path, &first)?;
        }
        for (path, modified_ns) in self.directories.iter().rev() {
            set_time(&self.place.root.join(path), *modified_ns)?;
        }
        Ok(())
    }

    /// Leaves the directories that are deeper than `depth` names, and removes what is left in
    /// them.
    fn leave(&mut self, depth: usize) -> io::Result<()> {
        while self.open.len() > depth
            && let Some(frame) = self.open.pop()
        {
            for name in frame.left {
                self.change()?;
                remove_all(&self.place.root.join(&frame.path).join(name))?;
            }
        }
        Ok(())
    }

    /// What was at the entry's place before.
    fn found(&mut self, path: &Path) -> io::Result<Option<Metadata>> {
        let (parent, name) = (path.parent().unwrap_or_else(|| Path::new("")), path.file_name());
        let depth = self.open.iter().rposition(|frame| frame.path == parent);
        let (Some(depth), Some(name)) = (depth, name) else {
            return Err(io::Error::other("its directory was not told before it"));
        };
        self.leave(depth + 1)?;
        let was_there = self.open.last_mut().is_some_and(|frame| frame.left.remove(name));
        was_there.then(|| fs::symlink_metadata(self.place.root.join(path))).transpose()
    }

    fn directory(&mut self, entry: &Entry, found: Option<Metadata>) -> io::Result<()> {
        let place = self.place.root.join(&entry.path);
        let is_there = found.as_ref().is_some_and(Metadata::is_dir);
        if found.as_ref().is_none_or(|found| found.mode() & 0o7777 != entry.mode) || !is_there {
            self.change()?;
        }
        if !is_there {
            clear(&place, found)?;
            DirBuilder::new().mode(0o700).create(&place)?;
        }
        fs::set_permissions(&place, Permissions::from_mode(entry.mode))?;
        let left = if is_there { names(&place)? } else { HashSet::new() };
        self.open.push(Frame { path: entry.path.clone(), left });
        self.directories.push((entry.path.clone(), entry.modified_ns));
        Ok(())
    }

    fn symlink(
        &mut self,
        entry: &Entry,
        target: &OsStr,
        found: Option<Metadata>,
    ) -> io::Result<()> {
        let place = self.place.root.join(&entry.path);
        if let Some(found) = &found
            && found.is_symlink()
            && modified_ns(found) == entry.modified_ns
            && fs::read_link(&place)?.as_os_str() == target
        {
            return Ok(());
        }
        self.change()?;
        clear(&place, found)?;
        symlink(target, &place)?;
        set_time(&place, entry.modified_ns)
    }

    fn special(&mut self, entry: &Entry, found: Option<Metadata>) -> io::Result<()> {
        // They are made anew each time.
        self.change()?;
        let place = self.place.root.join(&entry.path);
        let (kind, device) = match entry.kind {
            Kind::Fifo => (FileType::Fifo, 0),
            Kind::CharacterDevice { major, minor } => {
                (FileType::CharacterDevice, makedev(major, minor))
            }
            Kind::BlockDevice { major, minor } => (FileType::BlockDevice, makedev(major, minor)),
            // Of no use without the program that listens there, as in an archive.
            _ => return clear(&place, found),
        };
        clear(&place, found)?;
        mknodat(CWD, &place, kind, Mode::from_raw_mode(0o600), device)?;
        fs::set_permissions(&place, Permissions::from_mode(entry.mode))?;
        set_time(&place, entry.modified_ns)
    }

    fn link(&mut self, path: &Path, first: &Path) -> io::Result<()> {
        // Through nothing but directories of our own.
        let mut way = self.place.root.clone();
        for part in first.components() {
            if !fs::symlink_metadata(&way)?.is_dir() {
                return Err(io::Error::other("a link to a file that was not told before it"));
            }
            way.push(part);
        }
        let place = self.place.root.join(path);
        let (target, found) = (fs::symlink_metadata(&way)?, fs::symlink_metadata(&place).ok());
        if !target.is_file() {
            return Err(io::Error::other("a link to what is no file"));
        }
        if found.as_ref().is_some_and(|found| found.ino() == target.ino()) {
            return Ok(());
        }
        self.change()?;
        clear(&place, found)?;
        fs::hard_link(way, place)
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        // What is left now is not whole, and the next one would remove it.
        if let Err(error) = remove_all(&self.place.incoming) {
            tracing::warn!(path = %self.place.incoming.display(), %error, "left behind");
        }
    }
}

#[async_trait]
impl Sink for Filling {
    type File = Gathered;

    async fn entry(&mut self, entry: &Entry) -> io::Result<bool> {
        let found = self.found(&entry.path)?;
        match &entry.kind {
            Kind::Directory => self.directory(entry, found)?,
            Kind::File => {
                if found.as_ref().is_some_and(|found| self.is_same(entry, found)) {
                    return Ok(false);
                }
                self.change()?;
                if !found.as_ref().is_some_and(Metadata::is_file) {
                    clear(&self.place.root.join(&entry.path), found)?;
                }
                self.wanted.insert(entry.path.clone(), entry.clone());
                return Ok(true);
            }
            Kind::HardLink(first) => self.links.push((entry.path.clone(), first.clone())),
            Kind::Symlink(target) => self.symlink(entry, target, found)?,
            Kind::Fifo | Kind::Socket | Kind::CharacterDevice { .. } | Kind::BlockDevice { .. } => {
                self.special(entry, found)?;
            }
        }
        Ok(false)
    }

    async fn open(&mut self, path: &Path) -> io::Result<Gathered> {
        let at = self.place.incoming.join(self.gathered.to_string());
        self.gathered += 1;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&at)?;
        Ok(Gathered { file, at, path: path.to_owned() })
    }

    async fn write(&mut self, gathered: &mut Gathered, data: Bytes) -> io::Result<()> {
        gathered.file.write_all(&data)
    }

    async fn close(&mut self, gathered: Gathered) -> io::Result<()> {
        let Gathered { file, at, path } = gathered;
        let entry = self.wanted.remove(&path);
        let entry = entry.ok_or_else(|| io::Error::other("it was not wanted"))?;
        for (name, value) in entry.xattrs.iter().filter(|(name, _)| is_kept(name)) {
            setxattr(&at, name.as_str(), value, XattrFlags::empty())?;
        }
        file.set_permissions(Permissions::from_mode(entry.mode))?;
        drop(file);
        set_time(&at, entry.modified_ns)?;
        fs::rename(at, self.place.root.join(path))
    }
}

impl Filling {
    /// As BuildKit has it: same length, mode and time are the same contents.
    fn is_same(&self, entry: &Entry, found: &Metadata) -> bool {
        let has_attributes = || {
            llistxattr(self.place.root.join(&entry.path), &mut [0_u8; 0])
                .map_or(true, |size| size > 0)
        };
        found.is_file()
            && found.len() == entry.size
            && found.mode() & 0o7777 == entry.mode
            && modified_ns(found) == entry.modified_ns
            && !entry.xattrs.keys().any(|name| is_kept(name))
            && !has_attributes()
    }
}

/// Those that mean something in an image, and nothing to the engine's own file systems.
fn is_kept(attribute: &str) -> bool {
    attribute.starts_with("user.") || attribute == "security.capability"
}

fn names(directory: &Path) -> io::Result<HashSet<OsString>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name())).collect()
}

/// Removes what is in the way.
fn clear(place: &Path, found: Option<Metadata>) -> io::Result<()> {
    found.map_or(Ok(()), |_| remove_all(place))
}

fn modified_ns(metadata: &Metadata) -> i64 {
    metadata.mtime().saturating_mul(NS).saturating_add(metadata.mtime_nsec())
}

fn set_time(place: &Path, modified_ns: i64) -> io::Result<()> {
    let time = Timespec { tv_sec: modified_ns.div_euclid(NS), tv_nsec: modified_ns.rem_euclid(NS) };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(utimensat(CWD, place, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tempfile::TempDir;

    use super::*;

    struct Ours {
        folder: TempDir,
    }

    fn entry(path: &str, kind: Kind) -> Entry {
        Entry {
            path: path.into(),
            kind,
            mode: 0o644,
            uid: 7,
            gid: 7,
            size: 3,
            modified_ns: -5,
            xattrs: BTreeMap::new(),
        }
    }

    impl Ours {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("files")).unwrap();
            Self { folder }
        }

        fn stamp(&self) -> PathBuf {
            self.folder.path().join("stamp")
        }

        fn root(&self) -> PathBuf {
            self.folder.path().join("files")
        }

        /// Fills it as a client would, and gives what was asked for.
        async fn fill(&self, entries: &[Entry], contents: &str) -> io::Result<Vec<String>> {
            let mut filling = Filling::new(Place {
                root: self.root(),
                incoming: self.folder.path().join("incoming"),
                stamp: Some(self.stamp()),
            })?;
            let mut asked = Vec::new();
            for entry in entries {
                if filling.entry(entry).await? {
                    asked.push(entry.path.display().to_string());
                }
            }
            for path in &asked {
                let mut file = filling.open(Path::new(path)).await?;
                filling.write(&mut file, Bytes::from(contents.to_owned())).await?;
                filling.close(file).await?;
            }
            filling.finish()?;
            Ok(asked)
        }
    }

    #[tokio::test]
    async fn what_is_the_same_is_not_asked_for_again_and_what_is_gone_goes() {
        let place = Ours::new();
        let mut entries = vec![
            entry("a", Kind::File),
            entry("d", Kind::Directory),
            entry("d/b", Kind::File),
            entry("d/c", Kind::HardLink("a".into())),
            entry("l", Kind::Symlink("../../etc".into())),
        ];
        fs::write(place.stamp(), "").unwrap();
        assert_eq!(place.fill(&entries, "abc").await.unwrap(), ["a", "d/b"]);
        assert!(!place.stamp().exists());
        fs::write(place.stamp(), "").unwrap();
        assert_eq!(place.fill(&entries, "xyz").await.unwrap(), [""; 0]);
        assert!(place.stamp().exists(), "nothing has changed");
        assert_eq!(fs::read(place.root().join("d/b")).unwrap(), b"abc");
        assert_eq!(fs::read(place.root().join("d/c")).unwrap(), b"abc");
        assert_eq!(fs::read_link(place.root().join("l")).unwrap(), Path::new("../../etc"));
        let directory = fs::metadata(place.root().join("d")).unwrap();
        assert_eq!((directory.mtime(), directory.mtime_nsec()), (-1, NS - 5));

        entries[2].modified_ns = 9;
        entries.remove(0);
        entries[2] = entry("d/e", Kind::Directory);
        assert_eq!(place.fill(&entries, "new").await.unwrap(), ["d/b"]);
        assert!(!place.root().join("a").exists());
        assert!(!place.root().join("d/c").exists());
        assert_eq!(fs::read(place.root().join("d/b")).unwrap(), b"new");
    }

    #[tokio::test]
    async fn a_link_of_an_earlier_build_leads_nothing_away() {
        let place = Ours::new();
        let outside = tempfile::tempdir().unwrap();
        let target = outside.path().as_os_str().to_owned();
        place.fill(&[entry("x", Kind::Symlink(target.clone()))], "").await.unwrap();
        let entries = [entry("x", Kind::Directory), entry("x/f", Kind::File)];
        place.fill(&entries, "abc").await.unwrap();
        assert!(fs::symlink_metadata(place.root().join("x")).unwrap().is_dir());
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);

        fs::write(outside.path().join("secret"), "s").unwrap();
        let entries =
            [entry("a", Kind::Symlink(target)), entry("b", Kind::HardLink("a/secret".into()))];
        place.fill(&entries, "").await.unwrap_err();
        assert!(!place.root().join("b").exists());
    }
}
