//! Build contexts and sources that mean harm: they get at nothing, and leave nothing.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use naru_test_framework::oci::LayerWriter;
use naru_test_framework::{DockerHost, Engine, NativeEngine};

use crate::pull_memory::peak_of;
use crate::raw::request_at;

/// Sends an archive to be built, and gives all that is said.
fn build(engine: &DockerHost, archive: impl AsRef<[u8]>) -> anyhow::Result<String> {
    let headers = ["Connection: close", "Content-Type: application/x-tar"];
    let mut answer = request_at(engine.socket(), "POST", "/build?t=made", &headers, archive)?;
    Ok(String::from_utf8_lossy(&answer.body()?).into_owned())
}

fn context(dockerfile: &str) -> anyhow::Result<LayerWriter> {
    let mut context = LayerWriter::new();
    context.file("Dockerfile", 0o644, dockerfile.as_bytes())?;
    Ok(context)
}

fn in_made(engine: &DockerHost, command: &str) -> anyhow::Result<String> {
    Ok(engine.docker(&["run", "--rm", "made", "sh", "-c", command])?.success()?.to_owned())
}

#[test]
fn no_link_of_a_context_leads_out_of_it() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let targets =
        ["/etc/hostname", "../../../../../../etc/hostname", "/proc/self/root/etc/hostname"];
    for target in targets {
        for (dockerfile, source) in [("COPY link /x", target), ("COPY way/hostname /x", "/etc")] {
            let mut context = context(&format!("FROM busybox\n{dockerfile}\n"))?;
            context.symlink("link", source)?;
            context.symlink("way", "../../../../../../../etc")?;
            let said = build(&engine, context.into_tar())?;
            ensure!(said.contains("not found"), "{target}: {said}");
        }
    }
    // What leads to somewhere inside is what is there.
    let mut context = context("FROM busybox\nCOPY link /x\nCOPY . /all/\n")?;
    context.directory("etc", 0o755)?;
    context.file("etc/hostname", 0o644, b"inside")?;
    context.symlink("link", "/etc/hostname")?;
    let said = build(&engine, context.into_tar())?;
    ensure!(said.contains("Successfully tagged made:latest"), "{said}");
    assert_eq!(in_made(&engine, "cat /x; readlink /all/link")?, "inside/etc/hostname");
    Ok(())
}

#[test]
fn no_link_of_a_stage_leads_out_of_it() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let dockerfile = "FROM busybox AS a\n\
         RUN mkdir /etc/sub && echo stage > /etc/sub/f \\\n\
         && ln -s ../../../../../../../../etc/sub /up && ln -s /proc/1/root /proc-link \\\n\
         && ln -s /etc/sub/f /link\n\
         FROM busybox\n\
         COPY --from=a /up/f /link /taken/\n";
    let said = build(&engine, context(dockerfile)?.into_tar())?;
    ensure!(said.contains("Successfully tagged made:latest"), "{said}");
    assert_eq!(in_made(&engine, "cat /taken/f /taken/link")?, "stage\nstage");
    for source in ["/proc-link/etc/shadow", "/up/../../../../../../../../../../etc/naru-nothing"] {
        let (first, _) = dockerfile.split_at(dockerfile.find("COPY").unwrap_or_default());
        let dockerfile = format!("{first}COPY --from=a {source} /x\n");
        let said = build(&engine, context(&dockerfile)?.into_tar())?;
        ensure!(said.contains("not found"), "{source}: {said}");
    }
    Ok(())
}

#[test]
fn no_link_of_the_image_leads_a_copy_out_of_it() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let escaped = Path::new("/tmp/naru-escaped");
    let mut context = context(
        "FROM busybox\n\
         RUN ln -s ../../../../../../../../tmp /up && ln -s /proc/1/root/tmp /away || true\n\
         COPY naru-escaped /up/\n\
         COPY naru-escaped /up/new/\n\
         ADD a.tar /up/\n\
         WORKDIR /up/made\n",
    )?;
    context.file("naru-escaped", 0o644, b"x")?;
    let mut archive = LayerWriter::new();
    archive.file("naru-escaped", 0o600, b"y")?;
    context.file("a.tar", 0o644, &archive.into_tar())?;
    let said = build(&engine, context.into_tar())?;
    ensure!(!escaped.exists(), "{said}");
    ensure!(said.contains("Successfully tagged made:latest"), "{said}");
    let found = "cat /tmp/naru-escaped /tmp/new/naru-escaped; test -d /tmp/made && pwd";
    assert_eq!(in_made(&engine, found)?, "yx/tmp/made");
    Ok(())
}

#[test]
fn archives_that_lead_out_are_refused() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let escaped = Path::new("/tmp/naru-escaped");
    for name in ["../../../../../../../../tmp/naru-escaped", "a/../../../../../../tmp/naru-escaped"]
    {
        // As a context, and in one.
        let mut outer = context("FROM busybox\n")?;
        outer.file(name, 0o644, b"x")?;
        let said = build(&engine, outer.into_tar())?;
        ensure!(said.contains("is outside of"), "{said}");
        let mut inner = LayerWriter::new();
        inner.file(name, 0o644, b"x")?;
        let mut outer = context("FROM busybox\nADD a.tar /deep/er/\n")?;
        outer.file("a.tar", 0o644, &inner.into_tar())?;
        let said = build(&engine, outer.into_tar())?;
        ensure!(said.contains("is outside of"), "{said}");
        ensure!(!escaped.exists(), "{name}");
    }
    let mut linked = context("FROM busybox\nCOPY . /all/\n")?;
    linked.hard_link("stolen", "../../../../../../etc/shadow")?;
    let said = build(&engine, linked.into_tar())?;
    ensure!(said.contains("is outside of"), "{said}");
    // Through a link of its own.
    let mut linked = context("FROM busybox\nCOPY . /all/\n")?;
    linked.symlink("way", "/etc")?;
    linked.hard_link("stolen", "way/shadow")?;
    let said = build(&engine, linked.into_tar())?;
    ensure!(said.contains("No such file or directory"), "{said}");
    Ok(())
}

#[test]
fn a_device_of_an_archive_gives_no_device() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let mut archive = LayerWriter::new();
    archive.character_device("mem", 1, 1)?;
    archive.character_device("null", 1, 3)?;
    let mut context =
        context("FROM busybox\nADD a.tar /dev2/\nCOPY . /all/\nRUN ! cat /dev2/mem\n")?;
    context.file("a.tar", 0o644, &archive.into_tar())?;
    context.character_device("kmsg", 1, 11)?;
    let said = build(&engine, context.into_tar())?;
    ensure!(said.contains("Successfully tagged made:latest"), "{said}");
    let found = "cat /dev2/mem /all/kmsg; stat -c '%F %t:%T' /dev2/null /all/kmsg";
    let run = engine.docker(&["run", "--rm", "made", "sh", "-c", found])?;
    let said = format!("{run:?}");
    assert_eq!(said.matches("Operation not permitted").count(), 2, "{said}");
    let kinds = "character special file 1:3\ncharacter special file 1:b";
    assert_eq!(run.success()?, kinds);
    Ok(())
}

#[test]
fn what_would_hide_a_file_from_an_overlay_is_not_taken() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let mut hiding = LayerWriter::new();
    hiding.directory("bin", 0o755)?;
    hiding.character_device("bin/sh", 0, 0)?;
    let hiding = hiding.into_tar();
    for flag in ["", "--link "] {
        let mut context = context(&format!("FROM busybox\nADD {flag}a.tar /\n"))?;
        context.file("a.tar", 0o644, &hiding)?;
        let said = build(&engine, context.into_tar())?;
        ensure!(said.contains("Operation not permitted"), "{said}");
    }
    let said = build(&engine, hiding)?;
    ensure!(said.contains("Operation not permitted"), "{said}");
    Ok(())
}

/// An archive that only grows smaller by what it says again and again.
fn many_files(directories: usize, files: usize) -> anyhow::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, content)
    };
    add("Dockerfile", b"FROM busybox\nCOPY d7 /some\n")?;
    for directory in 0..directories {
        for file in 0..files {
            add(&format!("d{directory}/{file}"), b"")?;
        }
    }
    Ok(archive.into_inner()?.finish()?)
}

#[test]
#[ignore = "makes a million files, which takes minutes with an agent that is not optimised"]
fn a_context_of_a_million_files_takes_no_more_memory() -> anyhow::Result<()> {
    const MEMORY_MAX_KIB: u64 = 200 << 10;
    let engine = NativeEngine::with_busybox()?;
    let archive = many_files(1000, 1000)?;
    engine.docker_with_input(&["build", "-t", "made", "-"], &archive)?.success()?;
    let peak = peak_of(engine.pid().context("the engine runs")?)?;
    ensure!(peak < MEMORY_MAX_KIB, "the engine took {peak} KiB");
    assert_eq!(in_made(&engine, "ls /some | wc -l")?, "1000");
    Ok(())
}

#[test]
fn a_context_is_gone_when_its_build_is_over() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    let contexts = engine.root().join("builds/contexts");
    let is_empty = || fs::read_dir(&contexts).map(|mut all| all.next().is_none());
    for dockerfile in ["FROM busybox\nCOPY . /x/\n", "FROM busybox\nCOPY gone /\n", "no Dockerfile"]
    {
        build(&engine, context(dockerfile)?.into_tar())?;
    }
    build(&engine, b"no archive, but as long as a header of one".repeat(20))?;
    // It ends when all that it has begun is done.
    engine.stop()?;
    ensure!(is_empty()?, "it is still there");
    // What one that was killed has left goes when the next one comes.
    fs::create_dir_all(contexts.join("left/in"))?;
    engine.restart()?;
    ensure!(is_empty()?, "it is still there");
    Ok(())
}
