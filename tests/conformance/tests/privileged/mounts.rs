//! `run`: bind mounts, tmpfs, a read-only root.

use std::fs;

use naru_test_framework::Engine;

use crate::expect_error;

#[test]
fn a_bind_mount_is_the_hosts_directory() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let directory = engine.scratch().join("shared");
    fs::create_dir(&directory)?;
    fs::write(directory.join("from-host"), "host\n")?;
    let writable = format!("{}:/data", directory.display());
    let read_only = format!("{writable}:ro");

    let shell = "cat /data/from-host; echo guest > /data/from-guest";
    let output = engine.docker(&["run", "--rm", "-v", &writable, "busybox", "sh", "-c", shell])?;
    assert_eq!(output.success()?, "host");
    assert_eq!(fs::read_to_string(directory.join("from-guest"))?, "guest\n");
    let touch = ["run", "--rm", "-v", &read_only, "busybox", "touch", "/data/refused"];
    assert!(engine.docker(&touch)?.failure(1)?.contains("Read-only file system"));
    assert!(!directory.join("refused").exists());

    let missing = engine.scratch().join("made");
    let bind = format!("{}:/data", missing.display());
    engine.docker(&["run", "--rm", "-v", &bind, "busybox", "touch", "/data/file"])?.success()?;
    assert!(missing.join("file").exists(), "-v makes the directory");
    let mount = format!("type=bind,src={}/none,dst=/data", engine.scratch().display());
    let output = engine.docker(&["run", "--rm", "--mount", &mount, "busybox", "true"])?;
    let missing = format!(
        "invalid mount config for type \"bind\": bind source path does not exist: {}/none",
        engine.scratch().display()
    );
    expect_error(&output, 125, &missing)
}

#[test]
fn mounts_are_shown_by_inspect() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let bind = format!("{}:/data:ro", engine.scratch().display());
    engine.docker(&["create", "--name", "binds", "-v", &bind, "busybox"])?.success()?;

    let format = "{{range .Mounts}}{{.Type}} {{.Source}} {{.Destination}} {{.RW}}{{end}}";
    let shown = engine.docker(&["inspect", "-f", format, "binds"])?;
    assert_eq!(shown.success()?, format!("bind {} /data false", engine.scratch().display()));
    Ok(())
}

#[test]
fn a_read_only_root_is_written_only_where_a_tmpfs_is() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;

    let output = engine.docker(&["run", "--rm", "--read-only", "busybox", "touch", "/file"])?;
    assert!(output.failure(1)?.contains("Read-only file system"));
    let run = ["run", "--rm", "--read-only", "--workdir", "/var/new", "busybox", "pwd"];
    assert_eq!(engine.docker(&run)?.success()?, "/var/new", "it is made before");
    let shell = "touch /scratch/file && stat -c %a /scratch && df -k /scratch | tail -1";
    let output = engine.docker(&[
        "run",
        "--rm",
        "--read-only",
        "--tmpfs",
        "/scratch:size=1m,mode=700",
        "busybox",
        "sh",
        "-c",
        shell,
    ])?;
    let said = output.success()?;
    assert!(said.starts_with("700\ntmpfs") && said.contains(" 1024 "), "{said}");
    let size = ["run", "--rm", "--shm-size", "2m", "busybox", "df", "-k", "/dev/shm"];
    assert!(engine.docker(&size)?.success()?.contains(" 2048 "));
    Ok(())
}

#[test]
fn what_a_container_writes_stays_in_it() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let write = "echo changed > /etc/group; rm /bin/vi; echo kept > /kept";
    engine.docker(&["run", "--name", "writer", "busybox", "sh", "-c", write])?.success()?;

    let other = ["run", "--rm", "busybox", "sh", "-c", "head -1 /etc/group; ls /bin/vi /kept"];
    let output = engine.docker(&other)?;
    assert_eq!(output.stdout, "root:x:0:\n/bin/vi\n", "the image is as it was");
    let again = engine.docker(&["start", "-a", "writer"])?;
    assert!(again.failure(0)?.contains("can't remove '/bin/vi'"), "{again:?}");
    Ok(())
}
