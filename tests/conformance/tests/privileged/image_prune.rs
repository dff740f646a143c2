//! `image prune`, what it would remove, and the sizes of images that share layers.

use anyhow::ensure;
use naru_test_framework::{DockerHost, Engine, NativeEngine};
use serde_json::Value;

use crate::raw::ask;

/// An image made of a container that wrote so many bytes; `name` may be none.
fn made(engine: &DockerHost, from: &str, bytes: u32, name: &[&str]) -> anyhow::Result<String> {
    let shell = format!("head -c {bytes} /dev/zero > /file-{bytes}");
    engine.docker(&["run", "--name", "maker", from, "sh", "-c", &shell])?.success()?;
    let id = engine.docker(&[&["commit", "maker"], name].concat())?.success()?.to_owned();
    engine.docker(&["rm", "maker"])?.success()?;
    Ok(id)
}

fn names(engine: &DockerHost) -> anyhow::Result<Vec<String>> {
    let listed = engine.docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"])?;
    let mut names: Vec<String> = listed.success()?.lines().map(str::to_owned).collect();
    names.sort();
    Ok(names)
}

fn prune(engine: &DockerHost, filters: &str) -> anyhow::Result<Value> {
    let filters = filters.replace('"', "%22").replace('{', "%7B").replace('}', "%7D");
    ask(engine, "POST", &format!("/v1.40/images/prune?filters={filters}"))?.json()
}

#[test]
fn what_has_no_name_goes_and_its_bytes_are_told() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let nameless = made(&engine, "busybox", 12345, &[])?;
    let used = made(&engine, "busybox", 777, &[])?;
    engine.docker(&["create", "--name", "user", &used])?.success()?;
    made(&engine, "busybox", 99, &["named"])?;

    let pruned = prune(&engine, "{}")?;
    assert_eq!(pruned["SpaceReclaimed"], 12345);
    let rows = pruned["ImagesDeleted"].as_array().cloned().unwrap_or_default();
    assert_eq!(rows[0]["Deleted"], nameless.as_str());
    assert_eq!(rows.len(), 2, "the image and its own layer: {rows:?}");
    assert_eq!(names(&engine)?, ["<none>:<none>", "busybox:latest", "named:latest"]);
    assert_eq!(engine.docker(&["start", "-a", "user"])?.success()?, "");
    let again = prune(&engine, "{}")?;
    assert_eq!((&again["ImagesDeleted"], &again["SpaceReclaimed"]), (&Value::Null, &0.into()));
    Ok(())
}

#[test]
fn all_that_nothing_uses_goes_when_it_is_asked_for() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    made(&engine, "busybox", 4321, &["child:1"])?;
    engine.docker(&["tag", "child:1", "child:2"])?.success()?;
    engine.docker(&["create", "--name", "user", "busybox"])?.success()?;

    let kept = prune(&engine, r#"{"dangling":{"false":true},"until":{"1h":true}}"#)?;
    assert_eq!(kept["ImagesDeleted"], Value::Null, "none is so old");
    let kept = prune(&engine, r#"{"dangling":{"false":true},"label":{"none":true}}"#)?;
    assert_eq!(kept["ImagesDeleted"], Value::Null);
    let pruned = prune(&engine, r#"{"dangling":{"false":true}}"#)?;
    assert_eq!(pruned["SpaceReclaimed"], 4321);
    let untagged = pruned["ImagesDeleted"].as_array().into_iter().flatten();
    let mut untagged: Vec<&str> = untagged.filter_map(|row| row["Untagged"].as_str()).collect();
    untagged.sort_unstable();
    assert_eq!(untagged, ["child:1", "child:2"]);
    assert_eq!(names(&engine)?, ["busybox:latest"]);
    engine.docker(&["rm", "user"])?.success()?;
    let shown = engine.docker(&["image", "prune", "-af"])?;
    assert!(shown.success()?.contains("untagged: busybox:latest"), "{shown:?}");
    assert_eq!(names(&engine)?, [""; 0]);
    Ok(())
}

#[test]
fn labels_choose_and_unknown_filters_are_refused() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["create", "--name", "box", "busybox"])?.success()?;
    engine.docker(&["commit", "-c", "LABEL keep=1", "box"])?.success()?;
    let other = engine.docker(&["commit", "-c", "LABEL keep=2", "box"])?.success()?.to_owned();
    engine.docker(&["rm", "box"])?.success()?;
    let pruned = prune(&engine, r#"{"label!":{"keep=1":true}}"#)?;
    assert_eq!(pruned["ImagesDeleted"][0]["Deleted"], other.as_str());
    assert_eq!(pruned["SpaceReclaimed"], 0, "it had no layer of its own");
    let output = engine.docker(&["image", "prune", "-f", "--filter", "colour=red"])?;
    // Older Dockers begin it with a capital.
    assert!(output.failure(1)?.ends_with("nvalid filter 'colour'"), "{output:?}");
    let output = engine.docker(&["image", "prune", "-f", "--filter", "until=soon"])?;
    output.failure(1)?;
    Ok(())
}

#[test]
fn filters_hold_together_as_dockers_do() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["create", "--name", "box", "busybox"])?.success()?;
    for (name, labels) in [
        ("plain:1", ""),
        ("old:1", "kind=old"),
        ("both:1", "kind=old keep=yes"),
        ("kept:1", "keep=yes"),
        ("nokind:1", "kind=new"),
    ] {
        // Without one of its own each would be the same image.
        let change = format!("LABEL name={name} {labels}");
        engine.docker(&["commit", "-c", change.trim_end(), "box", name])?.success()?;
    }
    engine.docker(&["commit", "-c", "LABEL kind=old nameless=yes", "box"])?.success()?;
    let all = names(&engine)?;
    let prune_of = |flags: &str, filters: &[&str]| -> anyhow::Result<Vec<String>> {
        let filters: Vec<&str> = filters.iter().flat_map(|filter| ["--filter", filter]).collect();
        engine.docker(&[&["image", "prune", flags][..], &filters].concat())?.success()?;
        names(&engine)
    };
    // Nobody asked for images with names.
    assert_eq!(prune_of("-f", &["label=kind=old", "label=keep"])?, all);
    // What is as old as that is not here.
    assert_eq!(prune_of("-af", &["until=2001-02-03T04:05:06"])?, all);
    assert_eq!(prune_of("-af", &["label=kind", "label=nosuch"])?, all);
    // What has all that is named with `!` is kept, what has some of it is not.
    let left = prune_of("-af", &["label!=keep=yes", "label!=kind=old", "label=keep"])?;
    let (both, kept) = ("both:1".to_owned(), "kept:1".to_owned());
    assert!(left.contains(&both) && !left.contains(&kept), "{left:?}");
    let filters = ["label=kind=old", "label!=keep", "until=2100-01-01T00:00:00"];
    let left = prune_of("-af", &filters)?;
    let expected = ["both:1", "busybox:latest", "nokind:1", "plain:1"];
    assert_eq!(left, expected, "the nameless one went with the named");

    for (filters, said) in [
        (r#"{"dangling":{"maybe":true}}"#, "nvalid filter 'dangling=[maybe]'"),
        (r#"{"until":{"1h":true,"2h":true}}"#, "more than one until filter specified"),
    ] {
        let refused = prune(&engine, filters)?;
        let message = refused["message"].as_str().unwrap_or_default();
        ensure!(message.ends_with(said), "{filters}: {refused}");
    }
    let kept = prune(&engine, r#"{"dangling":{"true":true,"1":true}}"#)?;
    assert_eq!(kept["ImagesDeleted"], Value::Null, "it says the same twice");
    assert_eq!(names(&engine)?, expected, "nothing goes by what was refused");
    Ok(())
}

#[test]
fn shared_bytes_are_counted_once() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let size = ["image", "inspect", "-f", "{{.Size}}", "busybox"];
    let base: u64 = engine.docker(&size)?.success()?.parse()?;
    made(&engine, "busybox", 5000, &["one"])?;
    made(&engine, "one", 600, &["two"])?;
    engine.docker(&["create", "--name", "user", "two"])?.success()?;

    let usage = ask(&engine, "GET", "/v1.40/system/df")?.json()?;
    assert_eq!(usage["LayersSize"], base + 5600);
    let row = |name: &str| {
        let images = usage["Images"].as_array().into_iter().flatten();
        let mut found = images.filter(|image| image["RepoTags"][0] == name);
        found.next().map(|image| {
            (image["Size"].as_u64(), image["SharedSize"].as_u64(), image["Containers"].as_u64())
        })
    };
    assert_eq!(row("busybox:latest"), Some((Some(base), Some(base), Some(0))));
    assert_eq!(row("one:latest"), Some((Some(base + 5000), Some(base + 5000), Some(0))));
    assert_eq!(row("two:latest"), Some((Some(base + 5600), Some(base + 5000), Some(1))));
    let history = ["history", "--human=false", "--format", "{{.Size}}", "two"];
    let history = engine.docker(&history)?;
    let sizes: Vec<u64> = history.success()?.lines().map(str::parse).collect::<Result<_, _>>()?;
    assert_eq!(sizes[..2], [600, 5000]);
    Ok(())
}

#[test]
fn a_plan_names_what_a_prune_then_removes() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    let used = made(&engine, "busybox", 300, &[])?;
    engine.docker(&["create", "--name", "user", &used])?.success()?;
    made(&engine, "busybox", 5000, &["one"])?;
    let nameless = made(&engine, "one", 600, &[])?;

    let plan = ask(&engine, "GET", "/naru/images/prune")?.json()?;
    assert_eq!(plan["images"][0]["id"], nameless.as_str());
    assert_eq!((&plan["images"][1], &plan["reclaimed_bytes"]), (&Value::Null, &600.into()));
    let all = "/naru/images/prune?filters=%7B%22dangling%22:%5B%22false%22%5D%7D";
    let plan = ask(&engine, "GET", all)?.json()?;
    assert_eq!(plan["reclaimed_bytes"], 5600, "the used image needs the base's layer");
    assert_eq!(names(&engine)?.len(), 4, "nothing is removed by looking");
    let pruned = prune(&engine, r#"{"dangling":{"false":true}}"#)?;
    assert_eq!(pruned["SpaceReclaimed"], plan["reclaimed_bytes"]);
    Ok(())
}

#[test]
fn what_is_large_goes_alone_when_a_size_is_named() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    let size = ["image", "inspect", "-f", "{{.Size}}", "busybox"];
    let base: u64 = engine.docker(&size)?.success()?.parse()?;
    made(&engine, "busybox", 3_000_000, &["large:1"])?;
    made(&engine, "busybox", 5, &["small:1"])?;

    let least = base + 1_000_000;
    let filters = format!("%7B%22dangling%22:%5B%22false%22%5D,%22size%22:%5B%22{least}%22%5D%7D");
    let plan = ask(&engine, "GET", &format!("/naru/images/prune?filters={filters}"))?.json()?;
    assert_eq!(plan["images"].as_array().map(Vec::len), Some(1), "{plan}");
    assert_eq!(
        (&plan["images"][0]["tags"][0], &plan["reclaimed_bytes"]),
        (&"large:1".into(), &3_000_000.into())
    );
    let filter = format!("size={least}b");
    let pruned = engine.docker(&["image", "prune", "-af", "--filter", &filter])?;
    assert!(pruned.success()?.contains("untagged: large:1"), "{pruned:?}");
    assert_eq!(names(&engine)?, ["busybox:latest", "small:1"]);
    let output = engine.docker(&["image", "prune", "-f", "--filter", "size=huge"])?;
    assert!(output.failure(1)?.ends_with("invalid filter 'size=huge'"), "{output:?}");
    Ok(())
}
