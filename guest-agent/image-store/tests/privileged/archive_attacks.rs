//! Archives that mean harm are refused or harmless; the store is as it was, and goes on.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use naru_image_store::{ImageError, ImageStore, RegistryConfig, Removal};
use naru_test_framework::images::of_layers;
use naru_test_framework::oci::{Compression, Layer, LayerWriter};
use rustix::fs::fstatvfs;
use tar::{EntryType, Header};
use tempfile::TempDir;

pub(crate) struct Store {
    directory: TempDir,
    pub(crate) images: ImageStore,
    mounted: bool,
}

impl Store {
    pub(crate) async fn open() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let store = ImageStore::open(&images(&directory), RegistryConfig::default()).await?;
        Ok(Self { directory, images: store, mounted: false })
    }

    /// On a small file system of its own.
    async fn small() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let options = ["-t", "tmpfs", "-o", "size=48m,nr_inodes=3000", "none"];
        let mounted = Command::new("mount").args(options).arg(directory.path()).status()?;
        anyhow::ensure!(mounted.success(), "mount: {mounted}");
        let store = ImageStore::open(&images(&directory), RegistryConfig::default()).await?;
        Ok(Self { directory, images: store, mounted: true })
    }

    pub(crate) async fn load(&self, archive: &[u8]) -> Result<(), ImageError> {
        self.images.load(archive, None, &|_| {}).await.map(drop)
    }

    /// Nothing is there that was not there before, and a good archive is still taken.
    pub(crate) async fn is_well(&self, what: &str) -> anyhow::Result<()> {
        for name in ["layers", "records", "ingest"] {
            let left = fs::read_dir(images(&self.directory).join(name))?.count();
            assert_eq!(left, 0, "{what} left something in {name}");
        }
        assert!(self.images.list()?.is_empty(), "{what}");
        let outside: Vec<_> = fs::read_dir(self.directory.path())?.collect::<Result<_, _>>()?;
        assert_eq!(outside.len(), 1, "{what} wrote outside: {outside:?}");
        assert!(!Path::new("/tmp/escaped").exists(), "{what}");
        let mut layer = LayerWriter::new();
        layer.file("good", 0o644, b"good")?;
        let image = of_layers(vec![layer.finish(Compression::Gzip)?])?;
        self.load(&image.docker_archive("good:1")?).await?;
        self.images
            .remove("good:1", Removal { force: true, ..Removal::default() }, &|_| None)
            .await?;
        Ok(())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.mounted {
            // Lazily: the store's database is still open.
            let unmounted = Command::new("umount").arg("-l").arg(self.directory.path()).status();
            drop(unmounted);
        }
    }
}

fn images(directory: &TempDir) -> PathBuf {
    directory.path().join("images")
}

/// A member with these headers' worth of harm, whose content may be shorter than it says.
fn member(kind: EntryType, size: u64, change: impl Fn(&mut Header), content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(size);
    header.as_old_mut().name[..4].copy_from_slice(b"file");
    change(&mut header);
    header.set_cksum();
    let mut tar = header.as_bytes().to_vec();
    tar.extend_from_slice(content);
    tar.resize(tar.len().next_multiple_of(512), 0);
    tar
}

fn pax(records: &[u8]) -> Vec<u8> {
    let mut tar = member(EntryType::XHeader, records.len() as u64, |_| {}, records);
    tar.extend(member(EntryType::Regular, 1, |_| {}, b"x"));
    tar
}

/// Layers that no one should unpack.
fn broken_layers() -> Vec<(&'static str, Vec<u8>)> {
    let file = |size, content: &[u8]| member(EntryType::Regular, size, |_| {}, content);
    vec![
        ("a size beyond the end", file(1 << 40, b"short")),
        ("a content that is cut", file(5000, &[7; 600])),
        ("half a header", file(0, b"")[..300].to_vec()),
        (
            "a size that is no number",
            member(
                EntryType::Regular,
                0,
                |header| header.as_old_mut().size = *b"12345678zzzz",
                b"",
            ),
        ),
        (
            "a size too large for any number",
            member(EntryType::Regular, 0, |header| header.as_old_mut().size = [0xbf; 12], b""),
        ),
        ("an extension header without end", member(EntryType::XHeader, 1 << 50, |_| {}, b"")),
        ("a name without end", member(EntryType::GNULongName, 1 << 50, |_| {}, b"")),
        ("a PAX length that overflows", pax(b"99999999999999999999999 path=x\n")),
        ("a PAX length beyond the header", pax(b"999 path=x\n")),
        ("a PAX size that overflows", pax(b"35 size=99999999999999999999999999\n")),
        ("a PAX size beyond the end", pax(b"28 size=9223372036854775807\n")),
        ("a PAX owner that overflows", pax(b"19 uid=99999999999\n")),
        ("a PAX time that overflows", pax(b"40 mtime=9999999999999999999999999999.5\n")),
        (
            "a sparse map that overflows",
            pax(b"22 GNU.sparse.major=0\n22 GNU.sparse.minor=1\n\
                  26 GNU.sparse.size=1000000\n51 GNU.sparse.map=18446744073709551615,2,0,1,0,99\n"),
        ),
        ("a wrong checksum", {
            let mut tar = file(1, b"x");
            tar[0] = b'F';
            tar
        }),
    ]
}

fn archive_of(tar: &[u8]) -> anyhow::Result<Vec<u8>> {
    of_layers(vec![Layer::from_tar(tar, Compression::Gzip)?])?.docker_archive("bad:1")
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_layers_are_refused() -> anyhow::Result<()> {
    let store = Store::open().await?;
    for (what, tar) in broken_layers() {
        let error = store.load(&archive_of(&tar)?).await.expect_err(what);
        assert!(matches!(error, ImageError::Unpack { .. }), "{what}: {error}");
        store.is_well(what).await?;
        // The same as the archive itself.
        let error = store.load(&tar).await.expect_err(what);
        assert!(matches!(error, ImageError::Archive(_)), "{what}: {error}");
        store.is_well(what).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_swap_places_write_nothing_outside() -> anyhow::Result<()> {
    let store = Store::open().await?;
    let outside = tempfile::tempdir()?;
    let target = outside.path().join("target");
    fs::write(&target, b"untouched")?;
    let target_name = target.display().to_string();
    let directory = outside.path().display().to_string();
    let mut swaps = LayerWriter::new();
    swaps.symlink("link", &target_name)?;
    swaps.hard_link("hard", "link")?;
    swaps.file("hard", 0o777, b"through a hard link to a symbolic one")?;
    swaps.file("link", 0o777, b"through a symbolic link")?;
    swaps.symlink("again", &target_name)?;
    swaps.hard_link("again", "hard")?;
    store.load(&archive_of(&swaps.into_tar())?).await?;
    store.images.remove("bad:1", Removal { force: true, ..Removal::default() }, &|_| None).await?;

    let mut through = LayerWriter::new();
    through.directory("directory", 0o755)?;
    through.file("directory/file", 0o644, b"1")?;
    through.symlink("directory", &directory)?;
    through.file("directory/target", 0o644, b"through a directory that became a link")?;
    store.load(&archive_of(&through.into_tar())?).await.expect_err("it leads nowhere");
    assert_eq!(fs::read(&target)?, b"untouched");
    assert_eq!(fs::read_dir(outside.path())?.count(), 1);
    store.is_well("swaps").await
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_leave_room_for_others_and_are_swept() -> anyhow::Result<()> {
    let store = Store::small().await?;
    let least = Least::watch(store.directory.path())?;
    let mut ratio = LayerWriter::new();
    ratio.file("zeros", 0o644, &vec![0; 120 << 20])?;
    let mut count = LayerWriter::new();
    for number in 0..5000 {
        count.file(&format!("{number}"), 0o644, b"")?;
    }
    for (what, layer) in [("ratio", ratio), ("count", count)] {
        let layer = layer.finish(Compression::Zstd)?;
        let archive = of_layers(vec![layer])?.docker_archive("bomb:1")?;
        assert!(archive.len() < 1 << 20, "{what}: {} bytes", archive.len());
        let error = store.load(&archive).await.expect_err(what);
        assert!(matches!(error, ImageError::Kept(_)), "{what}: {error}");
        assert!(error.to_string().starts_with("no space left on device: "), "{error}");
        store.is_well(what).await?;
    }
    let (bytes, files) = least.end();
    // A twentieth of both, but for what was written before it was looked at again.
    anyhow::ensure!(bytes > 2 << 20 && files > 50, "{bytes} bytes and {files} files were left");
    Ok(())
}

/// How few bytes and files were free while it watched.
struct Least {
    over: Arc<AtomicBool>,
    watching: JoinHandle<(u64, u64)>,
}

impl Least {
    fn watch(place: &Path) -> anyhow::Result<Self> {
        let (place, over) = (File::open(place)?, Arc::new(AtomicBool::new(false)));
        let until = Arc::clone(&over);
        let watching = thread::spawn(move || {
            let mut least = (u64::MAX, u64::MAX);
            while !until.load(Ordering::Relaxed) {
                if let Ok(found) = fstatvfs(&place) {
                    least.0 = least.0.min(found.f_bfree * found.f_frsize);
                    least.1 = least.1.min(found.f_ffree);
                }
                thread::yield_now();
            }
            least
        });
        Ok(Self { over, watching })
    }

    fn end(self) -> (u64, u64) {
        self.over.store(true, Ordering::Relaxed);
        self.watching.join().unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_without_end_are_refused_before_the_memory_is_full() -> anyhow::Result<()> {
    let store = Store::open().await?;
    let mut archive = LayerWriter::new();
    for number in 0..1000 {
        archive.file(&format!("{number}{}", "x".repeat(60_000)), 0o644, b"")?;
    }
    let archive = zstd_of(&archive.into_tar())?;
    let error = store.load(&archive).await.expect_err("too many");
    assert!(error.to_string().contains("too many members"), "{error}");
    store.is_well("names").await
}

/// The bytes compressed, as a layer's blob is.
fn zstd_of(tar: &[u8]) -> anyhow::Result<Vec<u8>> {
    Ok(Layer::from_tar(tar, Compression::Zstd)?.blob)
}
