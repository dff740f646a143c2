//! `images`, `image inspect`, `history`, `tag`, `rmi`.

use anyhow::ensure;
use naru_test_framework::{DockerHost, Engine};

use crate::expect_error;
use crate::raw::ask;

const NAME: &str = "{{.Repository}}:{{.Tag}}";

fn id_of(engine: &DockerHost) -> anyhow::Result<String> {
    let id = engine.docker(&["images", "-q", "--no-trunc", "busybox"])?;
    Ok(id.success()?.to_owned())
}

#[test]
fn images_are_listed_and_filtered() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["tag", "busybox", "tools/box:2"])?.success()?;

    let table = engine.docker(&["images", "busybox"])?;
    let table: Vec<&str> = table.success()?.lines().collect();
    assert_eq!(
        table[0].split_whitespace().collect::<Vec<_>>(),
        ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    );
    assert!(table[1].starts_with("busybox "), "{table:?}");
    assert_eq!(table.len(), 2, "the name is a filter");
    for (filter, expected) in [
        ("reference=tools/*", "tools/box:2"),
        ("reference=busybox", "busybox:latest"),
        ("reference=nothing", ""),
        ("dangling=true", ""),
        ("label=none", ""),
    ] {
        let listed = engine.docker(&["images", "--filter", filter, "--format", NAME])?;
        assert_eq!(listed.success()?, expected, "{filter}");
    }
    let quiet = engine.docker(&["images", "-q"])?;
    assert!(quiet.success()?.lines().all(|id| id.len() == 12), "{quiet:?}");
    let digests = engine.docker(&["images", "--digests", "busybox"])?;
    assert!(digests.success()?.contains(" <none> "), "a loaded image has no registry's digest");
    let output = engine.docker(&["images", "-f", "colour=red"])?;
    ensure!(output.failure(1)?.to_lowercase().contains("invalid filter 'colour'"), "{output:?}");
    Ok(())
}

#[test]
fn images_are_listed_up_to_an_age() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["create", "--name", "box", "busybox"])?.success()?;
    engine.docker(&["commit", "box", "younger:1"])?.success()?;
    // busybox says that it is of the first of January.
    for (until, expected) in [
        ("2024-01-01T00:00:00Z", ""),
        ("2024-01-02T00:00:00Z", "busybox:latest"),
        ("1h", "busybox:latest"),
        ("0s", "younger:1\nbusybox:latest"),
    ] {
        let filter = format!("until={until}");
        let listed = engine.docker(&["images", "--filter", &filter, "--format", NAME])?;
        assert_eq!(listed.success()?, expected, "{until}");
    }
    let output = engine.docker(&["images", "--filter", "until=soon"])?;
    expect_error(&output, 1, "invalid timestamp: soon")
}

#[test]
fn a_platform_that_an_image_is_not_for_is_refused_where_one_can_be_named() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let own = engine.docker(&["image", "inspect", "-f", "{{.Architecture}}", "busybox"])?;
    let wanted = [own.success()?, "s390x"].map(|architecture| {
        format!("platform=%7B%22os%22:%22linux%22,%22architecture%22:%22{architecture}%22%7D")
    });
    let [own, other] = wanted.each_ref().map(String::as_str);
    for (path, query, status) in [
        ("/v1.48/images/busybox/history", own, 200),
        ("/v1.48/images/busybox/history", other, 404),
        ("/v1.48/images/busybox/history", "platform=%7B", 400),
        ("/v1.48/images/busybox/history", "platform=", 200),
        ("/v1.47/images/busybox/history", other, 200),
        ("/v1.49/images/busybox/json", own, 200),
        ("/v1.49/images/busybox/json", other, 404),
        ("/v1.48/images/busybox/json", other, 200),
    ] {
        let mut answer = ask(&engine, "GET", &format!("{path}?{query}"))?;
        let told = String::from_utf8(answer.body()?)?;
        assert_eq!(answer.status, status, "{path} {query}: {told}");
        let is_told = told.contains("does not match the specified platform (linux/s390x)");
        assert_eq!(is_told, status == 404, "{told}");
    }
    Ok(())
}

#[test]
fn an_image_is_inspected_by_name_id_and_prefix() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let id = id_of(&engine)?;

    for name in ["busybox", "busybox:latest", "docker.io/library/busybox", &id, &id[7..19]] {
        let format = "{{.Id}} {{index .RepoTags 0}} {{.Os}} {{.Config.Cmd}} {{.RootFS.Type}}";
        let shown = engine.docker(&["image", "inspect", "-f", format, name])?;
        assert_eq!(shown.success()?, format!("{id} busybox:latest linux [sh] layers"), "{name}");
    }
    let whole = engine.docker(&["inspect", "busybox"])?;
    let whole: serde_json::Value = serde_json::from_str(whole.success()?)?;
    assert_eq!(whole[0]["Created"], "2024-01-01T00:00:00Z");
    assert_eq!(whole[0]["RootFS"]["Layers"].as_array().map(Vec::len), Some(1));
    let output = engine.docker(&["image", "inspect", "nothing"])?;
    assert!(output.failure(1)?.contains("No such image: nothing"), "{output:?}");
    assert_eq!(output.stdout.trim(), "[]");
    Ok(())
}

#[test]
fn history_shows_each_layer() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let history = ["history", "--format", "{{.CreatedBy}}|{{.Comment}}", "busybox"];
    assert_eq!(engine.docker(&history)?.success()?, "layer 1|");
    let output = engine.docker(&["history", "nothing"])?;
    expect_error(&output, 1, "No such image: nothing:latest")
}

#[test]
fn names_come_and_go_and_the_image_with_the_last() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let id = id_of(&engine)?;
    assert_eq!(engine.docker(&["tag", "busybox", "other:1"])?.success()?, "");
    let output = engine.docker(&["tag", "nothing", "other:2"])?;
    expect_error(&output, 1, "No such image: nothing:latest")?;

    let by_id = engine.docker(&["rmi", &id])?;
    expect_error(
        &by_id,
        1,
        &format!(
            "conflict: unable to delete {} (must be forced) - image is referenced in multiple \
             repositories",
            &id[7..19]
        ),
    )?;
    let untagged = engine.docker(&["rmi", "other:1"])?;
    assert_eq!(untagged.success()?, "Untagged: other:1");
    let deleted = engine.docker(&["rmi", "busybox"])?;
    let deleted: Vec<&str> = deleted.success()?.lines().collect();
    assert_eq!(deleted[..2], ["Untagged: busybox:latest".to_owned(), format!("Deleted: {id}")]);
    assert_eq!(engine.docker(&["images", "-aq"])?.success()?, "");
    let output = engine.docker(&["rmi", "busybox"])?;
    expect_error(&output, 1, "No such image: busybox:latest")
}

#[test]
fn an_image_in_use_is_kept() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let image = id_of(&engine)?;
    let created = engine.docker(&["create", "--name", "user", "busybox", "echo", "still here"])?;
    let container = created.success()?.to_owned();

    let output = engine.docker(&["rmi", "busybox"])?;
    let said = output.failure(1)?;
    assert!(said.contains("conflict: unable to remove repository reference \"busybox"), "{said}");
    let users = format!(
        "(must force) - container {} is using its referenced image {}",
        &container[..12],
        &image[7..19]
    );
    assert!(said.ends_with(&users), "{said}");
    assert_eq!(engine.docker(&["start", "-a", "user"])?.success()?, "still here");
    engine.docker(&["run", "-d", "--name", "runs", "busybox", "sleep", "1000"])?.success()?;
    let output = engine.docker(&["rmi", "-f", &image])?;
    let said = output.failure(1)?;
    assert!(said.contains("(cannot be forced) - image is being used by running container"));
    Ok(())
}

#[test]
fn a_container_outlives_the_forced_removal_of_its_image() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["create", "--name", "user", "busybox", "echo", "still here"])?.success()?;

    let removed = engine.docker(&["rmi", "-f", "busybox"])?;
    assert!(removed.success()?.starts_with("Untagged: busybox:latest\n"), "{removed:?}");
    assert_eq!(engine.docker(&["start", "-a", "user"])?.success()?, "still here");
    Ok(())
}
