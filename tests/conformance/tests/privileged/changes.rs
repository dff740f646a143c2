//! `export`.

use std::fs;
use std::process::Command;

use anyhow::ensure;
use naru_test_framework::NativeEngine;

use crate::raw::ask;

fn listed(engine: &NativeEngine, archive: &str) -> anyhow::Result<Vec<String>> {
    let tar = Command::new("tar").arg("-tf").arg(engine.scratch().join(archive)).output()?;
    ensure!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
    Ok(String::from_utf8(tar.stdout)?.lines().map(str::to_owned).collect())
}

#[test]
fn an_export_is_the_whole_root_and_nothing_mounted_in_it() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    fs::create_dir(engine.scratch().join("data"))?;
    fs::write(engine.scratch().join("data/mounted"), "")?;
    let bind = format!("{}/data:/data", engine.scratch().display());
    let shell = "echo new > /etc/new; rm /bin/vi; touch /ready; sleep 1000";
    let run = ["run", "-d", "--name", "box", "-v", &bind, "busybox", "sh", "-c", shell];
    engine.docker(&run)?.success()?;
    let wait = "until [ -e /ready ]; do :; done";
    engine.docker(&["exec", "box", "sh", "-c", wait])?.success()?;
    engine.docker(&["export", "-o", "running.tar", "box"])?.success()?;
    engine.docker(&["kill", "box"])?.success()?;
    engine.docker(&["export", "-o", "stopped.tar", "box"])?.success()?;

    for archive in ["running.tar", "stopped.tar"] {
        let mut names = listed(&engine, archive)?;
        names.sort();
        for present in ["bin/busybox", "bin/sh", "etc/new", "etc/passwd", "proc/", "dev/", "data/"]
        {
            assert!(names.iter().any(|name| name == present), "{archive}: {present}");
        }
        for (directory, count) in [("proc/", 1), ("dev/", 1), ("sys/", 1), ("data/", 1)] {
            let found = names.iter().filter(|name| name.starts_with(directory)).count();
            assert_eq!(found, count, "{archive}: {directory}");
        }
        for absent in ["bin/vi", "./", "/"] {
            assert!(!names.iter().any(|name| name == absent), "{archive}: {absent}");
        }
    }
    let created = engine.docker(&["create", "--name", "fresh", "busybox"])?;
    created.success()?;
    engine.docker(&["export", "-o", "fresh.tar", "fresh"])?.success()?;
    assert!(listed(&engine, "fresh.tar")?.contains(&"bin/vi".to_owned()));
    Ok(())
}

#[test]
fn an_export_that_nobody_reads_to_its_end_holds_nothing_up() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    let shell = "head -c 64000000 /dev/zero > /big";
    engine.docker(&["run", "--name", "box", "busybox", "sh", "-c", shell])?.success()?;
    let mut export = ask(&engine, "GET", "/containers/box/export")?;
    assert_eq!(export.status, 200);
    drop(export.read_some(1000)?);
    engine.docker(&["start", "-a", "box"])?.success()?;
    engine.docker(&["rm", "box"])?.success()?;
    Ok(())
}
