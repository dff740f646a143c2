//! An engine whose disk is full.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use naru_test_framework::images::of_layers;
use naru_test_framework::oci::{Compression, LayerWriter};
use naru_test_framework::{NativeEngine, Registry, noise};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::raw::request;
use crate::volumes_backup::{backup, data, is_tidy, names, put};

/// The engine's root on a file system of 24 MiB. The engine ends before that goes.
struct Small {
    engine: NativeEngine,
    disk: Disk,
}

struct Disk(PathBuf);

impl Drop for Disk {
    fn drop(&mut self) {
        let _gone = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

impl Small {
    fn start() -> anyhow::Result<Self> {
        let mut engine = NativeEngine::start()?;
        engine.stop()?;
        let root = engine.root();
        mount(Some("small"), &root, Some("tmpfs"), MsFlags::empty(), Some("size=24m"))?;
        let disk = Disk(root);
        engine.restart()?;
        Ok(Self { engine, disk })
    }

    /// Fills the disk to the last block.
    fn fill(&self) -> anyhow::Result<()> {
        let mut file = File::options().create(true).append(true).open(self.disk.0.join("fill"))?;
        for size in [1 << 20, 4096, 1] {
            let block = vec![7; size];
            loop {
                match file.write_all(&block) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

#[test]
fn an_engine_starts_lists_and_removes_on_a_full_disk() -> anyhow::Result<()> {
    let mut small = Small::start()?;
    small.engine.load_busybox()?;
    let mut layer = LayerWriter::new();
    layer.file("much", 0o644, &noise(1).take(8 << 20).collect::<Vec<u8>>())?;
    let large = of_layers(vec![layer.finish(Compression::None)?])?;
    small.engine.load(&large, "docker.io/library/large:1")?;
    small.engine.docker(&["tag", "busybox", "other"])?.success()?;
    let run = ["run", "-d", "--network=none", "--name", "runs", "busybox", "sleep", "100000"];
    small.engine.docker(&run)?.success()?;
    small.engine.docker(&["create", "--name", "made", "busybox"])?.success()?;
    let listed = |engine: &NativeEngine| -> anyhow::Result<String> {
        let containers = engine.docker(&["ps", "-a", "--format", "{{.Names}} {{.State}}"])?;
        let images = engine.docker(&["images", "--format", "{{.Repository}}"])?;
        let mut images: Vec<_> = images.success()?.lines().collect();
        images.sort_unstable();
        Ok(format!("{}\n{}", containers.success()?, images.join("\n")))
    };
    small.fill()?;
    small.engine.kill()?;
    small.fill()?;
    small.engine.restart()?;
    assert_eq!(listed(&small.engine)?, "made created\nruns running\nbusybox\nlarge\nother");
    small.engine.docker(&["stop", "-t", "0", "runs"])?.success()?;
    // A journal that ended in good order has no room of its own any more.
    small.engine.stop()?;
    small.fill()?;
    small.engine.restart()?;
    assert_eq!(listed(&small.engine)?, "made created\nruns exited\nbusybox\nlarge\nother");

    small.fill()?;
    // As the app does when the machine has started.
    let json = ["Connection: close", "Content-Type: application/json"];
    let told = request(&small.engine, "PUT", "/naru/registries", &json, "{}")?;
    assert_eq!(told.status, 204);
    small.engine.docker(&["rm", "made"])?.success()?;
    small.engine.docker(&["container", "prune", "-f"])?.success()?;
    small.engine.docker(&["rmi", "other"])?.success()?;
    let pruned = small.engine.docker(&["image", "prune", "-af"])?;
    ensure!(!pruned.success()?.contains("Total reclaimed space: 0B"), "{pruned:?}");
    assert_eq!(listed(&small.engine)?, "\n");

    small.engine.load_busybox()?;
    let again = ["run", "--rm", "--network=none", "busybox", "echo", "again"];
    assert_eq!(small.engine.docker(&again)?.success()?, "again");
    Ok(())
}

#[test]
fn a_small_blob_that_fills_the_disk_is_refused_and_gives_it_back() -> anyhow::Result<()> {
    let small = Small::start()?;
    small.engine.load_busybox()?;
    let run = ["run", "-d", "--network=none", "--name", "runs", "busybox", "sleep", "100000"];
    small.engine.docker(&run)?.success()?;
    let mut layer = LayerWriter::new();
    layer.file("zeros", 0o644, &vec![0; 60 << 20])?;
    let bomb = of_layers(vec![layer.finish(Compression::Gzip)?])?;
    let registry = Registry::start()?;
    registry.push("bomb", "1", &bomb)?;
    let name = registry.reference("bomb", "1");
    let archive = bomb.docker_archive("bomb:1")?;
    ensure!(archive.len() < 1 << 20, "{} bytes", archive.len());

    for attempt in 0..2 {
        let loaded = small.engine.docker_with_input(&["load"], &archive)?;
        ensure!(loaded.failure(1)?.contains("no space left on device"), "{attempt}: {loaded:?}");
        let pulled = small.engine.docker(&["pull", &name])?;
        ensure!(pulled.failure(1)?.contains("no space left on device"), "{attempt}: {pulled:?}");
    }
    let images = small.engine.docker(&["images", "-a", "--format", "{{.Repository}}"])?;
    assert_eq!(images.success()?, "busybox");
    let there = small.engine.docker(&["exec", "runs", "echo", "there"])?;
    assert_eq!(there.success()?, "there");
    let mut layer = LayerWriter::new();
    layer.file("much", 0o644, &noise(1).take(8 << 20).collect::<Vec<u8>>())?;
    let large = of_layers(vec![layer.finish(Compression::None)?])?;
    small.engine.load(&large, "docker.io/library/large:1")
}

#[test]
fn what_is_there_is_pulled_again_where_nothing_more_may_come() -> anyhow::Result<()> {
    let small = Small::start()?;
    let registry = Registry::start()?;
    let image = |word: &str| {
        let mut layer = LayerWriter::new();
        layer.file("word", 0o644, word.as_bytes())?;
        of_layers(vec![layer.finish(Compression::Gzip)?])
    };
    for word in ["here", "elsewhere"] {
        registry.push(word, "1", &image(word)?)?;
    }
    let here = registry.reference("here", "1");
    small.engine.docker(&["pull", &here])?.success()?;
    small.fill()?;
    // Less than is kept of it, a twentieth.
    let fill = File::options().write(true).open(small.disk.0.join("fill"))?;
    fill.set_len(fill.metadata()?.len().saturating_sub(800 << 10))?;
    let pulled = small.engine.docker(&["pull", &here])?;
    ensure!(pulled.success()?.contains("Image is up to date"), "{pulled:?}");
    let pulled = small.engine.docker(&["pull", &registry.reference("elsewhere", "1")])?;
    ensure!(pulled.failure(1)?.contains("no space left on device"), "{pulled:?}");
    Ok(())
}

#[test]
fn an_archive_that_has_no_room_is_refused_before_it_comes() -> anyhow::Result<()> {
    let small = Small::start()?;
    for path in ["/images/load", "/images/create?fromSrc=-&repo=large"] {
        let mut stream = UnixStream::connect(small.engine.socket())?;
        stream.set_read_timeout(Some(Duration::from_mins(1)))?;
        let length = 30 << 20;
        write!(stream, "POST {path} HTTP/1.1\r\nHost: docker\r\nContent-Length: {length}\r\n\r\n")?;
        let mut answer = String::new();
        let mut buffer = [0; 4096];
        while !answer.contains('}') {
            let count = stream.read(&mut buffer)?;
            ensure!(count > 0, "{path}: {answer}");
            answer.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        ensure!(answer.starts_with("HTTP/1.1 500 "), "{path}: {answer}");
        let told = format!("no space left on device: {length} bytes are needed at least");
        ensure!(answer.contains(&told), "{path}: {answer}");
    }
    Ok(())
}

#[test]
fn a_volume_whose_backup_does_not_fit_stays_as_it_was() -> anyhow::Result<()> {
    let small = Small::start()?;
    small.engine.docker(&["volume", "create", "kept"])?.success()?;
    fs::write(data(&small.engine, "kept").join("file"), "kept")?;
    let mut layer = LayerWriter::new();
    layer.file("zeros", 0o644, &vec![0; 60 << 20])?;
    let bomb = layer.finish(Compression::Gzip)?.blob;
    for volume in ["kept&replace=1", "new"] {
        let mut refused = put(&small.engine, &format!("volume={volume}"), &bomb)?;
        let said = refused.message()?;
        ensure!(refused.status == 500, "{}: {said}", refused.status);
        ensure!(said.starts_with("no space left on device: what comes would take of"), "{said}");
        assert_eq!(names(&small.engine, "kept")?, ["file"]);
        assert_eq!(small.engine.docker(&["volume", "ls", "-q"])?.success()?, "kept");
        is_tidy(&small.engine)?;
    }

    // Much larger than the disk, and nearly nothing of it is there.
    File::create(data(&small.engine, "kept").join("hole"))?.set_len(1 << 30)?;
    let archive = backup(&small.engine, "volume=kept")?;
    assert_eq!(put(&small.engine, "volume=new", &archive)?.status, 204);
    assert_eq!(data(&small.engine, "new").join("hole").metadata()?.len(), 1 << 30);
    Ok(())
}
