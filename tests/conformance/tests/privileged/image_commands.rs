//! Names, lists and sizes of images, as scripts use them: each case a command and what becomes of
//! the images.

use anyhow::ensure;
use naru_test_framework::{DockerHost, Engine, Registry, images};
use serde_json::{Value, json};

use crate::expect_error;
use crate::save_load::id_of;

/// An engine with `busybox` and `other:1`, of the same layer but with labels and another command.
fn two_images() -> anyhow::Result<Engine> {
    let engine = Engine::with_busybox()?;
    let settings = json!({ "Cmd": ["echo", "other"], "Labels": { "kind": "other", "n": "1" } });
    engine.load(&images::busybox_with(&settings)?, "other:1")?;
    Ok(engine)
}

fn names(engine: &DockerHost, options: &[&str]) -> anyhow::Result<Vec<String>> {
    let list = ["images", "--format", "{{.Repository}}:{{.Tag}}"];
    let listed = engine.docker(&[&list[..], options].concat())?;
    let mut names: Vec<String> = listed.success()?.lines().map(str::to_owned).collect();
    names.sort();
    Ok(names)
}

#[test]
fn a_tag_moves_from_one_image_to_another() -> anyhow::Result<()> {
    let engine = two_images()?;
    let (busybox, other) = (id_of(&engine, "busybox")?, id_of(&engine, "other:1")?);
    engine.docker(&["tag", "busybox", "other:1"])?.success()?;
    assert_eq!(id_of(&engine, "other:1")?, busybox);
    assert_eq!(names(&engine, &[])?, ["<none>:<none>", "busybox:latest", "other:1"]);
    assert_eq!(engine.docker(&["run", "--rm", &other])?.success()?, "other", "it is still there");
    Ok(())
}

#[test]
fn a_tag_is_given_by_id_and_by_its_beginning() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let id = id_of(&engine, "busybox")?;
    for (source, target) in
        [(id.as_str(), "a"), (&id[7..], "b:1"), (&id[7..15], "host:5000/c/d:x_y.z-1")]
    {
        engine.docker(&["tag", source, target])?.success()?;
        assert_eq!(id_of(&engine, target)?, id, "{source}");
    }
    let expected = ["a:latest", "b:1", "busybox:latest", "host:5000/c/d:x_y.z-1"];
    assert_eq!(names(&engine, &[])?, expected);
    Ok(())
}

#[test]
fn a_name_that_is_none_is_refused() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    for (target, said) in [
        ("Upper", "must be lowercase"),
        ("a:b:c", "invalid reference format"),
        ("a:-x", "invalid reference format"),
        ("../a", "invalid reference format"),
    ] {
        let output = engine.docker(&["tag", "busybox", target])?;
        let message = output.failure(1)?;
        ensure!(message.contains(said), "{target}: {message}");
    }
    assert_eq!(names(&engine, &[])?, ["busybox:latest"]);
    Ok(())
}

#[test]
fn removing_by_id_takes_all_names_only_by_force() -> anyhow::Result<()> {
    let engine = two_images()?;
    let id = id_of(&engine, "busybox")?;
    engine.docker(&["tag", "busybox", "x:1"])?.success()?;
    engine.docker(&["rmi", &id])?.failure(1)?;
    let removed = engine.docker(&["rmi", "-f", &id])?;
    let mut lines: Vec<&str> = removed.success()?.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines[0], format!("Deleted: {id}"));
    assert_eq!(lines[lines.len() - 2..], ["Untagged: busybox:latest", "Untagged: x:1"]);
    assert_eq!(engine.docker(&["run", "--rm", "other:1"])?.success()?, "other", "the layer stays");
    Ok(())
}

#[test]
fn one_that_is_missing_does_not_keep_the_others_from_going() -> anyhow::Result<()> {
    let engine = two_images()?;
    let output = engine.docker(&["rmi", "other:1", "missing", "busybox"])?;
    expect_error(&output, 1, "No such image: missing:latest")?;
    ensure!(output.stdout.contains("Untagged: busybox:latest"), "{output:?}");
    assert_eq!(names(&engine, &["-a"])?, [""; 0]);
    // By force it is not even an error.
    engine.docker(&["rmi", "-f", "missing"])?.success()?;
    Ok(())
}

#[test]
fn a_digest_is_a_name_that_can_be_removed() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let digest = registry.push("box", "1", &images::busybox()?)?;
    let engine = Engine::start()?;
    let name = format!("{}/box", registry.address());
    let by_digest = format!("{name}@{digest}");
    engine.docker(&["pull", "-q", &by_digest])?.success()?;
    assert_eq!(names(&engine, &[])?, [format!("{name}:<none>")]);
    assert_eq!(names(&engine, &[&name])?, [format!("{name}:<none>")], "it has a name, too");
    engine.docker(&["tag", &by_digest, "mine:1"])?.success()?;
    let removed = engine.docker(&["rmi", &by_digest])?;
    assert_eq!(removed.success()?, format!("Untagged: {by_digest}"));
    assert_eq!(names(&engine, &[])?, ["mine:1"]);
    Ok(())
}

#[test]
fn a_repositorys_digest_goes_with_its_last_tag() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let digest = registry.push("box", "1", &images::busybox()?)?;
    let engine = Engine::start()?;
    let name = format!("{}/box", registry.address());
    engine.docker(&["pull", "-q", &format!("{name}:1")])?.success()?;
    engine.docker(&["tag", &format!("{name}:1"), &format!("{name}:2")])?.success()?;
    let removed = engine.docker(&["rmi", &format!("{name}:1")])?;
    assert_eq!(removed.success()?, format!("Untagged: {name}:1"));
    let removed = engine.docker(&["rmi", &format!("{name}:2")])?;
    let removed = removed.success()?;
    for line in [format!("Untagged: {name}:2"), format!("Untagged: {name}@{digest}")] {
        ensure!(removed.contains(&line), "{removed} lacks {line}");
    }
    assert_eq!(names(&engine, &["-a"])?, [""; 0]);
    Ok(())
}

#[test]
fn lists_are_filtered_by_label_age_and_pattern() -> anyhow::Result<()> {
    let engine = two_images()?;
    engine.docker(&["create", "--name", "box", "busybox"])?.success()?;
    engine.docker(&["commit", "box", "younger:1"])?.success()?;
    for (filter, expected) in [
        ("label=kind", &["other:1"][..]),
        ("label=kind=other", &["other:1"]),
        ("label=kind=mine", &[]),
        ("since=busybox", &["younger:1"]),
        ("before=younger:1", &["busybox:latest", "other:1"]),
        ("reference=*:1", &["other:1", "younger:1"]),
        ("reference=o*r:1", &["other:1"]),
        ("reference=b*:l*t", &["busybox:latest"]),
        ("reference=*the*", &["other:1"]),
        ("reference=?ther:[0-9]", &["other:1"]),
        ("reference=*/*", &[]),
        ("dangling=false", &["busybox:latest", "other:1", "younger:1"]),
    ] {
        assert_eq!(names(&engine, &["--filter", filter])?, expected, "{filter}");
    }
    assert_eq!(names(&engine, &["--filter", "label=kind", "--filter", "label=n=1"])?, ["other:1"]);
    assert_eq!(names(&engine, &["other:2"])?, [""; 0]);
    let output = engine.docker(&["images", "--filter", "since=missing"])?;
    expect_error(&output, 1, "No such image: missing:latest")
}

#[test]
fn ids_are_short_or_whole() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let id = id_of(&engine, "busybox")?;
    let shown = engine.docker(&["images", "--no-trunc", "--format", "{{.ID}}"])?;
    assert_eq!(shown.success()?, id);
    assert_eq!(engine.docker(&["images", "-q", "busybox"])?.success()?, &id[7..19]);
    assert_eq!(engine.docker(&["images", "-q", "--no-trunc"])?.success()?, id);
    Ok(())
}

#[test]
fn several_images_are_inspected_and_the_missing_one_named() -> anyhow::Result<()> {
    let engine = two_images()?;
    let output = engine.docker(&["image", "inspect", "busybox", "missing", "other:1"])?;
    let said = output.failure(1)?;
    ensure!(said.contains("No such image: missing"), "{said}");
    let shown: Value = serde_json::from_str(&output.stdout)?;
    let cmd = |n: usize| shown[n]["Config"]["Cmd"].clone();
    assert_eq!((cmd(0), cmd(1)), (json!(["sh"]), json!(["echo", "other"])));
    assert_eq!(shown[1]["Config"]["Labels"], json!({ "kind": "other", "n": "1" }));
    Ok(())
}

#[test]
fn history_is_short_whole_or_of_ids_only() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let long = "x".repeat(60);
    let create = ["create", "--name", "box", "busybox", "echo", &long];
    engine.docker(&create)?.success()?;
    let id = engine.docker(&["commit", "-m", "why", "box", "made:1"])?.success()?.to_owned();
    let first = |options: &[&str]| -> anyhow::Result<String> {
        let shown = engine.docker(&[&["history"], options, &["made:1"]].concat())?;
        Ok(shown.success()?.lines().next().unwrap_or_default().to_owned())
    };
    assert_eq!(first(&["-q"])?, &id[7..19]);
    assert_eq!(first(&["-q", "--no-trunc"])?, id);
    let cut = first(&["--format", "{{.CreatedBy}}"])?;
    ensure!(cut.chars().count() == 45 && cut.ends_with('…'), "{cut}");
    let whole = first(&["--no-trunc", "--format", "{{.CreatedBy}}|{{.Comment}}|{{.Size}}"])?;
    assert_eq!(whole, format!("echo {long}|why|0B"));
    Ok(())
}

#[test]
fn a_loaded_name_is_taken_from_the_image_that_had_it() -> anyhow::Result<()> {
    let engine = two_images()?;
    let other = id_of(&engine, "other:1")?;
    engine.docker(&["save", "-o", "other.tar", "other:1"])?.success()?;
    engine.docker(&["tag", "busybox", "other:1"])?.success()?;
    let loaded = engine.docker(&["load", "-i", "other.tar"])?;
    ensure!(loaded.success()?.ends_with("Loaded image: other:1"), "{loaded:?}");
    assert_eq!(id_of(&engine, "other:1")?, other);
    assert_eq!(names(&engine, &[])?, ["busybox:latest", "other:1"]);
    Ok(())
}

#[test]
fn what_is_saved_by_id_has_no_name() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let id = id_of(&engine, "busybox")?;
    engine.docker(&["save", "-o", "nameless.tar", &id])?.success()?;
    engine.docker(&["rmi", "busybox"])?.success()?;
    let loaded = engine.docker(&["load", "-i", "nameless.tar"])?;
    ensure!(loaded.success()?.ends_with(&format!("Loaded image ID: {id}")), "{loaded:?}");
    assert_eq!(names(&engine, &[])?, ["<none>:<none>"]);
    assert_eq!(engine.docker(&["run", "--rm", &id, "echo", "ok"])?.success()?, "ok");
    Ok(())
}

#[test]
fn what_is_not_here_is_neither_pushed_nor_saved() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let engine = Engine::with_busybox()?;
    let name = registry.reference("missing", "1");
    let output = engine.docker(&["push", &name])?;
    let said = output.failure(1)?;
    let bare = name.trim_end_matches(":1");
    let words = format!("An image does not exist locally with the tag: {bare}");
    ensure!(said.contains(&words), "{said}");
    engine.docker(&["tag", "busybox", &name])?.success()?;
    let output = engine.docker(&["push", &format!("{bare}:2")])?;
    let said = output.failure(1)?;
    ensure!(
        said.contains("tag does not exist") || said.contains("does not exist locally"),
        "{said}"
    );
    let output = engine.docker(&["save", "-o", "none.tar", "missing"])?;
    let said = output.failure(1)?;
    // Newer ones name the tag, too.
    ensure!(said.contains("Error response from daemon: No such image: missing"), "{said}");
    Ok(())
}

#[test]
fn sizes_are_told_of_all_and_of_each() -> anyhow::Result<()> {
    let engine = two_images()?;
    engine.docker(&["create", "--name", "user", "other:1"])?.success()?;
    let usage = ["system", "df", "--format", "{{.Type}}|{{.TotalCount}}|{{.Active}}"];
    let usage = engine.docker(&usage)?;
    ensure!(usage.success()?.lines().any(|line| line == "Images|2|1"), "{usage:?}");
    let verbose = engine.docker(&["system", "df", "-v"])?;
    let verbose = verbose.success()?;
    let row = |name: &str| verbose.lines().find(|line| line.starts_with(name)).map(str::to_owned);
    for (name, containers) in [("busybox ", "0"), ("other ", "1")] {
        let row = row(name).unwrap_or_default();
        ensure!(row.trim_end().ends_with(containers), "{row:?} of {verbose}");
    }
    Ok(())
}

#[test]
fn a_logout_forgets_who_was_logged_in() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let output = engine.docker(&["logout", "registry.example:5000"])?;
    ensure!(
        format!("{}{}", output.stdout, output.stderr).contains("registry.example:5000"),
        "{output:?}"
    );
    let nobody = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
    let login = ["login", "-u", "me", "--password-stdin", &nobody.to_string()];
    let output = engine.docker_with_input(&login, b"secret")?;
    let said = output.failure(1)?;
    ensure!(said.contains("refused") && !said.contains("secret"), "{said}");
    Ok(())
}
