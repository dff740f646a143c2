//! What builds remember, and how it is given back.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use naru_test_framework::{DockerHost, Engine, NativeEngine, Output};
use serde_json::Value;

use crate::build::{build, context, start};
use crate::events::events;

const DOCKERFILE: &str = "FROM busybox\n\
                          RUN cat /proc/sys/kernel/random/uuid > /first\n\
                          COPY files /files\n\
                          ARG WHAT=x\n\
                          RUN cat /proc/sys/kernel/random/uuid > /second\n";

fn files(engine: &DockerHost) -> anyhow::Result<(String, String)> {
    let read = engine.docker(&["run", "--rm", "made", "cat", "/first", "/second"])?;
    let (first, second) = read.success()?.split_once('\n').context("two lines")?;
    Ok((first.to_owned(), second.to_owned()))
}

fn id(engine: &DockerHost) -> anyhow::Result<String> {
    let shown = engine.docker(&["image", "inspect", "-f", "{{.Id}}", "made"])?;
    Ok(shown.success()?.to_owned())
}

fn hits(output: &Output) -> usize {
    output.stdout.matches("Using cache").count()
}

#[test]
fn a_step_is_done_again_when_something_of_it_is_another() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let directory = context(&engine, &[("Dockerfile", DOCKERFILE), ("files/a", "a")])?;
    build(&engine, &["-t", "made"])?.success()?;
    let (whole, before) = (id(&engine)?, files(&engine)?);

    let again = build(&engine, &["-t", "made"])?;
    again.success()?;
    assert_eq!((hits(&again), id(&engine)?), (3, whole.clone()), "nothing has changed");
    // Time stamps are nothing.
    fs::write(directory.join("files/a"), "a")?;
    build(&engine, &["-t", "made"])?.success()?;
    assert_eq!(id(&engine)?, whole);

    fs::write(directory.join("files/a"), "b")?;
    let changed = build(&engine, &["-t", "made"])?;
    changed.success()?;
    let after = files(&engine)?;
    assert_eq!(hits(&changed), 1);
    assert!(after.0 == before.0 && after.1 != before.1, "{before:?} {after:?}");

    let argument = build(&engine, &["-t", "made", "--build-arg", "WHAT=y"])?;
    argument.success()?;
    assert_eq!(hits(&argument), 2);
    let (first, second) = files(&engine)?;
    assert!(first == before.0 && second != after.1);

    let anew = build(&engine, &["-t", "made", "--no-cache"])?;
    anew.success()?;
    assert_eq!(hits(&anew), 0);
    assert_ne!(files(&engine)?.0, before.0);
    // What was done anew is what is found from then on.
    let then = build(&engine, &["-t", "made"])?;
    then.success()?;
    assert_eq!(hits(&then), 3);
    Ok(())
}

#[test]
fn two_builds_of_the_same_do_it_once() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let dockerfile = "FROM busybox\n\
                      RUN --mount=type=cache,target=/count echo x >> /count/runs; sleep 1; \
                      cp /count/runs /runs\n";
    context(&engine, &[("Dockerfile", dockerfile)])?;
    let directory = engine.scratch().join("context").display().to_string();
    let both =
        [start(&engine, &["-t", "made", &directory])?, start(&engine, &["-t", "too", &directory])?];
    for build in both {
        build.finish()?.success()?;
    }
    assert_eq!(engine.docker(&["run", "--rm", "made", "cat", "/runs"])?.success()?, "x");
    Ok(())
}

#[test]
fn what_a_program_reaches_is_in_its_steps_key() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let dockerfile = "FROM busybox\nRUN ls /sys/class/net > /links\n";
    context(&engine, &[("Dockerfile", dockerfile)])?;
    for (network, found) in [("default", 0), ("none", 0), ("none", 1), ("default", 1)] {
        let output = build(&engine, &["--network", network])?;
        output.success()?;
        assert_eq!(hits(&output), found, "{network}");
    }
    Ok(())
}

#[test]
fn one_cache_is_at_two_places_of_one_program() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let dockerfile = "FROM busybox\n\
                      RUN --mount=type=cache,id=c,target=/a \
                      --mount=type=cache,id=c,sharing=locked,target=/b \
                      echo x > /a/file; cp /b/file /made\n";
    context(&engine, &[("Dockerfile", dockerfile)])?;
    build(&engine, &["-t", "made"])?.success()?;
    assert_eq!(engine.docker(&["run", "--rm", "made", "cat", "/made"])?.success()?, "x");
    Ok(())
}

fn cache(engine: &DockerHost) -> anyhow::Result<Vec<Value>> {
    let usage = crate::raw::ask(engine, "GET", "/v1.44/system/df")?.json()?;
    Ok(usage["BuildCache"].as_array().cloned().unwrap_or_default())
}

/// All that is below, by its paths, but what databases are of.
pub(crate) fn listing(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut todo = vec![root.to_owned()];
    while let Some(directory) = todo.pop() {
        let entries = match fs::read_dir(&directory) {
            // It went meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                todo.push(path.clone());
            }
            let path = path.strip_prefix(root)?.display().to_string();
            if !path.contains(".db") && !path.starts_with("containers/") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Holds if the engine keeps no more than it did `before`.
pub(crate) fn nothing_is_more(engine: &NativeEngine, before: &[String]) -> anyhow::Result<()> {
    // The places themselves are made when they are first needed, and stay.
    let places = ["builds/contexts", "builds/kept", "builds/kept/boot"];
    let more = || -> anyhow::Result<Vec<String>> {
        let mut more = listing(&engine.root())?;
        more.retain(|path| !before.contains(path) && !places.contains(&path.as_str()));
        Ok(more)
    };
    // A context is taken away when its build has ended, which nobody waits for.
    let patience = Instant::now() + Duration::from_mins(1);
    while !more()?.is_empty() {
        ensure!(Instant::now() < patience, "left: {:?}", more()?);
        engine.docker(&["version"])?.success()?;
    }
    Ok(())
}

#[test]
fn a_prune_gives_everything_back() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    let before = listing(&engine.root())?;
    let dockerfile = "FROM busybox\nRUN head -c 3000000 /dev/urandom > /big\nCOPY files /files\n\
                      RUN --mount=type=cache,target=/c head -c 1000000 /dev/urandom > /c/x\n";
    context(&engine, &[("Dockerfile", dockerfile), ("files/a", "a")])?;
    build(&engine, &["-t", "made"])?.success()?;
    let used = cache(&engine)?;
    let sizes: u64 = used.iter().filter_map(|record| record["Size"].as_u64()).sum();
    assert!(sizes >= 4_000_000, "{used:?}");
    let types: Vec<&str> = used.iter().filter_map(|record| record["Type"].as_str()).collect();
    assert!(types.contains(&"regular") && types.contains(&"exec.cachemount"), "{types:?}");
    let shown = engine.docker(&["system", "df"])?;
    assert!(shown.success()?.contains("Build Cache"), "{shown:?}");

    // What an image has stays, unless all is to go; then it is the image's alone.
    let pruned = engine.docker(&["builder", "prune", "-f"])?;
    assert!(pruned.success()?.contains("Total reclaimed space: 1MB"), "{pruned:?}");
    let left = cache(&engine)?;
    assert!(left.iter().all(|record| record["Shared"] == true), "{left:?}");
    let again = build(&engine, &["-t", "made"])?;
    again.success()?;
    assert_eq!(hits(&again), 2, "{again:?}");
    engine.docker(&["builder", "prune", "-af"])?.success()?;
    assert!(cache(&engine)?.is_empty());
    engine.docker(&["run", "--rm", "made", "ls", "/files/a"])?.success()?;
    engine.docker(&["rmi", "made"])?.success()?;
    nothing_is_more(&engine, &before)?;

    let format = "{{.Type}} {{.Action}} {{index .Actor.Attributes \"reclaimed\"}}";
    let events = events(&engine, &["type=builder"], format)?;
    assert!(events.iter().all(|line| line.starts_with("builder prune ")), "{events:?}");
    assert_eq!(events.len(), 2);
    Ok(())
}

#[test]
fn a_prune_takes_what_its_filters_say() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    context(
        &engine,
        &[("Dockerfile", "FROM busybox\nRUN echo one > /one\nRUN echo two > /two\n")],
    )?;
    build(&engine, &[])?.success()?;
    engine.docker(&["image", "prune", "-f"])?.success()?;
    assert_eq!(cache(&engine)?.len(), 2);
    engine.docker(&["builder", "prune", "-af", "--filter", "until=24h"])?.success()?;
    assert_eq!(cache(&engine)?.len(), 2);
    engine.docker(&["builder", "prune", "-af", "--keep-storage", "1gb"])?.success()?;
    assert_eq!(cache(&engine)?.len(), 2);
    // The other two bounds are known to newer commands only.
    for bound in ["max-used-space=1000000", "min-free-space=1"] {
        let path = format!("/build/prune?all=1&{bound}");
        let pruned = crate::raw::post(&engine, &path, "")?.json()?;
        let count = pruned["CachesDeleted"].as_array().map(Vec::len);
        assert_eq!(count, Some(0), "{bound}: {pruned}");
    }
    let refused = engine.docker(&["builder", "prune", "-af", "--filter", "colour=red"])?;
    assert!(refused.failure(1)?.contains("colour"), "{refused:?}");
    // The layers were held all the while.
    let again = build(&engine, &[])?;
    again.success()?;
    assert_eq!(hits(&again), 2);
    Ok(())
}

#[test]
fn what_is_more_than_the_cache_may_take_goes_by_itself() -> anyhow::Result<()> {
    let engine = NativeEngine::start_with(&["--build-cache-mib=3"])?;
    engine.load_busybox()?;
    for name in ["first", "second"] {
        let dockerfile =
            format!("FROM busybox\nRUN head -c 2000000 /dev/urandom > /file && echo {name}\n");
        context(&engine, &[("Dockerfile", &dockerfile)])?;
        build(&engine, &["-t", "made"])?.success()?;
        engine.docker(&["rmi", "made"])?.success()?;
    }
    // What images have had is looked at after the next build.
    context(&engine, &[("Dockerfile", "FROM busybox\nLABEL a=b\n")])?;
    build(&engine, &[])?.success()?;
    goes_before(&engine, "echo first", "echo second")
}

#[test]
fn what_steps_are_done_on_stays_longer_than_they_do() -> anyhow::Result<()> {
    let engine = NativeEngine::start_with(&["--build-cache-mib=3"])?;
    engine.load_busybox()?;
    let dockerfile = "FROM busybox\nRUN head -c 2000000 /dev/urandom > /base && echo base\n\
                      RUN head -c 2000000 /dev/urandom > /top && echo top\n";
    context(&engine, &[("Dockerfile", dockerfile)])?;
    build(&engine, &["-t", "made"])?.success()?;
    engine.docker(&["rmi", "made"])?.success()?;
    // What the image has had is looked at after the next build.
    context(&engine, &[("Dockerfile", "FROM busybox\nLABEL a=b\n")])?;
    build(&engine, &[])?.success()?;
    goes_before(&engine, "echo top", "echo base")?;
    context(&engine, &[("Dockerfile", dockerfile)])?;
    let again = build(&engine, &[])?;
    again.success()?;
    assert_eq!(hits(&again), 1, "what stays is of use");
    Ok(())
}

/// Waits until one step has gone from the cache, where the other is all the while.
fn goes_before(engine: &NativeEngine, one: &str, other: &str) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let left = cache(engine)?;
        let has = |name: &str| left.iter().any(|it| it.to_string().contains(name));
        ensure!(has(other), "it stays: {left:?}");
        if !has(one) {
            return Ok(());
        }
        ensure!(began.elapsed() < Duration::from_mins(1), "it does not go: {left:?}");
        std::thread::yield_now();
    }
}

#[test]
fn a_build_goes_on_from_its_last_step_when_the_engine_was_killed() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    let dockerfile = "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /first\n\
                      COPY files /files\nRUN --mount=type=cache,target=/go \
                      if [ -e /go/on ]; then cp /first /second; else touch /go/on; echo begun; sleep 1000; fi\n";
    context(&engine, &[("Dockerfile", dockerfile), ("files/a", "a")])?;
    let directory = engine.scratch().join("context").display().to_string();
    let mut running = start(&engine, &["-t", "made", &directory])?;
    while running.line()? != "begun" {}
    // The program of the third step sleeps now.
    engine.kill()?;
    drop(running);
    assert_eq!(engine.shims().len(), 1);
    engine.restart()?;
    engine.has_no_shims().context("it still runs")?;
    let names = fs::read_dir(engine.root().join("builds"))?;
    let names: Vec<String> =
        names.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert!(names.iter().all(|name| name.len() < 64), "{names:?}");
    assert_eq!(fs::read_dir(engine.root().join("builds/contexts"))?.count(), 0);

    let again = build(&engine, &["-t", "made"])?;
    again.success()?;
    assert_eq!(hits(&again), 2, "{again:?}");
    let (first, second) = files(&engine)?;
    assert_eq!(first, second);
    // It is remembered by the next engine, too.
    engine.stop()?;
    engine.restart()?;
    let then = build(&engine, &["-t", "made"])?;
    then.success()?;
    assert_eq!(hits(&then), 3);
    Ok(())
}
