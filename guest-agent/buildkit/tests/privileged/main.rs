//! Stock buildx, as Debian ships it, at the door: with an engine that knows no more than to hand
//! over connections, and a builder that shows what it is given.

#![expect(clippy::panic_in_result_fn, reason = "a test asserts")]

mod engine;
mod shower;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;

use crate::engine::Engine;

/// A context with a Dockerfile, which says what is to be shown.
fn context(engine: &Engine, dockerfile: &str) -> anyhow::Result<()> {
    fs::write(engine.path("context/Dockerfile"), dockerfile)?;
    fs::create_dir(engine.path("context/dir"))?;
    fs::write(engine.path("context/dir/file"), "x".repeat(100_000))?;
    fs::write(engine.path("context/hidden.log"), "not sent")?;
    fs::write(engine.path("context/.dockerignore"), "*.log\n")?;
    Ok(symlink("../../outside", engine.path("context/link"))?)
}

#[tokio::test]
async fn a_build_is_drawn_and_its_image_named() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    context(&engine, "FROM scratch\n")?;
    let output = engine.buildx(&["build", "-t", "app:1", "--progress=plain", "context"]).await?;
    assert!(output.contains("[1/1] show the context"), "{output}");
    assert!(output.contains("dir/file 100000"), "{output}");
    assert!(output.contains("link -> ../../outside"), "{output}");
    assert!(!output.contains("hidden.log"), "{output}");
    let exporter = &engine.shower().exports()[0].exporters[0];
    assert_eq!(exporter.r#type, "moby");
    // As it was typed: it is the builder's to make a whole name of it.
    assert_eq!(exporter.attrs["name"], "app:1");
    Ok(())
}

#[tokio::test]
async fn a_tree_and_an_archive_come_to_the_client() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    context(&engine, "FROM scratch\n")?;
    engine.buildx(&["build", "--output=type=local,dest=tree", "context"]).await?;
    assert_eq!(fs::read(engine.path("tree/dir/file"))?.len(), 100_000);
    assert_eq!(fs::read_link(engine.path("tree/link"))?, Path::new("../../outside"));
    engine.buildx(&["build", "--output=type=tar,dest=archive.tar", "context"]).await?;
    assert_eq!(fs::read(engine.path("archive.tar"))?, vec![b'a'; 1 << 20]);
    Ok(())
}

#[tokio::test]
async fn a_failure_shows_the_line_it_is_in() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    context(&engine, "FROM scratch\nFRM x\n")?;
    let failed = engine.buildx(&["build", "context"]).await;
    let Err(failed) = failed else { anyhow::bail!("it was built") };
    let shown = failed.to_string();
    assert!(shown.contains("Dockerfile:2"), "{shown}");
    assert!(shown.contains(">>> FRM x"), "{shown}");
    assert!(shown.contains("ERROR: failed to solve: unknown instruction: FRM"), "{shown}");
    Ok(())
}

#[tokio::test]
async fn secrets_come_and_missing_ones_do_not() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    context(&engine, "FROM scratch\n# secret token\n# secret other\n")?;
    fs::write(engine.path("token"), "hush")?;
    let secret = "--secret=id=token,src=token";
    let output = engine.buildx(&["build", secret, "--progress=plain", "context"]).await?;
    assert!(output.contains("secret token has 4 bytes"), "{output}");
    assert!(output.contains("secret other is not there"), "{output}");
    Ok(())
}

#[tokio::test]
async fn a_context_may_come_on_standard_input() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    let mut buildx = engine.command(&["build", "--progress=plain", "-"]);
    let mut buildx = buildx.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // buildx looks no further than for the mark of a compressed archive.
    let mut archive = vec![0; 10_240];
    archive[..3].copy_from_slice(b"\x1f\x8b\x08");
    if let Some(mut input) = buildx.stdin.take() {
        input.write_all(&archive).await?;
    }
    let output = buildx.wait_with_output().await?;
    let shown = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown}");
    assert!(shown.contains("an upload of 10240 bytes"), "{shown}");
    Ok(())
}

#[tokio::test]
async fn a_bake_builds_one_target_on_another() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    context(&engine, "FROM scratch\n")?;
    let file = r#"
        target "base" { context = "context" }
        target "app" {
            context = "context"
            contexts = { base = "target:base" }
        }
    "#;
    fs::write(engine.path("docker-bake.hcl"), file)?;
    let output = engine.buildx(&["bake", "--progress=plain", "app"]).await?;
    assert!(output.contains("on top of base: another build"), "{output}");
    Ok(())
}

#[tokio::test]
async fn a_build_is_cancelled_when_buildx_goes() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    context(&engine, "FROM scratch\n# wait\n")?;
    let mut buildx = engine.command(&["build", "context"]);
    let mut buildx = buildx.stderr(Stdio::null()).spawn()?;
    engine.shower().waiting().await?;
    buildx.kill().await?;
    engine.shower().tidied().await
}

#[tokio::test]
async fn the_builder_and_its_cache_are_listed() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    let output = engine.buildx(&["inspect"]).await?;
    assert!(output.contains("linux/amd64"), "{output}");
    assert!(output.contains("running"), "{output}");
    let output = engine.buildx(&["du"]).await?;
    assert!(output.contains("Reclaimable:"), "{output}");
    let output = engine.buildx(&["prune", "--force"]).await?;
    assert!(output.contains("7B"), "{output}");
    Ok(())
}
