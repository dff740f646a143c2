//! `load`.

use naru_test_framework::{Engine, images};

#[test]
fn an_archive_is_loaded_from_standard_input_and_from_a_file() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    let archive = images::busybox()?.archive("docker.io/library/box:3")?;

    let loaded = engine.docker_with_input(&["load"], &archive)?;
    assert_eq!(loaded.success()?, "Loaded image: box:3");
    let path = engine.scratch().join("box.tar");
    std::fs::write(&path, &archive)?;
    let loaded = engine.docker(&["load", "-i", "box.tar"])?;
    assert_eq!(loaded.success()?, "Loaded image: box:3", "loading again is no error");
    assert_eq!(engine.docker(&["run", "--rm", "box:3", "echo", "ok"])?.success()?, "ok");
    Ok(())
}

#[test]
fn half_an_archive_leaves_nothing_behind() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    let archive = images::busybox()?.archive("docker.io/library/box:3")?;

    let output = engine.docker_with_input(&["load"], &archive[..archive.len() / 2])?;
    assert!(output.failure(1)?.contains("Error response from daemon: "), "{output:?}");
    let output = engine.docker_with_input(&["load"], b"no archive")?;
    output.failure(1)?;
    assert_eq!(engine.docker(&["images", "-aq"])?.success()?, "");
    engine.load(&images::busybox()?, "docker.io/library/box:3")
}
