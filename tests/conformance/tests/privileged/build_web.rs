//! Builds of what web servers have: `ADD` of a URL, and contexts that come from one.

use anyhow::ensure;
use naru_test_framework::oci::{LayerWriter, digest};
use naru_test_framework::{DockerHost, Engine};

use crate::build::{build, context};
use crate::import_url::Web;
use crate::raw::ask;

fn in_made(engine: &DockerHost, command: &str) -> anyhow::Result<String> {
    Ok(engine.docker(&["run", "--rm", "made", "sh", "-c", command])?.success()?.to_owned())
}

/// Builds of a URL, as clients ask for it.
fn build_remote(engine: &DockerHost, url: &str) -> anyhow::Result<String> {
    let mut answer = ask(engine, "POST", &format!("/build?t=made&remote={url}"))?;
    Ok(String::from_utf8_lossy(&answer.body()?).into_owned())
}

#[test]
fn a_file_of_the_web_is_added_as_it_is() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let mut writer = LayerWriter::new();
    writer.file("inner", 0o644, b"x")?;
    let archive = writer.into_tar();
    let web = Web::start(archive.clone())?;
    let (file, moved) = (web.url("/file"), web.url("/moved"));
    let dockerfile = format!("FROM busybox\nADD {file} {moved} /d/\nADD {file} /renamed\n");
    context(&engine, &[("Dockerfile", &dockerfile)])?;
    build(&engine, &["-t", "made"])?.success()?;
    let stat = "stat -c '%n %a %u:%g %Y %s' /d/file /d/moved /renamed";
    let size = archive.len();
    let expected =
        ["/d/file", "/d/moved", "/renamed"].map(|name| format!("{name} 600 0:0 784111777 {size}"));
    assert_eq!(in_made(&engine, stat)?, expected.join("\n"));
    // What has not changed there is not done again.
    let again = build(&engine, &["-t", "made"])?;
    assert_eq!(again.success()?.matches("Using cache").count(), 2, "{again:?}");
    Ok(())
}

#[test]
fn a_file_of_the_web_is_the_one_that_is_expected() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let web = Web::start(b"content".to_vec())?;
    let url = web.url("/file");
    let right = digest(b"content");
    let dockerfile =
        format!("FROM busybox\nADD --checksum={right} --chmod=755 --chown=1:2 {url} /x\n");
    context(&engine, &[("Dockerfile", &dockerfile)])?;
    build(&engine, &["-t", "made"])?.success()?;
    assert_eq!(in_made(&engine, "cat /x; stat -c ' %a %u:%g' /x")?, "content 755 1:2");
    let wrong = digest(b"other");
    for (instruction, message) in [
        (format!("ADD --checksum={wrong} {url} /x"), format!("digest mismatch {right}: {wrong}")),
        (format!("ADD --checksum=md5:00 {url} /x"), "invalid checksum \"md5:00\"".to_owned()),
        (
            format!("ADD --checksum={right} Dockerfile /x"),
            "checksum requires HTTP(S) or Git sources".to_owned(),
        ),
        (
            format!("ADD {} /x", web.url("/nothing")),
            "with status 404 Not Found: nothing here".to_owned(),
        ),
        (format!("COPY {url} /x"), "source can't be a URL for COPY".to_owned()),
        ("ADD http://127.0.0.1:1/x /x".to_owned(), "failed to GET http://127.0.0.1:1/x".to_owned()),
    ] {
        let dockerfile = format!("FROM busybox\n{instruction}\n");
        context(&engine, &[("Dockerfile", &dockerfile)])?;
        let failed = build(&engine, &["-t", "failed"])?;
        let said = failed.failure(1)?;
        ensure!(said.contains(&message), "{instruction}: {said}");
    }
    ensure!(engine.docker(&["images", "-q", "failed"])?.success()?.is_empty(), "it was made");
    Ok(())
}

#[test]
fn a_context_may_come_from_the_web() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let mut archive = LayerWriter::new();
    archive.file("Dockerfile", 0o644, b"FROM busybox\nCOPY a /a\n")?;
    archive.file("a", 0o640, b"from the web")?;
    let web = Web::start(archive.into_tar())?;
    let said = build_remote(&engine, &web.url("/moved"))?;
    ensure!(said.contains("Successfully tagged made:latest"), "{said}");
    assert_eq!(in_made(&engine, "cat /a; stat -c ' %a %u' /a")?, "from the web 640 0");

    let web = Web::start(b"FROM busybox\nRUN echo alone > /a\n".to_vec())?;
    let said = build_remote(&engine, &web.url("/file"))?;
    ensure!(said.contains("Successfully tagged made:latest"), "{said}");
    assert_eq!(in_made(&engine, "cat /a")?, "alone");

    let web = Web::start(b"FROM busybox\nCOPY a /a\n".to_vec())?;
    let said = build_remote(&engine, &web.url("/file"))?;
    ensure!(said.contains("not found"), "there is nothing but the Dockerfile: {said}");
    for (url, message) in [
        (web.url("/nothing"), "with status 404 Not Found"),
        ("ftp://127.0.0.1/x".to_owned(), "ftp://127.0.0.1/x"),
    ] {
        let said = build_remote(&engine, &url)?;
        ensure!(said.contains(message), "{url}: {said}");
    }
    Ok(())
}
