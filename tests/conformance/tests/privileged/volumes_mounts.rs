//! What is mounted, and what of it is seen from outside.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use naru_test_framework::{DockerHost, Engine, NativeEngine};
use serde_json::json;

use crate::raw::post;

/// The mounts of a container, a line each.
fn mounts(engine: &DockerHost, name: &str) -> anyhow::Result<Vec<String>> {
    let format = "{{range .Mounts}}{{.Type}} {{.Name}} {{.Destination}} {{.Driver}} [{{.Mode}}] \
                  {{.RW}} {{.Propagation}}{{println}}{{end}}";
    let shown = engine.docker(&["inspect", "-f", format, name])?;
    let mut lines: Vec<String> = shown.success()?.lines().map(str::to_owned).collect();
    lines.retain(|line| !line.is_empty());
    lines.sort();
    Ok(lines)
}

#[test]
fn mounts_are_shown_as_docker_shows_them() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let options = [
        "-v",
        "data:/a",
        "-v",
        "data:/b:ro",
        "-v",
        "/etc:/c",
        "--mount",
        "type=volume,src=other,dst=/d",
        "--mount",
        "type=tmpfs,dst=/e",
        "--mount",
        "type=bind,src=/etc,dst=/f,readonly",
    ];
    engine
        .docker(&[&["create", "--name", "one"], options.as_slice(), &["busybox"]].concat())?
        .success()?;
    let expected = [
        "bind  /c  [] true rprivate",
        "bind  /f  [] false rprivate",
        "tmpfs  /e  [] true ",
        "volume data /a local [z] true ",
        "volume data /b local [ro] false ",
        "volume other /d local [z] true ",
    ];
    assert_eq!(mounts(&engine, "one")?, expected);
    Ok(())
}

#[test]
fn another_containers_volumes_are_taken_over() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let one =
        ["run", "--name", "one", "-v", "data:/data", "-v", "/etc:/host", "busybox", "sh", "-c"];
    engine.docker(&[one.as_slice(), &["echo x > /data/file"]].concat())?.success()?;
    let from = |suffix: &str, command: &str| {
        let from = format!("one{suffix}");
        let run =
            ["run", "--rm", "--volumes-from", &from, "-v", "own:/host", "busybox", "sh", "-c"];
        engine.docker(&[run.as_slice(), &[command]].concat())
    };
    assert_eq!(from("", "cat /data/file; touch /data/more; ls /host")?.success()?, "x");
    let refused = from(":ro", "touch /data/refused")?;
    assert!(refused.failure(1)?.contains("Read-only file system"), "{refused:?}");
    let two = ["create", "--name", "two", "--volumes-from", "one:ro", "busybox"];
    engine.docker(&two)?.success()?;
    let expected = ["bind  /host  [] false rprivate", "volume data /data local [] false "];
    assert_eq!(mounts(&engine, "two")?, expected);
    Ok(())
}

#[test]
fn requests_that_make_no_sense_leave_nothing() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let volume = "invalid mount config for type \"volume\":";
    for (host_config, message) in [
        (json!({ "Binds": ["/x:rw"] }), "invalid volume specification: '/x:rw'".to_owned()),
        (json!({ "Binds": ["data:/x:odd"] }), "invalid mode: odd".to_owned()),
        (json!({ "Binds": ["data:/x", "/tmp:/x"] }), "Duplicate mount point: /x".to_owned()),
        (
            json!({ "Binds": ["data:rel"] }),
            format!(
                "invalid volume specification: 'data:rel': {volume} invalid mount path: 'rel' \
                 mount path must be absolute"
            ),
        ),
        (json!({ "VolumesFrom": ["nosuch"] }), "No such container: nosuch".to_owned()),
        (json!({ "VolumesFrom": ["nosuch:odd"] }), "invalid mode: odd".to_owned()),
        (
            json!({ "Mounts": [{ "Type": "volume", "Target": "/x", "ReadOnly": true }] }),
            format!("{volume} must not set ReadOnly mode when using anonymous volumes"),
        ),
        (
            json!({ "Mounts": [{ "Type": "volume", "Source": "a b", "Target": "/x" }] }),
            "create a b: \"a b\" includes invalid characters for a local volume name, only \
             \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, \
             use absolute path"
                .to_owned(),
        ),
        (
            json!({ "Mounts": [{ "Type": "volume", "Source": "new", "Target": "/x",
                "VolumeOptions": { "DriverConfig": { "Options": { "q": "r" } } } }] }),
            "create new: invalid option: \"q\"".to_owned(),
        ),
        (
            json!({ "Mounts": [{ "Type": "bind", "Source": "/nosuch", "Target": "/x" }] }),
            "invalid mount config for type \"bind\": bind source path does not exist: /nosuch"
                .to_owned(),
        ),
    ] {
        let body = json!({ "Image": "busybox", "HostConfig": host_config });
        let mut refused = post(&engine, "/v1.41/containers/create", &body.to_string())?;
        // For some of them Docker blames itself.
        assert!(matches!(refused.status, 400 | 500), "{host_config}: {}", refused.status);
        assert_eq!(refused.message()?, message, "{host_config}");
    }
    assert_eq!(engine.docker(&["ps", "-aq"])?.success()?, "");
    Ok(())
}

#[test]
fn a_volume_over_a_file_is_refused() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let create = engine.docker(&["create", "-v", "/etc/passwd", "busybox"])?;
    let said = create.failure(1)?;
    assert!(said.contains("cannot mount volume over existing file, file exists"), "{said}");
    assert_eq!(engine.docker(&["ps", "-aq"])?.success()?, "");
    Ok(())
}

#[test]
fn copies_see_volumes_and_an_export_does_not() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let write = "echo in > /data/file; echo root > /root-file";
    let run = ["run", "--name", "one", "-v", "data:/data", "busybox", "sh", "-c", write];
    engine.docker(&run)?.success()?;
    let read = engine.docker(&["cp", "one:/data/file", "-"])?;
    assert!(read.success()?.contains("in\n"));
    fs::write(engine.scratch().join("more"), "from outside\n")?;
    engine.docker(&["cp", "more", "one:/data/more"])?.success()?;
    let other = ["run", "--rm", "-v", "data:/x:ro", "busybox", "cat", "/x/more"];
    assert_eq!(engine.docker(&other)?.success()?, "from outside");
    engine.docker(&["create", "--name", "fixed", "-v", "data:/data:ro", "busybox"])?.success()?;
    let refused = engine.docker(&["cp", "more", "fixed:/data/more"])?;
    assert!(refused.failure(1)?.contains("mounted volume is marked read-only"), "{refused:?}");

    let out = engine.scratch().join("out.tar");
    let out = out.to_str().unwrap_or_default();
    engine.docker(&["export", "-o", out, "one"])?.success()?;
    let exported = String::from_utf8_lossy(&fs::read(out)?).into_owned();
    assert!(exported.contains("root-file") && !exported.contains("from outside"));
    let changed = engine.docker(&["diff", "one"])?;
    let mut changed: Vec<&str> = changed.success()?.lines().collect();
    changed.sort_unstable();
    assert_eq!(changed, ["A /data", "A /root-file"]);
    Ok(())
}

/// Holds if the engine speaks this version of the API.
fn speaks(engine: &DockerHost, minor: u32) -> anyhow::Result<bool> {
    let version = engine.docker(&["version", "--format", "{{.Server.APIVersion}}"])?;
    let spoken = version.success()?.split('.').nth(1).unwrap_or_default().parse::<u32>()?;
    Ok(spoken >= minor)
}

#[test]
fn a_part_of_a_volume_can_be_mounted_and_nothing_outside_of_it() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    if !speaks(&engine, 45)? {
        return Ok(());
    }
    let fill = "mkdir -p /v/a/b; echo deep > /v/a/b/file; ln -s / /v/out; ln -s a/b /v/in";
    engine.docker(&["run", "--rm", "-v", "data:/v", "busybox", "sh", "-c", fill])?.success()?;
    let with = |part: &str| {
        let mount = format!("type=volume,src=data,dst=/m,volume-subpath={part}");
        engine.docker(&["run", "--rm", "--mount", &mount, "busybox", "cat", "/m/file"])
    };
    for part in ["a/b", "in", "a/../a/b"] {
        assert_eq!(with(part)?.success()?, "deep", "{part}");
    }
    for part in ["nosuch", "out/etc", "a/b/../../../.."] {
        assert_ne!(with(part)?.code, 0, "{part}");
    }
    assert_eq!(engine.docker(&["ps", "-aq"])?.success()?, "");
    Ok(())
}

#[test]
fn an_image_can_be_mounted_whole_and_in_part() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    if !speaks(&engine, 48)? {
        return Ok(());
    }
    let with = |options: &str, script: &str| {
        let mount = format!("type=image,src=busybox,dst=/i{options}");
        engine.docker(&["run", "--rm", "--mount", &mount, "busybox", "sh", "-c", script])
    };
    assert_eq!(with("", "head -1 /i/etc/group")?.success()?, "root:x:0:");
    assert_eq!(with(",image-subpath=etc", "head -1 /i/group")?.success()?, "root:x:0:");
    let refused = with("", "touch /i/x")?;
    assert!(refused.failure(1)?.contains("Read-only file system"), "{refused:?}");
    assert_ne!(with(",image-subpath=nosuch", "true")?.code, 0);
    Ok(())
}

/// A directory that is the top of a mount which shares what is mounted in it.
struct Shared(PathBuf);

impl Shared {
    fn make(place: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(place)?;
        let place = place.to_owned();
        let mount = |arguments: &[&str]| Command::new("mount").args(arguments).arg(&place).status();
        anyhow::ensure!(mount(&["-t", "tmpfs", "tmpfs"])?.success());
        let shared = Self(place.clone());
        anyhow::ensure!(mount(&["--make-shared"])?.success());
        Ok(shared)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").args(["-R", "-l"]).arg(&self.0).status();
    }
}

#[test]
fn what_is_mounted_later_is_seen_where_it_is_asked_for() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    let place = engine.scratch().join("shared");
    let shared = Shared::make(&place)?;
    for (name, mode) in [("private", "rprivate"), ("slave", "rslave"), ("shared", "rshared")] {
        let bind = format!("{}:/m:{mode}", place.display());
        let run =
            ["run", "-d", "--privileged", "--name", name, "-v", &bind, "busybox", "sleep", "1000"];
        engine.docker(&run)?.success()?;
    }
    let later = place.join("later");
    fs::create_dir(&later)?;
    let inner = Shared::make(&later)?;
    fs::write(later.join("file"), "x")?;
    for (name, expected) in [("private", 1), ("slave", 0), ("shared", 0)] {
        let seen = engine.docker(&["exec", name, "test", "-e", "/m/later/file"])?;
        assert_eq!(seen.code, expected, "{name}");
    }
    let own = "mkdir /m/own; mount -t tmpfs tmpfs /m/own; touch /m/own/file";
    engine.docker(&["exec", "slave", "sh", "-c", own])?.success()?;
    assert!(!place.join("own/file").exists(), "a slave gives nothing away");
    let own = "mkdir -p /m/mine; mount -t tmpfs tmpfs /m/mine; touch /m/mine/file";
    engine.docker(&["exec", "shared", "sh", "-c", own])?.success()?;
    assert!(place.join("mine/file").exists());
    drop((inner, shared));

    let plain = engine.scratch().join("plain");
    fs::create_dir(&plain)?;
    let bind = format!("{}:/m:shared", plain.display());
    let refused = engine.docker(&["run", "--rm", "-v", &bind, "busybox", "true"])?;
    assert!(refused.failure(125)?.contains("but it is not a shared mount"), "{refused:?}");
    Ok(())
}

#[test]
fn read_only_is_all_the_way_down_unless_told_otherwise() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    let place = engine.scratch().join("top");
    fs::create_dir(&place)?;
    let _mounted = Shared::make(&place.join("below"))?;
    let script = "touch /m/x 2>/dev/null && echo top; touch /m/below/x 2>/dev/null && echo below; \
                  grep -q ' /m/below ' /proc/mounts && echo there; true";
    for (options, expected) in [
        ("", "top\nbelow\nthere"),
        (",readonly", "there"),
        (",readonly,bind-recursive=writable", "below\nthere"),
        (",bind-recursive=disabled", "top\nbelow"),
        (",readonly,bind-propagation=rprivate,bind-recursive=readonly", "there"),
    ] {
        let mount = format!("type=bind,src={},dst=/m{options}", place.display());
        let run = ["run", "--rm", "--mount", &mount, "busybox", "sh", "-c", script];
        assert_eq!(engine.docker(&run)?.success()?, expected, "{options}");
    }
    Ok(())
}

#[test]
fn the_engines_socket_is_there_by_its_usual_names() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    for name in ["/var/run/docker.sock", "/run/docker.sock"] {
        if Path::new(name).exists() {
            // Another engine's, which is what is meant here.
            continue;
        }
        let bind = format!("{name}:/s");
        let stat = ["run", "--rm", "-v", &bind, "busybox", "stat", "-c", "%F %i", "/s"];
        let own = fs::metadata(engine.socket())?.ino();
        assert_eq!(engine.docker(&stat)?.success()?, format!("socket {own}"));
        let mount = format!("type=bind,src={name},dst=/s");
        let run = ["run", "--rm", "--mount", &mount, "busybox", "test", "-S", "/s"];
        engine.docker(&run)?.success()?;
        assert!(!Path::new(name).exists(), "nothing is made on the host");
    }
    Ok(())
}
