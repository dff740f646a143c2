//! Unpacking as root: owners, devices, whiteouts, attributes, and hostile archives.

use std::fs;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use naru_image_store::UnpackError;
use naru_test_framework::images::hostile_layers;
use naru_test_framework::oci::LayerWriter;
use rustix::fs::getxattr;
use tar::EntryType;

/// Unpacks a layer; what is recorded of it is not looked at here.
fn unpack(tar: &[u8], directory: &Path) -> Result<u64, UnpackError> {
    let record = tempfile::tempdir().map_err(UnpackError::Record)?;
    naru_image_store::unpack(tar, directory, record.path())
}

fn opaque(path: &Path) -> bool {
    let mut value = [0; 4];
    getxattr(path, "trusted.overlay.opaque", &mut value)
        .is_ok_and(|length| &value[..length] == b"y")
}

fn is_whiteout(path: &Path) -> bool {
    fs::symlink_metadata(path)
        .is_ok_and(|metadata| metadata.file_type().is_char_device() && metadata.rdev() == 0)
}

#[test]
fn whiteouts_become_what_overlayfs_reads() -> anyhow::Result<()> {
    let mut layer = LayerWriter::new();
    layer.file("a/.wh.gone", 0o644, b"")?;
    layer.directory("b", 0o755)?;
    layer.file("b/.wh..wh..opq", 0o644, b"")?;
    // Both orders of a whiteout beside a directory that replaces the hidden one.
    layer.file(".wh.c", 0o644, b"")?;
    layer.directory("c", 0o750)?;
    layer.directory("d", 0o755)?;
    layer.file(".wh.d", 0o644, b"")?;
    layer.file("e", 0o644, b"kept")?;
    layer.file(".wh.e", 0o644, b"")?;
    layer.file(".wh..wh.plnk", 0o644, b"")?;
    let directory = tempfile::tempdir()?;
    let root = directory.path();
    unpack(layer.into_tar().as_slice(), root)?;
    assert!(is_whiteout(&root.join("a/gone")));
    assert!(opaque(&root.join("b")) && !root.join("b/.wh..wh..opq").exists());
    assert!(root.join("c").is_dir() && opaque(&root.join("c")));
    assert_eq!(root.join("c").metadata()?.mode() & 0o7777, 0o750);
    assert!(root.join("d").is_dir() && opaque(&root.join("d")));
    assert_eq!(fs::read(root.join("e"))?, b"kept");
    assert_eq!(fs::read_dir(root)?.count(), 5);
    Ok(())
}

#[test]
fn modes_links_devices_and_times_are_kept() -> anyhow::Result<()> {
    let mut layer = LayerWriter::new();
    layer.file("bin/su", 0o4755, b"program")?;
    layer.entry("bin/other", EntryType::Link, 0o4755, Some("bin/su"), b"")?;
    layer.entry("bin/absolute", EntryType::Link, 0o4755, Some("/bin/su"), b"")?;
    layer.character_device("dev/null", 1, 3)?;
    layer.entry("run/pipe", EntryType::Fifo, 0o620, None, b"")?;
    let long = "n".repeat(120);
    layer.file(&format!("{long}/{long}"), 0o600, b"long")?;
    let directory = tempfile::tempdir()?;
    let root = directory.path();
    assert_eq!(unpack(layer.into_tar().as_slice(), root)?, 11);
    let program = root.join("bin/su").metadata()?;
    assert_eq!(program.permissions().mode() & 0o7777, 0o4755, "set-uid outlives chown");
    assert_eq!(program.nlink(), 3);
    assert_eq!(program.mtime(), 1_704_067_200);
    let null = root.join("dev/null").metadata()?;
    assert_eq!((null.rdev(), null.mode() & 0o777), (0x103, 0o600));
    assert!(root.join("run/pipe").metadata()?.file_type().is_fifo());
    assert_eq!(fs::read(root.join(&long).join(&long))?, b"long");
    Ok(())
}

#[test]
fn a_file_has_what_stands_with_the_last_of_its_names() -> anyhow::Result<()> {
    let mut layer = LayerWriter::new();
    layer.file("file", 0o755, b"content")?;
    layer.file("target", 0o600, b"")?;
    layer.symlink("symlink", "target")?;
    layer.entry("pipe", EntryType::Fifo, 0o620, None, b"")?;
    layer.owner(7, 8);
    layer.attribute("user.note", b"value");
    layer.entry("again", EntryType::Link, 0o2750, Some("file"), b"")?;
    layer.entry("other symlink", EntryType::Link, 0o777, Some("symlink"), b"")?;
    layer.entry("other pipe", EntryType::Link, 0o4711, Some("pipe"), b"")?;
    let directory = tempfile::tempdir()?;
    let root = directory.path();
    unpack(layer.into_tar().as_slice(), root)?;
    let shown = |name: &str| -> anyhow::Result<_> {
        let found = root.join(name).symlink_metadata()?;
        Ok((found.uid(), found.gid(), found.mode() & 0o7777, found.nlink()))
    };
    assert_eq!(shown("file")?, (7, 8, 0o2750, 2));
    let mut value = [0; 8];
    let length = getxattr(root.join("file"), "user.note", &mut value)?;
    assert_eq!(&value[..length], b"value");
    assert_eq!(shown("pipe")?, (7, 8, 0o4711, 2));
    assert_eq!(shown("symlink")?, (7, 8, 0o777, 2));
    assert_eq!(shown("target")?, (0, 0, 0o600, 1), "the link is not followed");
    Ok(())
}

#[test]
fn what_gnu_tar_writes_is_read() -> anyhow::Result<()> {
    let source = tempfile::tempdir()?;
    let sparse = source.path().join("sparse");
    let file = fs::File::create(&sparse)?;
    file.set_len(1 << 20)?;
    file.write_all_at(b"island", 700_000)?;
    fs::write(source.path().join("plain"), b"plain")?;
    rustix::fs::setxattr(
        source.path().join("plain"),
        "user.note",
        b"value",
        rustix::fs::XattrFlags::empty(),
    )?;
    for options in [
        &["--format=gnu", "--sparse"][..],
        &["--format=posix", "--sparse", "--sparse-version=0.0"],
        &["--format=posix", "--sparse", "--sparse-version=0.1"],
        &["--format=posix", "--sparse", "--sparse-version=1.0", "--xattrs"],
    ] {
        let made = std::process::Command::new("tar")
            .args(options)
            .args(["-cf", "-", "-C"])
            .arg(source.path())
            .arg(".")
            .output()?;
        anyhow::ensure!(made.status.success(), "tar: {made:?}");
        let directory = tempfile::tempdir()?;
        let size = unpack(made.stdout.as_slice(), directory.path())?;
        assert_eq!(size, (1 << 20) + 5, "{options:?}");
        let unpacked = directory.path().join("sparse");
        assert_eq!(fs::read(&unpacked)?, fs::read(&sparse)?, "{options:?}");
        assert!(unpacked.metadata()?.blocks() < 1024, "the holes stay holes: {options:?}");
        let plain = directory.path().join("plain").metadata()?;
        if options.contains(&"--xattrs") {
            let mut value = [0; 8];
            let path = directory.path().join("plain");
            let length = getxattr(path, "user.note", &mut value)?;
            assert_eq!(&value[..length], b"value");
            let original = source.path().join("plain").metadata()?;
            assert_eq!(plain.mtime_nsec(), original.mtime_nsec());
        }
    }
    Ok(())
}

#[test]
fn a_layer_cannot_write_outside_its_directory() -> anyhow::Result<()> {
    for (what, tar) in hostile_layers()? {
        let outer = tempfile::tempdir()?;
        let layer = outer.path().join("a/b/layer");
        fs::create_dir_all(&layer)?;
        let outcome = unpack(tar.as_slice(), &layer);
        assert!(outcome.is_err(), "{what} was taken");
        assert_eq!(fs::read_dir(outer.path())?.count(), 1, "{what} left something outside");
        assert!(!Path::new("/tmp/escaped").exists(), "{what} wrote into /tmp");
    }
    Ok(())
}

#[test]
fn links_inside_the_layer_are_followed_inside_the_layer() -> anyhow::Result<()> {
    let mut layer = LayerWriter::new();
    layer.directory("usr", 0o755)?;
    layer.directory("usr/lib", 0o755)?;
    layer.symlink("lib", "/usr/lib")?;
    layer.file("lib/library.so", 0o644, b"library")?;
    let directory = tempfile::tempdir()?;
    unpack(layer.into_tar().as_slice(), directory.path())?;
    assert_eq!(fs::read(directory.path().join("usr/lib/library.so"))?, b"library");
    Ok(())
}

#[test]
fn a_later_entry_takes_the_place_of_an_earlier_one() -> anyhow::Result<()> {
    let mut layer = LayerWriter::new();
    layer.file("tree/inner/file", 0o644, b"1")?;
    layer.file("tree", 0o644, b"2")?;
    layer.symlink("link", "/etc/passwd")?;
    layer.file("link", 0o644, b"3")?;
    let directory = tempfile::tempdir()?;
    unpack(layer.into_tar().as_slice(), directory.path())?;
    assert_eq!(fs::read(directory.path().join("tree"))?, b"2");
    assert!(!directory.path().join("link").is_symlink());
    assert_ne!(fs::read("/etc/passwd")?, b"3");
    Ok(())
}

#[test]
fn an_error_names_the_entry() -> anyhow::Result<()> {
    let mut layer = LayerWriter::new();
    layer.hard_link("link", "../../../etc/passwd")?;
    let directory = tempfile::tempdir()?;
    let error = unpack(layer.into_tar().as_slice(), directory.path()).expect_err("refused");
    assert!(matches!(error, UnpackError::LinkOutside { .. }), "{error}");
    assert!(error.to_string().contains("\"link\" to \"../../../etc/passwd\""), "{error}");
    Ok(())
}
