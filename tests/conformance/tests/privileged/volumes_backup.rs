//! A volume's files: looked at, backed up into an archive and brought back from it, and cloned.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{
    FileExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown, symlink,
};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use naru_test_framework::{Engine, NativeEngine};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, getxattr, makedev, mknodat, setxattr};

use crate::raw::{Connection, ask, request_at};

/// Where the files of a volume are, on the host.
pub(crate) fn data(engine: &NativeEngine, volume: &str) -> PathBuf {
    engine.root().join("volumes").join(volume).join("_data")
}

pub(crate) fn put(
    engine: &NativeEngine,
    query: &str,
    archive: &[u8],
) -> anyhow::Result<Connection> {
    let path = format!("/naru/volume/archive?{query}");
    request_at(engine.socket(), "PUT", &path, &["Connection: close"], archive)
}

pub(crate) fn backup(engine: &NativeEngine, query: &str) -> anyhow::Result<Vec<u8>> {
    let mut answer = ask(engine, "GET", &format!("/naru/volume/archive?{query}"))?;
    ensure!(answer.status == 200, "{query}: {}", answer.message()?);
    ensure!(answer.header("content-type") == Some("application/x-tar"));
    answer.body()
}

/// Clones, and gives what was said.
fn clone(engine: &NativeEngine, from: &str, to: &str) -> anyhow::Result<(u16, String)> {
    let mut answer = ask(engine, "POST", &format!("/naru/volume/clone?volume={from}&to={to}"))?;
    Ok((answer.status, String::from_utf8(answer.body()?)?))
}

/// Files of all kinds that are hard to keep.
fn fill(place: &Path) -> anyhow::Result<()> {
    let at = |name: &str| place.join(name);
    fs::create_dir(at("private"))?;
    fs::write(at("private/key"), "secret")?;
    fs::set_permissions(at("private/key"), Permissions::from_mode(0o640))?;
    chown(at("private/key"), Some(999), Some(3_000_000))?;
    fs::set_permissions(at("private"), Permissions::from_mode(0o2750))?;
    fs::hard_link(at("private/key"), at("again"))?;
    symlink("/etc/passwd", at("link"))?;
    fs::write(at("program"), "x")?;
    fs::set_permissions(at("program"), Permissions::from_mode(0o4755))?;
    setxattr(at("program"), "user.note", b"kept\0so", XattrFlags::empty())?;
    mknodat(CWD, at("pipe"), FileType::Fifo, Mode::from_raw_mode(0o620), 0)?;
    let device = makedev(1, 3);
    mknodat(CWD, at("null"), FileType::CharacterDevice, Mode::from_raw_mode(0o666), device)?;
    let long = at(&"n".repeat(200));
    fs::create_dir(&long)?;
    fs::write(long.join("m".repeat(200)), "deep")?;
    let disk = File::create(at("disk"))?;
    disk.set_len(1 << 30)?;
    disk.write_all_at(b"far in", 900 << 20)?;
    disk.sync_all()?;
    // As a database wants it.
    fs::set_permissions(place, Permissions::from_mode(0o700))?;
    Ok(chown(place, Some(999), Some(999))?)
}

/// What there is to know of all files below a directory, by path.
fn facts(place: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    let mut todo = vec![place.to_owned()];
    while let Some(path) = todo.pop() {
        let of = fs::symlink_metadata(&path)?;
        let kind = of.file_type();
        let content = match () {
            () if kind.is_dir() => {
                for entry in fs::read_dir(&path)? {
                    todo.push(entry?.path());
                }
                String::new()
            }
            () if kind.is_symlink() => fs::read_link(&path)?.display().to_string(),
            // Far too long to be looked at whole.
            () if kind.is_file() && of.len() > 1 << 20 => {
                let mut bytes = vec![0; 6];
                File::open(&path)?.read_exact_at(&mut bytes, 900 << 20)?;
                format!("{} of {}", String::from_utf8(bytes)?, of.len())
            }
            () if kind.is_file() => fs::read_to_string(&path)?,
            () => format!("pipe {} device {}", kind.is_fifo(), of.rdev()),
        };
        let mut note = [0; 64];
        let note = match getxattr(&path, "user.note", &mut note[..]) {
            Ok(length) if kind.is_file() => format!("{:?}", &note[..length]),
            _ => String::new(),
        };
        let name = path.strip_prefix(place)?.display().to_string();
        let (mode, links) = (of.mode(), if kind.is_dir() { 0 } else { of.nlink() });
        let (uid, gid, time) = (of.uid(), of.gid(), of.mtime());
        all.insert(name, format!("{mode:o} {uid}:{gid} {time} {links} {content} {note}"));
    }
    Ok(all)
}

/// That `volume` has all that `from` has, and the file with a hole still takes no room.
fn is_as(engine: &NativeEngine, volume: &str, from: &str) -> anyhow::Result<()> {
    let (wanted, found) = (facts(&data(engine, from))?, facts(&data(engine, volume))?);
    for (name, fact) in &wanted {
        ensure!(
            found.get(name) == Some(fact),
            "{volume}/{name}: {:?}, not {fact}",
            found.get(name)
        );
    }
    ensure!(found.len() == wanted.len(), "{volume}: {:?}", found.keys());
    let place = data(engine, volume);
    let blocks = fs::metadata(place.join("disk"))?.blocks();
    ensure!(blocks * 512 < 16 << 20, "{volume}: the hole takes {blocks} sectors");
    let inode = |name: &str| anyhow::Ok(fs::metadata(place.join(name))?.ino());
    ensure!(inode("again")? == inode("private/key")?, "{volume}: one file with two names");
    Ok(())
}

pub(crate) fn names(engine: &NativeEngine, volume: &str) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(data(engine, volume))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// That nothing half made lies about.
pub(crate) fn is_tidy(engine: &NativeEngine) -> anyhow::Result<()> {
    for entry in fs::read_dir(engine.root().join("volumes"))? {
        let name = entry?.file_name();
        ensure!(!name.to_string_lossy().starts_with('.'), "{} is left", name.display());
    }
    Ok(())
}

#[test]
fn a_backup_brings_back_owners_modes_attributes_links_holes_and_devices() -> anyhow::Result<()> {
    let engine = NativeEngine::start()?;
    engine.docker(&["volume", "create", "full"])?.success()?;
    fill(&data(&engine, "full"))?;
    let archive = backup(&engine, "volume=full")?;
    ensure!(archive.len() < 16 << 20, "the hole is in the archive: {} bytes", archive.len());
    // What anybody else's tar makes of it.
    let file = engine.scratch().join("backup.tar");
    fs::write(&file, &archive)?;
    let listed = Command::new("tar").arg("-tf").arg(&file).output()?;
    let listed = String::from_utf8(listed.stdout)?;
    for name in ["./", "./disk", "./private/key", "./pipe"] {
        ensure!(listed.lines().any(|line| line == name), "{name} is not in {listed}");
    }

    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&archive)?;
    for (volume, archive) in [("fresh", archive), ("gzipped", packed.finish()?)] {
        assert_eq!(put(&engine, &format!("volume={volume}"), &archive)?.status, 204);
        is_as(&engine, volume, "full")?;
    }
    let (status, said) = clone(&engine, "full", "copy")?;
    assert_eq!(status, 200, "{said}");
    assert!(said.trim_end().ends_with(r#"{"name":"copy"}"#), "{said}");
    is_as(&engine, "copy", "full")?;
    let volumes = engine.docker(&["volume", "ls", "-q"])?.success()?.to_owned();
    assert_eq!(volumes, "copy\nfresh\nfull\ngzipped");
    is_tidy(&engine)
}

#[test]
fn a_volumes_folders_and_files_are_looked_into() -> anyhow::Result<()> {
    let engine = NativeEngine::start()?;
    engine.docker(&["volume", "create", "full"])?.success()?;
    fill(&data(&engine, "full"))?;
    let folder = |path: &str| -> anyhow::Result<Vec<String>> {
        let path = format!("/naru/folder?volume=full&path={path}");
        let listed = ask(&engine, "GET", &path)?.json()?;
        let entries = listed["entries"].as_array().cloned().unwrap_or_default();
        let name =
            |entry: &serde_json::Value| entry["name"].as_str().unwrap_or_default().to_owned();
        Ok(entries.iter().map(name).collect())
    };
    assert_eq!(folder("/private")?, ["key"]);
    assert!(folder("/")?.contains(&"disk".to_owned()));
    let part = backup(&engine, "volume=full&path=/private/key")?;
    let mut archive = tar::Archive::new(part.as_slice());
    let entry = archive.entries()?.next().context("an entry")??;
    assert_eq!((entry.path()?.to_str(), entry.size()), (Some("key"), 6));
    // A file by itself is its bytes, holes and all: a reader need not know of those.
    let holes = File::create(data(&engine, "full").join("holes"))?;
    holes.set_len(4 << 20)?;
    holes.write_all_at(b"far in", 3 << 20)?;
    holes.sync_all()?;
    let part = backup(&engine, "volume=full&path=/holes")?;
    let mut archive = tar::Archive::new(part.as_slice());
    let mut entry = archive.entries()?.next().context("an entry")??;
    let mut content = Vec::new();
    entry.read_to_end(&mut content)?;
    assert_eq!((entry.path()?.to_str(), content.len()), (Some("holes"), 4 << 20));
    assert_eq!(&content[3 << 20..][..6], b"far in");
    for (method, path, status) in [
        ("GET", "/naru/folder?volume=full&path=/missing", 404),
        // It leads to nothing of the volume, whatever the host has there.
        ("GET", "/naru/folder?volume=full&path=/link", 404),
        ("GET", "/naru/folder?volume=none&path=/", 404),
        ("GET", "/naru/folder?volume=full&image=x&path=/", 400),
        ("GET", "/naru/volume/archive?volume=none", 404),
        ("GET", "/naru/volume/archive?volume=full&path=/missing", 404),
        ("GET", "/naru/volume/archive", 400),
        ("PUT", "/naru/volume/archive?volume=../up", 400),
        ("POST", "/naru/volume/clone?volume=none&to=copy", 404),
        ("POST", "/naru/volume/clone?volume=full&to=full", 409),
        ("POST", "/naru/volume/clone?volume=full&to=.new.x", 400),
    ] {
        let mut answer = ask(&engine, method, path)?;
        let said = answer.message()?;
        assert_eq!(answer.status, status, "{path}: {said}");
    }
    is_tidy(&engine)
}

#[test]
fn a_volume_on_a_device_is_backed_up_and_cloned_and_never_restored() -> anyhow::Result<()> {
    let engine = NativeEngine::start()?;
    let place = engine.scratch().join("shared");
    fs::create_dir(&place)?;
    fs::write(place.join("first"), "first")?;
    let device = format!("device={}", place.display());
    let options = ["volume", "create", "-o", "type=none", "-o", "o=bind", "-o", &device, "bound"];
    engine.docker(&options)?.success()?;
    let archive = backup(&engine, "volume=bound")?;
    assert_eq!(put(&engine, "volume=plain", &archive)?.status, 204);
    assert_eq!(names(&engine, "plain")?, ["first"]);
    let (status, said) = clone(&engine, "bound", "copy")?;
    assert_eq!(status, 200, "{said}");
    assert_eq!(names(&engine, "copy")?, ["first"]);
    let mut refused = put(&engine, "volume=bound&replace=1", &archive)?;
    let said = refused.message()?;
    assert_eq!(refused.status, 501, "{said}");
    assert!(said.contains("volume bound has its files on a device of its own"), "{said}");
    assert_eq!(fs::read_dir(&place)?.count(), 1);
    // Nobody has it mounted any more.
    assert!(names(&engine, "bound")?.is_empty());
    engine.docker(&["volume", "rm", "bound"])?.success()?;
    is_tidy(&engine)
}

/// A container that writes all the time, whose volume is copied meanwhile.
#[test]
fn a_volume_that_is_being_written_to_is_copied() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let script = "mkdir /data/kept; echo kept > /data/kept/file; touch /ready; \
                  while :; do mkdir /data/d; echo x > /data/d/f; rm -r /data/d; done";
    let run = ["run", "-d", "--name", "busy", "-v", "busy:/data", "busybox", "sh", "-c", script];
    engine.docker(&run)?.success()?;
    let wait = "until [ -e /ready ]; do :; done";
    engine.docker(&["exec", "busy", "sh", "-c", wait])?.success()?;
    for round in 0..20 {
        let path = format!("/naru/volume/clone?volume=busy&to=copy{round}");
        let mut answer = ask(&engine, "POST", &path)?;
        let said = String::from_utf8(answer.body()?)?;
        ensure!(answer.status == 200 && said.contains("\"name\""), "{round}: {said}");
        let mut answer = ask(&engine, "GET", "/naru/volume/archive?volume=busy")?;
        let archive = answer.body()?;
        ensure!(
            archive.windows(9).any(|bytes| bytes == b"kept/file"),
            "{round}: {}",
            archive.len()
        );
    }
    let mount = "copy19:/data";
    let read = engine.docker(&["run", "--rm", "-v", mount, "busybox", "cat", "/data/kept/file"])?;
    assert_eq!(read.success()?, "kept");
    Ok(())
}
