//! A volume that is restored from a backup: what was there goes when it is meant and not before, and
//! what does not become whole changes nothing.

use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context as _, ensure};
use naru_test_framework::NativeEngine;
use naru_test_framework::images::hostile_layers;
use naru_test_framework::oci::LayerWriter;

use crate::volumes_backup::{backup, data, is_tidy, names, put};

/// A volume that has two files of the words `first` and `second`.
fn small(engine: &NativeEngine, volume: &str) -> anyhow::Result<()> {
    engine.docker(&["volume", "create", volume])?.success()?;
    for word in ["first", "second"] {
        fs::write(data(engine, volume).join(word), word)?;
    }
    Ok(())
}

#[test]
fn a_volume_that_is_not_empty_is_only_replaced_when_it_is_meant() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    small(&engine, "one")?;
    let archive = backup(&engine, "volume=one")?;
    engine.docker(&["volume", "create", "other"])?.success()?;
    assert_eq!(put(&engine, "volume=other", &archive)?.status, 204, "it was empty");
    assert_eq!(names(&engine, "other")?, ["first", "second"]);

    fs::write(data(&engine, "other").join("third"), "third")?;
    let mut refused = put(&engine, "volume=other", &archive)?;
    assert_eq!((refused.status, refused.message()?.as_str()), (409, "volume other is not empty"));
    assert_eq!(names(&engine, "other")?, ["first", "second", "third"]);
    assert_eq!(put(&engine, "volume=other&replace=1", &archive)?.status, 204);
    assert_eq!(names(&engine, "other")?, ["first", "second"], "all that was there is gone");

    // A container that stands finds the new files, one that runs keeps its own.
    let run = ["run", "-d", "--name", "user", "-v", "other:/data", "busybox"];
    engine.docker(&[&run[..], &["sleep", "1000"]].concat())?.success()?;
    let mut refused = put(&engine, "volume=other&replace=1", &archive)?;
    let message = "volume other is in use by a running container: stop that first";
    assert_eq!((refused.status, refused.message()?.as_str()), (409, message));
    engine.docker(&["stop", "-t", "0", "user"])?.success()?;
    fs::write(data(&engine, "one").join("later"), "later")?;
    let archive = backup(&engine, "volume=one")?;
    assert_eq!(put(&engine, "volume=other&replace=1", &archive)?.status, 204);
    engine.docker(&["start", "user"])?.success()?;
    let read = engine.docker(&["exec", "user", "cat", "/data/later"])?;
    assert_eq!(read.success()?, "later");
    is_tidy(&engine)
}

#[test]
fn what_is_no_whole_archive_changes_nothing() -> anyhow::Result<()> {
    let engine = NativeEngine::start()?;
    small(&engine, "kept")?;
    let whole = backup(&engine, "volume=kept")?;
    let mut climbing = LayerWriter::new();
    climbing.file("../../up", 0o644, b"x")?;
    let mut linked = LayerWriter::new();
    linked.symlink("way", "/tmp")?;
    linked.file("way/naru-escaped", 0o644, b"x")?;
    let mut archives: Vec<(&str, Vec<u8>)> = vec![
        ("text", b"not an archive, whatever it is called ".repeat(100)),
        ("nothing", Vec::new()),
        ("zeros", vec![0; 10_240]),
        ("cut within a header", whole[..700].to_vec()),
        ("cut between two files", whole[..whole.len() - 1024].to_vec()),
        ("climbing", climbing.into_tar()),
        ("through a link", linked.into_tar()),
    ];
    archives.extend(hostile_layers()?);
    for (what, archive) in archives {
        for volume in ["kept&replace=1", "new"] {
            let mut refused = put(&engine, &format!("volume={volume}"), &archive)?;
            let (status, said) = (refused.status, refused.message());
            // A link may lead to where nothing is, and a node be one that nobody may make.
            ensure!(matches!(status, 400 | 404 | 500), "{what} into {volume}: {status} {said:?}");
        }
        assert_eq!(names(&engine, "kept")?, ["first", "second"], "{what}");
        assert_eq!(engine.docker(&["volume", "ls", "-q"])?.success()?, "kept", "{what}");
        is_tidy(&engine).context(what)?;
    }
    ensure!(!Path::new("/tmp/naru-escaped").exists() && !Path::new("/tmp/escaped").exists());
    Ok(())
}

#[test]
fn who_goes_away_in_the_middle_leaves_nothing_half_made() -> anyhow::Result<()> {
    let mut engine = NativeEngine::start()?;
    small(&engine, "kept")?;
    let archive = backup(&engine, "volume=kept")?;
    for query in ["volume=kept&replace=1", "volume=new"] {
        let mut client = UnixStream::connect(engine.socket())?;
        write!(client, "PUT /naru/volume/archive?{query} HTTP/1.1\r\nHost: naru\r\n")?;
        write!(client, "Content-Length: {}\r\n\r\n", archive.len())?;
        client.write_all(&archive[..1600])?;
        drop(client);
        // Whoever comes next for the volume waits until that one is done with it.
        let name = query.split(['=', '&']).nth(1).context("a name")?;
        let made = engine.docker(&["volume", "create", name])?.success()?.to_owned();
        assert_eq!(made, name);
        is_tidy(&engine)?;
    }
    assert_eq!(names(&engine, "kept")?, ["first", "second"]);
    assert!(names(&engine, "new")?.is_empty());

    // Killed in the middle of one, and ended in its order: that waits for no client.
    for is_killed in [true, false] {
        let mut client = UnixStream::connect(engine.socket())?;
        let query = "volume=kept&replace=1";
        write!(client, "PUT /naru/volume/archive?{query} HTTP/1.1\r\nHost: naru\r\n")?;
        write!(client, "Content-Length: {}\r\n\r\n", archive.len())?;
        client.write_all(&archive[..1600])?;
        let begun = engine.root().join("volumes/.new.kept");
        let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
        while !begun.exists() {
            ensure!(std::time::Instant::now() < deadline, "it has not begun");
            std::thread::yield_now();
        }
        if is_killed {
            engine.kill()?;
        } else {
            engine.stop()?;
        }
        engine.restart()?;
        assert_eq!(names(&engine, "kept")?, ["first", "second"]);
        is_tidy(&engine)?;
    }
    Ok(())
}
