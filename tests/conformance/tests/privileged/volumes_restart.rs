//! Volumes and an engine that is killed.

use std::fs;
use std::path::Path;

use anyhow::ensure;
use naru_test_framework::oci::{Compression, LayerWriter};
use naru_test_framework::{NativeEngine, images};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Where something is mounted below the engine's volumes.
fn mounted(engine: &NativeEngine) -> anyhow::Result<usize> {
    let volumes = engine.root().join("volumes");
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    Ok(points.filter(|point| Path::new(point).starts_with(&volumes)).count())
}

const TMPFS: [&str; 9] = [
    "volume",
    "create",
    "--opt",
    "type=tmpfs",
    "--opt",
    "device=tmpfs",
    "--opt",
    "o=size=1m",
    "memory",
];

#[test]
fn what_is_mounted_for_a_volume_is_there_from_its_first_user_to_its_last() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    engine.docker(&TMPFS)?.success()?;
    assert_eq!(mounted(&engine)?, 0, "nobody uses it");
    for name in ["one", "two"] {
        let run = ["run", "-d", "--name", name, "-v", "memory:/m", "busybox", "sleep", "1000"];
        engine.docker(&run)?.success()?;
        assert_eq!(mounted(&engine)?, 1, "{name}");
    }
    engine.docker(&["exec", "one", "sh", "-c", "echo x > /m/file"])?.success()?;
    let read = engine.docker(&["exec", "two", "sh", "-c", "cat /m/file; df -k /m | tail -1"])?;
    let read = read.success()?;
    assert!(read.starts_with("x\ntmpfs") && read.contains(" 1024 "), "{read}");
    engine.docker(&["rm", "-f", "one"])?.success()?;
    assert_eq!(mounted(&engine)?, 1);
    engine.docker(&["stop", "-t", "0", "two"])?.success()?;
    assert_eq!(mounted(&engine)?, 0);
    let run = engine.docker(&["run", "--rm", "-v", "memory:/m", "busybox", "ls", "/m"])?;
    assert_eq!(run.success()?, "", "what was in memory is gone");
    assert_eq!(mounted(&engine)?, 0);
    Ok(())
}

#[test]
fn an_engine_that_was_killed_finds_all_again() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    engine.docker(&TMPFS)?.success()?;
    let run = |name: &str| {
        let options = ["-v", "memory:/m", "-v", "data:/data", "-v", "/anonymous"];
        let run = ["run", "-d", "--name", name];
        engine.docker(&[run.as_slice(), &options, &["busybox", "sleep", "1000"]].concat())
    };
    run("stays")?.success()?;
    run("ends")?.success()?;
    engine.docker(&["exec", "stays", "sh", "-c", "echo x | tee /m/f > /data/f"])?.success()?;
    let list = ["volume", "ls", "--format", "{{.Name}} {{.Labels}}"];
    let before = engine.docker(&list)?;
    let mounts = ["inspect", "-f", "{{json .Mounts}}", "stays"];
    let shown = engine.docker(&mounts)?;
    engine.kill()?;
    engine.restart()?;

    assert_eq!(engine.docker(&list)?.success()?, before.success()?);
    assert_eq!(engine.docker(&mounts)?.success()?, shown.success()?);
    let read = engine.docker(&["exec", "stays", "cat", "/m/f", "/data/f"])?;
    assert_eq!(read.success()?, "x\nx");
    let removed = engine.docker(&["volume", "rm", "memory"])?;
    assert!(removed.failure(1)?.contains("volume is in use - ["), "{removed:?}");
    engine.docker(&["rm", "-f", "-v", "ends"])?.success()?;
    assert_eq!(mounted(&engine)?, 1, "the other uses it still");
    engine.docker(&["rm", "-f", "-v", "stays"])?.success()?;
    assert_eq!(mounted(&engine)?, 0);
    engine.docker(&["volume", "rm", "memory", "data"])?.success()?;
    assert_eq!(engine.docker(&list)?.success()?, "");
    assert_eq!(fs::read_dir(engine.root().join("volumes"))?.count(), 0);
    Ok(())
}

#[test]
fn what_an_engine_has_left_mounted_for_nobody_is_unmounted() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    engine.docker(&TMPFS)?.success()?;
    let run = ["run", "-d", "--name", "ends", "-v", "memory:/m", "busybox", "sleep", "1000"];
    engine.docker(&run)?.success()?;
    engine.kill()?;
    for shim in engine.shims() {
        kill(Pid::from_raw(shim.try_into()?), Signal::SIGKILL)?;
    }
    engine.has_no_shims()?;
    engine.restart()?;
    assert_eq!(mounted(&engine)?, 0);
    Ok(())
}

#[test]
fn half_made_volumes_are_swept() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    engine.docker(&["volume", "create", "data"])?.success()?;
    engine.kill()?;
    let volumes = engine.root().join("volumes");
    for name in [".new.half/_data", ".new.data/_data", ".gone.former/_data"] {
        fs::create_dir_all(volumes.join(name))?;
        fs::write(volumes.join(name).join("file"), "x")?;
    }
    engine.restart()?;
    let names: Vec<_> = fs::read_dir(&volumes)?
        .map(|entry| entry.map(|e| e.file_name()))
        .collect::<Result<_, _>>()?;
    assert_eq!(names, ["data"]);
    assert_eq!(engine.docker(&["volume", "ls", "-q"])?.success()?, "data");
    Ok(())
}

/// An image with so many files that copying them takes a while.
const FILES: usize = 3000;

/// Makes the container `lost`, for which the volume is filled, and kills the engine as soon as it has
/// begun. On a busy computer that may be too late; then the container is there afterwards.
fn is_done_before_the_kill(engine: &mut NativeEngine, volume: &str) -> anyhow::Result<bool> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC)?;
    inotify.add_watch(&engine.root().join("volumes"), AddWatchFlags::IN_CREATE)?;
    let bind = format!("{volume}:/data");
    let create = engine.spawn(&["create", "--name", "lost", "-v", &bind, "full", "x"])?;
    // It is being made as soon as there is something out of sight.
    inotify.read_events()?;
    engine.kill()?;
    let is_acknowledged = create.finish()?.code == 0;
    engine.restart()?;
    let is_there = !engine.docker(&["ps", "-aq"])?.success()?.is_empty();
    ensure!(is_there || !is_acknowledged, "{volume}: what was acknowledged is gone");
    Ok(is_there)
}

#[test]
fn an_engine_that_dies_while_it_fills_a_volume_leaves_none_half_full() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    let mut layer = LayerWriter::new();
    layer.directory("data", 0o755)?;
    for number in 0..FILES {
        layer.file(&format!("data/{number}"), 0o644, b"content")?;
    }
    let image = images::of_layers(vec![layer.finish(Compression::Gzip)?])?;
    engine.load(&image, "full:latest")?;
    engine.docker(&["volume", "create", "former"])?.success()?;
    let volumes = engine.root().join("volumes");
    for name in ["former", "fresh"] {
        while is_done_before_the_kill(&mut engine, name)? {
            let filled = fs::read_dir(volumes.join(name).join("_data"))?.count();
            assert_eq!(filled, FILES, "{name}");
            engine.docker(&["rm", "lost"])?.success()?;
            engine.docker(&["volume", "rm", name])?.success()?;
            if name == "former" {
                engine.docker(&["volume", "create", name])?.success()?;
            }
        }
        assert_eq!(engine.docker(&["volume", "ls", "-q"])?.success()?, "former", "{name}");
        assert_eq!(fs::read_dir(&volumes)?.count(), 1, "{name}");
        assert_eq!(fs::read_dir(volumes.join("former/_data"))?.count(), 0, "{name}");
    }
    engine.docker(&["create", "-v", "former:/data", "full", "x"])?.success()?;
    assert_eq!(fs::read_dir(volumes.join("former/_data"))?.count(), FILES);
    Ok(())
}
