//! `diff` and `export`.

use std::fs;
use std::process::Command;

use anyhow::ensure;
use naru_test_framework::{DockerHost, Engine};

use crate::raw::ask;

fn listed(engine: &DockerHost, archive: &str) -> anyhow::Result<Vec<String>> {
    let tar = Command::new("tar").arg("-tf").arg(engine.scratch().join(archive)).output()?;
    ensure!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
    Ok(String::from_utf8(tar.stdout)?.lines().map(str::to_owned).collect())
}

#[test]
fn what_a_container_changed_is_shown_as_docker_shows_it() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["create", "--name", "box", "busybox", "sh", "-c", "true"])?.success()?;
    let none = b"null\n";
    let body = ask(&engine, "GET", "/containers/box/changes")?.body()?;
    assert_eq!(body.trim_ascii(), none.trim_ascii(), "nothing yet");
    engine.docker(&["start", "-a", "box"])?.success()?;
    assert_eq!(engine.docker(&["diff", "box"])?.success()?, "", "a start changes nothing");

    let change = "rm /bin/vi; echo x >> /etc/group; chmod 600 /etc/passwd; mkdir -p /new/deep; \
                  echo y > /new/deep/file; rm -r /www; mkdir /www; touch /www/page; \
                  rm -r /home; echo z > /home; cat /etc/passwd > /dev/null";
    let expected = "C /bin\nD /bin/vi\nC /etc\nC /etc/group\nC /etc/passwd\nC /home\nA /new\n\
                    A /new/deep\nA /new/deep/file\nC /www\nD /www/index.html\nA /www/page";
    let then = format!("{change}; sleep 1000");
    let run = ["run", "-d", "--name", "runs", "busybox", "sh", "-c", &then];
    engine.docker(&run)?.success()?;
    let wait = "until [ -f /home ]; do :; done";
    engine.docker(&["exec", "runs", "sh", "-c", wait])?.success()?;
    engine.docker(&["run", "--name", "ran", "busybox", "sh", "-c", change])?.success()?;
    for name in ["runs", "ran"] {
        assert_eq!(engine.docker(&["diff", name])?.success()?, expected, "{name}");
    }
    engine.docker(&["rm", "-f", "runs"])?.success()?;
    assert_eq!(ask(&engine, "GET", "/containers/runs/changes")?.status, 404);
    Ok(())
}

#[test]
fn an_export_is_the_whole_root_and_nothing_mounted_in_it() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
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
    let engine = Engine::with_busybox()?;
    let shell = "head -c 64000000 /dev/zero > /big";
    engine.docker(&["run", "--name", "box", "busybox", "sh", "-c", shell])?.success()?;
    let mut export = ask(&engine, "GET", "/containers/box/export")?;
    assert_eq!(export.status, 200);
    drop(export.read_some(1000)?);
    engine.docker(&["start", "-a", "box"])?.success()?;
    engine.docker(&["rm", "box"])?.success()?;
    Ok(())
}
