//! `cp`, both ways, whatever the container does meanwhile.

use std::fs;
use std::os::unix::fs::symlink;

use naru_test_framework::oci::{Compression, LayerWriter};
use naru_test_framework::{DockerHost, Engine, NativeEngine};
use serde_json::{Value, json};

use crate::expect_error;
use crate::raw::{ask, request};

/// Three containers of busybox: `created`, `stopped` and `running`.
fn in_all_states(engine: &DockerHost, options: &[&str]) -> anyhow::Result<()> {
    let make = |verb: &[&str], command: &str| -> anyhow::Result<()> {
        let shell = ["busybox", "sh", "-c", command];
        engine.docker(&[verb, options, &shell].concat())?.success()?;
        Ok(())
    };
    make(&["create", "--name", "created"], "true")?;
    make(&["run", "--name", "stopped"], "true")?;
    make(&["run", "-d", "--name", "running"], "sleep 1000")
}

const STATES: [&str; 3] = ["created", "stopped", "running"];

/// The mounts of this engine that the host sees, without their numbers.
fn mounts(engine: &DockerHost) -> anyhow::Result<Vec<String>> {
    let directory = engine.scratch().display().to_string();
    let all = fs::read_to_string("/proc/self/mountinfo")?;
    let own = all.lines().filter(|line| line.contains(&directory));
    Ok(own.map(|line| line.split(' ').skip(3).collect::<Vec<_>>().join(" ")).collect())
}

#[test]
fn files_and_directories_go_both_ways_in_every_state() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    in_all_states(&engine, &[])?;
    let here = engine.scratch();
    fs::create_dir_all(here.join("tree/inner"))?;
    fs::write(here.join("tree/inner/file"), "content")?;
    symlink("inner/file", here.join("tree/link"))?;
    let before = mounts(&engine)?;

    for name in STATES {
        let inside = |path: &str| format!("{name}:{path}");
        engine.docker(&["cp", "tree", &inside("/srv")])?.success()?;
        engine.docker(&["cp", "tree/inner/file", &inside("/srv/inner/renamed")])?.success()?;
        let back = format!("back-{name}");
        engine.docker(&["cp", &inside("/srv"), &back])?.success()?;
        let back = here.join(back);
        assert_eq!(fs::read_to_string(back.join("inner/file"))?, "content", "{name}");
        assert_eq!(fs::read_to_string(back.join("inner/renamed"))?, "content", "{name}");
        assert_eq!(fs::read_link(back.join("link"))?.to_str(), Some("inner/file"), "{name}");
        // Into a directory that is there, and its content alone.
        engine.docker(&["cp", &inside("/srv/."), "back-created"])?.success()?;
        engine.docker(&["cp", &inside("/etc/passwd"), &format!("passwd-{name}")])?.success()?;
        assert!(fs::read_to_string(here.join(format!("passwd-{name}")))?.starts_with("root:"));
    }
    // The network of what has ended may have gone meanwhile.
    let more: Vec<_> = mounts(&engine)?.into_iter().filter(|it| !before.contains(it)).collect();
    assert_eq!(more, [""; 0], "something is mounted on the host");
    let read = ["exec", "running", "cat", "/srv/link"];
    assert_eq!(engine.docker(&read)?.success()?, "content", "the container sees it");
    let start = ["start", "-a", "created"];
    assert_eq!(engine.docker(&start)?.code, 0, "what was written to starts all the same");
    Ok(())
}

#[test]
fn an_archive_keeps_owners_modes_times_and_links() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["run", "-d", "--name", "box", "busybox", "sleep", "1000"])?.success()?;
    let make = "mkdir -p /a/d && echo x > /a/d/f && chown 33:4 /a/d/f && chmod 4711 /a/d/f && \
                touch -d '2001-02-03 04:05:06' /a/d/f && ln /a/d/f /a/hard && ln -s / /a/all && \
                mknod /a/pipe p && chmod 1777 /a";
    engine.docker(&["exec", "box", "sh", "-c", make])?.success()?;

    let archive = engine.docker(&["cp", "box:/a", "-"])?;
    archive.success()?;
    engine.docker(&["exec", "box", "mkdir", "/b"])?.success()?;
    engine.docker_with_input(&["cp", "-", "box:/b"], archive.stdout.as_bytes())?.success()?;
    let show = "cd /b/a && stat -c '%n %F %a %u:%g %Y %h' . d/f hard pipe && readlink all";
    let shown = engine.docker(&["exec", "box", "sh", "-c", show])?;
    let shown: Vec<&str> = shown.success()?.lines().collect();
    assert!(shown[0].starts_with(". directory 1777 0:0 "), "{shown:?}");
    assert_eq!(shown[1], "d/f regular file 4711 33:4 981173106 2");
    assert_eq!(shown[2], "hard regular file 4711 33:4 981173106 2");
    assert!(shown[3].starts_with("pipe fifo 644 0:0 "), "{shown:?}");
    assert_eq!(shown[4], "/");
    Ok(())
}

#[test]
fn a_compressed_archive_is_told_by_its_content() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["create", "--name", "box", "busybox"])?.success()?;
    for (name, compression) in
        [("plain", Compression::None), ("gzip", Compression::Gzip), ("zstd", Compression::Zstd)]
    {
        let mut archive = LayerWriter::new();
        archive.file(name, 0o600, name.as_bytes())?;
        let archive = archive.finish(compression)?.blob;
        engine.docker_with_input(&["cp", "-", "box:/tmp"], &archive)?.success()?;
        let copied = format!("box:/tmp/{name}");
        engine.docker(&["cp", &copied, name])?.success()?;
        assert_eq!(fs::read_to_string(engine.scratch().join(name))?, name);
    }
    let refused = engine.docker_with_input(&["cp", "-", "box:/tmp"], &[7; 4096])?;
    assert!(refused.failure(1)?.contains("tar archive is broken"), "{refused:?}");
    Ok(())
}

#[test]
fn mounts_are_seen_and_read_only_ones_refused() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let here = engine.scratch().to_owned();
    for name in ["open", "fixed"] {
        fs::create_dir(here.join(name))?;
        fs::write(here.join(name).join("file"), name)?;
    }
    let open = format!("{}/open:/deep/open", here.display());
    let fixed = format!("{}/fixed:/fixed:ro", here.display());
    in_all_states(&engine, &["-v", &open, "-v", &fixed, "--read-only"])?;
    fs::write(here.join("new"), "new")?;

    for name in STATES {
        for (path, content) in [("/deep/open/file", "open"), ("/fixed/file", "fixed")] {
            engine.docker(&["cp", &format!("{name}:{path}"), "copied"])?.success()?;
            assert_eq!(fs::read_to_string(here.join("copied"))?, content, "{name}");
        }
        let to_open = format!("{name}:/deep/open/from-{name}");
        engine.docker(&["cp", "new", &to_open])?.success()?;
        assert_eq!(fs::read_to_string(here.join(format!("open/from-{name}")))?, "new");
        let refused = engine.docker(&["cp", "new", &format!("{name}:/fixed/")])?;
        expect_error(&refused, 1, "mounted volume is marked read-only")?;
        let refused = engine.docker(&["cp", "new", &format!("{name}:/tmp/")])?;
        expect_error(&refused, 1, "container rootfs is marked read-only")?;
    }
    assert_eq!(fs::read_dir(here.join("fixed"))?.count(), 1);
    let made = format!("{}/made:/made", here.display());
    engine.docker(&["create", "--name", "early", "-v", &made, "busybox"])?.success()?;
    engine.docker(&["cp", "new", "early:/made"])?.success()?;
    assert!(here.join("made/new").is_file(), "a source that is to be made is there in time");
    Ok(())
}

#[test]
fn what_is_not_there_is_said_in_dockers_words() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    in_all_states(&engine, &[])?;
    fs::write(engine.scratch().join("file"), "")?;
    for name in STATES {
        let output = engine.docker(&["cp", &format!("{name}:/no/such"), "."])?;
        expect_error(&output, 1, &format!("Could not find the file /no/such in container {name}"))?;
        let output = engine.docker(&["cp", "file", &format!("{name}:/no/such/file")])?;
        let missing = format!("Could not find the file /no/such in container {name}");
        assert!(output.failure(1)?.contains(&missing), "{output:?}");
    }
    let output = engine.docker(&["cp", "nosuch:/etc", "."])?;
    expect_error(&output, 1, "No such container: nosuch")?;

    let put = "/containers/created/archive";
    for (query, status, message) in [
        ("", 400, "bad parameter: pathcannot be empty"),
        ("?path=/etc/passwd", 400, "extraction point is not a directory"),
        ("?path=/no", 404, "Could not find the file /no in container created"),
    ] {
        let mut answer = ask(&engine, "PUT", &format!("{put}{query}"))?;
        assert_eq!((answer.status, answer.message()?.as_str()), (status, message), "{query}");
    }
    Ok(())
}

#[test]
fn a_path_is_told_of_before_it_is_copied() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["create", "--name", "box", "busybox"])?.success()?;
    // The mode as Go has it.
    for (path, name, mode, target) in [
        ("/etc/../tmp", "tmp", 2_148_532_735_u32, ""),
        ("bin/sh", "sh", 134_218_239, "/bin/busybox"),
        ("/usr/bin/env", "env", 134_218_239, "/bin/busybox"),
        ("/etc/passwd", "passwd", 420, ""),
    ] {
        let head = ask(&engine, "HEAD", &format!("/containers/box/archive?path={path}"))?;
        assert_eq!(head.status, 200, "{path}");
        let stat = head.header("x-docker-container-path-stat").unwrap_or_default();
        let stat: Value = serde_json::from_slice(&base64(stat)?)?;
        let found = (&stat["name"], &stat["mode"], &stat["linkTarget"], &stat["mtime"]);
        let time = json!("2024-01-01T00:00:00Z");
        assert_eq!(found, (&json!(name), &json!(mode), &json!(target), &time), "{path}: {stat}");
        let get = ask(&engine, "GET", &format!("/containers/box/archive?path={path}"))?;
        assert_eq!(get.header("content-type"), Some("application/x-tar"));
        assert!(get.header("x-docker-container-path-stat").is_some());
    }
    assert_eq!(ask(&engine, "HEAD", "/containers/box/archive?path=/nosuch")?.status, 404);
    Ok(())
}

#[test]
fn kinds_and_owners_are_kept_or_changed_as_asked() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["create", "--name", "box", "-u", "www-data", "busybox"])?.success()?;
    let mut archive = LayerWriter::new();
    archive.file("www", 0o644, b"text")?;
    let archive = String::from_utf8(archive.into_tar())?;
    let put = |query: &str| {
        let path = format!("/containers/box/archive?path=/{query}");
        request(&engine, "PUT", &path, &["Connection: close"], &archive)
    };
    let mut refused = put("&noOverwriteDirNonDir=1")?;
    assert_eq!(
        (refused.status, refused.message()?.as_str()),
        (400, "cannot overwrite directory \"/www\" with non-directory \"/\"")
    );
    for (query, owner) in [("", "0000000"), ("&copyUIDGID=true", "0000041")] {
        assert_eq!(put(query)?.status, 200, "{query}");
        let copied = engine.docker(&["cp", "box:/www", "-"])?;
        // The field of the header; 33 in octal.
        assert_eq!(copied.success()?.get(108..115), Some(owner), "{query}");
    }
    Ok(())
}

#[test]
fn a_container_is_free_again_when_the_client_goes_away() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let big = engine.scratch().join("big");
    fs::write(&big, vec![b'x'; 64 << 20])?;
    let bind = format!("{}:/big", big.display());
    engine.docker(&["create", "--name", "box", "-v", &bind, "busybox"])?.success()?;
    // A container that was never started is not started while its files are read.
    let mut answer = ask(&engine, "GET", "/containers/box/archive?path=/big")?;
    assert_eq!(answer.status, 200);
    drop(answer.read_some(1000)?);
    drop(answer);
    engine.docker(&["start", "box"])?.success()?;
    engine.docker(&["rm", "-f", "box"])?.success()?;
    Ok(())
}

#[test]
fn an_engine_that_dies_in_a_copy_leaves_nothing_mounted() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    let shell = "head -c 64000000 /dev/zero > /big";
    // A network of its own would go a moment after its end, and is a mount too.
    let run = ["run", "--name", "box", "--network", "host", "busybox", "sh", "-c", shell];
    engine.docker(&run)?.success()?;
    let before = mounts(&engine)?;
    let mut answer = ask(&engine, "GET", "/containers/box/archive?path=/big")?;
    drop(answer.read_some(1000)?);
    engine.kill()?;
    engine.restart()?;
    assert_eq!(mounts(&engine)?, before);
    engine.docker(&["start", "-a", "box"])?.success()?;
    Ok(())
}

fn base64(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.bytes().filter(|&byte| byte != b'=') {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => anyhow::bail!("no base64: {text}"),
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count).to_le_bytes()[0]);
        }
    }
    Ok(bytes)
}
