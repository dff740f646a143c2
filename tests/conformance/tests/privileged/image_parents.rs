//! Images that are made of one another: what is told of that, and how they go.

use anyhow::ensure;
use naru_test_framework::{DockerHost, Engine};

use crate::expect_error;
use crate::save_load::id_of;

/// Makes an image of a container of `from` that writes a file; `name` may be none.
fn made(engine: &DockerHost, from: &str, file: &str, name: &[&str]) -> anyhow::Result<String> {
    let shell = format!("echo {file} > /{file}");
    engine.docker(&["run", "--name", "maker", from, "sh", "-c", &shell])?.success()?;
    let id = engine.docker(&[&["commit", "maker"], name].concat())?.success()?.to_owned();
    engine.docker(&["rm", "maker"])?.success()?;
    Ok(id)
}

/// Full ids, as `docker images` lists them.
fn listed(engine: &DockerHost, options: &[&str]) -> anyhow::Result<Vec<String>> {
    let list = [&["images", "-q", "--no-trunc"], options].concat();
    let listed = engine.docker(&list)?;
    let mut ids: Vec<String> = listed.success()?.lines().map(str::to_owned).collect();
    ids.sort();
    ids.dedup();
    Ok(ids)
}

fn sorted<const N: usize>(ids: [&String; N]) -> Vec<String> {
    let mut ids = ids.map(Clone::clone).to_vec();
    ids.sort();
    ids
}

#[test]
fn an_image_knows_what_it_was_made_of() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let base = id_of(&engine, "busybox")?;
    let middle = made(&engine, "busybox", "one", &[])?;
    let top = made(&engine, &middle, "two", &["top:1"])?;
    let parent = |name: &str| -> anyhow::Result<String> {
        let parent = engine.docker(&["image", "inspect", "-f", "{{.Parent}}", name])?;
        Ok(parent.success()?.to_owned())
    };
    assert_eq!(parent("top:1")?, middle);
    assert_eq!(parent(&middle)?, base);
    assert_eq!(parent("busybox")?, "");
    let history = engine.docker(&["history", "-q", "--no-trunc", "top:1"])?;
    let ids: Vec<&str> = history.success()?.lines().collect();
    assert_eq!(ids[..3], [&top, &middle, &base], "each entry has its image");
    assert!(ids[3..].iter().all(|id| *id == "<missing>"), "{ids:?}");

    // What has no name and is between others is shown only when all are asked for.
    assert_eq!(listed(&engine, &[])?, sorted([&base, &top]));
    assert_eq!(listed(&engine, &["-a"])?, sorted([&base, &middle, &top]));
    assert_eq!(listed(&engine, &["--filter", "dangling=true"])?, [""; 0]);
    let usage = ["system", "df", "--format", "{{.TotalCount}}"];
    let usage = engine.docker(&usage)?;
    assert_eq!(usage.success()?.lines().next(), Some("2"));
    Ok(())
}

#[test]
fn an_image_that_others_were_made_of_is_not_removed() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let base = id_of(&engine, "busybox")?;
    let top = made(&engine, "busybox", "one", &["top:1"])?;
    for force in [&["rmi"][..], &["rmi", "-f"]] {
        let output = engine.docker(&[force, &[base.as_str()]].concat())?;
        let message = format!(
            "conflict: unable to delete {} (cannot be forced) - image has dependent child images",
            &base[7..19]
        );
        expect_error(&output, 1, &message)?;
    }
    let untagged = engine.docker(&["rmi", "busybox"])?;
    assert_eq!(untagged.success()?, "Untagged: busybox:latest");
    assert_eq!(listed(&engine, &["-a"])?, sorted([&base, &top]));
    assert_eq!(engine.docker(&["run", "--rm", "top:1", "cat", "/one"])?.success()?, "one");

    // Without a name it goes with the last image that was made of it.
    let removed = engine.docker(&["rmi", "top:1"])?;
    let removed: Vec<&str> = removed.success()?.lines().collect();
    for line in
        ["Untagged: top:1".to_owned(), format!("Deleted: {top}"), format!("Deleted: {base}")]
    {
        ensure!(removed.contains(&line.as_str()), "{removed:?} lacks {line:?}");
    }
    assert_eq!(listed(&engine, &["-a"])?, [""; 0]);
    Ok(())
}

#[test]
fn what_an_image_was_made_of_stays_when_that_is_asked_for() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let middle = made(&engine, "busybox", "one", &[])?;
    made(&engine, &middle, "two", &["top:1"])?;
    engine.docker(&["rmi", "--no-prune", "top:1"])?.success()?;
    assert_eq!(listed(&engine, &["-a"])?, sorted([&id_of(&engine, "busybox")?, &middle]));
    // Now that nothing is made of it, it is an image like any without a name.
    assert_eq!(listed(&engine, &["--filter", "dangling=true"])?, std::slice::from_ref(&middle));
    engine.docker(&["create", "--name", "user", &middle])?.success()?;
    made(&engine, &middle, "three", &["again:1"])?;
    engine.docker(&["rmi", "again:1"])?.success()?;
    let inspect = ["image", "inspect", "-f", "{{.Id}}", &middle];
    assert_eq!(engine.docker(&inspect)?.success()?, middle, "a container has it");
    Ok(())
}

#[test]
fn a_prune_takes_images_with_what_they_were_made_of() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let base = id_of(&engine, "busybox")?;
    let middle = made(&engine, "busybox", "one", &[])?;
    let top = made(&engine, &middle, "two", &["top:1"])?;
    engine.docker(&["create", "--name", "user", "top:1"])?.success()?;

    // Nothing of it dangles: it is what the image in use was made of.
    let pruned = engine.docker(&["image", "prune", "-f"])?;
    ensure!(!pruned.success()?.contains("Deleted"), "{pruned:?}");
    // The base is not used itself: its name goes, and it stays for what was made of it.
    engine.docker(&["image", "prune", "-af"])?.success()?;
    assert_eq!(listed(&engine, &["-a"])?, sorted([&base, &middle, &top]));
    assert_eq!(
        engine.docker(&["run", "--rm", "top:1", "cat", "/one", "/two"])?.success()?,
        "one\ntwo"
    );

    engine.docker(&["rm", "user"])?.success()?;
    engine.docker(&["image", "prune", "-af"])?.success()?;
    assert_eq!(listed(&engine, &["-a"])?, [""; 0]);
    Ok(())
}

#[test]
fn containers_are_found_by_what_their_image_was_made_of() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let middle = made(&engine, "busybox", "one", &[])?;
    made(&engine, &middle, "two", &["top:1"])?;
    for (name, image) in [("first", "busybox"), ("second", "top:1")] {
        engine.docker(&["create", "--name", name, image])?.success()?;
    }
    for (ancestor, expected) in
        [("busybox", "second first"), (middle.as_str(), "second"), ("top:1", "second")]
    {
        let filter = format!("ancestor={ancestor}");
        let found = engine.docker(&["ps", "-a", "--format", "{{.Names}}", "--filter", &filter])?;
        let found: Vec<&str> = found.success()?.lines().collect();
        assert_eq!(found.join(" "), expected, "{ancestor}");
    }
    Ok(())
}
