//! `cp` with a container that wants the host's files.

use std::fs;

use naru_test_framework::{DockerHost, Engine};

/// A host's directory and file, and containers that have links to them.
fn hostile(engine: &DockerHost) -> anyhow::Result<String> {
    let host = engine.scratch().join("host");
    fs::create_dir(&host)?;
    fs::write(host.join("secret"), "secret")?;
    let host = host.display().to_string();
    let climb = format!("../../../../../../../..{host}");
    let command = format!(
        "ln -s / /all; ln -s {climb} /climb; ln -s {host} /absolute; ln -s /proc/1/root /magic; \
         ln -s {host}/secret /file; ln -s /all/all /opt"
    );
    for (verb, name, then) in [("run", "stopped", ""), ("run -d", "running", "; sleep 1000")] {
        let command = format!("{command}{then}");
        let mut words: Vec<&str> = verb.split(' ').collect();
        words.extend(["--name", name, "busybox", "sh", "-c", &command]);
        engine.docker(&words)?.success()?;
        if name == "running" {
            let wait = "until [ -L /opt ]; do :; done";
            engine.docker(&["exec", name, "sh", "-c", wait])?.success()?;
        }
    }
    Ok(host)
}

#[test]
fn links_lead_nowhere_but_into_the_container() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let host = hostile(&engine)?;
    fs::write(engine.scratch().join("evil"), "evil")?;
    for name in ["stopped", "running"] {
        for path in ["climb/secret", "absolute/secret", "all/absolute/secret", "file", "climb/."] {
            for follow in ["-L", "-a"] {
                let copied = engine.docker(&["cp", follow, &format!("{name}:/{path}"), "got"])?;
                let got = engine.scratch().join("got");
                // Without -L the last link itself is copied, and that is all.
                if copied.code == 0 {
                    assert!(got.is_symlink(), "{name} {path}: {copied:?}");
                    fs::remove_file(got)?;
                }
            }
        }
        for path in ["climb/", "absolute/", "all/climb/", "absolute/evil"] {
            let put = engine.docker(&["cp", "evil", &format!("{name}:/{path}")])?;
            assert_ne!(put.code, 0, "{name} {path}");
        }
        let passwd = engine.docker(&["cp", "-L", &format!("{name}:/opt/all/etc/passwd"), "-"])?;
        assert!(passwd.success()?.contains("root:x:0:0"), "{passwd:?}");
        let magic = engine.docker(&["cp", &format!("{name}:/magic/"), "-"])?;
        assert_ne!(magic.code, 0, "a link of procfs is not followed");
    }
    let left: Vec<_> = fs::read_dir(&host)?.collect::<Result<_, _>>()?;
    assert_eq!(left.len(), 1, "nothing was written on the host: {left:?}");
    Ok(())
}

#[test]
fn swapping_paths_during_a_copy_gains_nothing() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let host = engine.scratch().join("host");
    fs::create_dir(&host)?;
    fs::write(host.join("file"), "secret")?;
    // A directory, and a link to the host's, take turns in one place as fast as they can.
    let swap = format!(
        "mkdir -p /real /work; echo inside > /real/file; cd /work; touch /ready; \
         while :; do ln -sfn /real turn; ln -sfn {} turn; ln -sfn ../../../../..{} turn; done",
        host.display(),
        host.display()
    );
    let run = ["run", "-d", "--name", "swaps", "busybox", "sh", "-c", &swap];
    engine.docker(&run)?.success()?;
    engine.docker(&["exec", "swaps", "sh", "-c", "until [ -e /ready ]; do :; done"])?.success()?;
    fs::write(engine.scratch().join("evil"), "evil")?;
    let mut came = 0;
    for _ in 0..30 {
        let copied = engine.docker(&["cp", "swaps:/work/turn/file", "-"])?;
        assert!(!copied.stdout.contains("secret"), "{copied:?}");
        came += usize::from(copied.stdout.contains("inside"));
        let _either = engine.docker(&["cp", "evil", "swaps:/work/turn/"])?;
    }
    assert!(came > 0, "the container's own file came now and then");
    assert_eq!(fs::read_dir(&host)?.count(), 1);
    assert_eq!(fs::read_to_string(host.join("file"))?, "secret");
    Ok(())
}

#[test]
fn a_shared_root_gets_nothing_from_a_copy() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    fs::create_dir(engine.scratch().join("data"))?;
    fs::write(engine.scratch().join("data/file"), "data")?;
    let bind = format!("{}/data:/data", engine.scratch().display());
    let share = "mount --make-rshared / && touch /ready && exec sleep 1000";
    let run = ["run", "-d", "--name", "box", "--privileged", "-v", &bind];
    engine.docker(&[run.as_slice(), &["busybox", "sh", "-c", share]].concat())?.success()?;
    engine.docker(&["exec", "box", "sh", "-c", "until [ -e /ready ]; do :; done"])?.success()?;
    let mounts = ["exec", "box", "cat", "/proc/1/mountinfo"];
    let before = engine.docker(&mounts)?;
    let copied = engine.docker(&["cp", "box:/data/file", "-"])?;
    assert!(copied.success()?.contains("data"));
    assert_eq!(engine.docker(&mounts)?.success()?, before.success()?);
    assert!(before.stdout.contains(" shared:"), "{}", before.stdout);
    Ok(())
}

#[test]
fn a_device_is_copied_as_a_device_and_not_read() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let make = "mknod /zero c 1 5; mknod /full c 1 7; exec sleep 1000";
    let run = ["run", "-d", "--name", "box", "busybox", "sh", "-c", make];
    engine.docker(&run)?.success()?;
    let wait = "until [ -e /full ]; do :; done";
    engine.docker(&["exec", "box", "sh", "-c", wait])?.success()?;
    let archive = engine.docker(&["cp", "box:/zero", "-"])?;
    archive.success()?;
    assert_eq!(archive.stdout.len(), 3 * 512, "one header, no content");
    Ok(())
}
