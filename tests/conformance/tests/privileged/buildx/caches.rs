//! Caches, elsewhere and here.

use anyhow::Context as _;
use naru_test_framework::{Registry, Running};

use super::Buildx;

const DOCKERFILE: &str =
    "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /made\nCMD [\"cat\", \"/made\"]\n";

#[test]
fn a_step_is_done_once_unless_it_is_wanted_anew() -> anyhow::Result<()> {
    let buildx = Buildx::with(DOCKERFILE)?;
    buildx.build(&["-t", "app", "context"])?;
    let first = buildx.app(&[])?;
    let said = buildx.build(&["-t", "app", "context"])?;
    assert!(said.contains("[2/2] RUN cat /proc/sys/kernel/random/uuid > /made\n"), "{said}");
    assert!(said.contains("CACHED"), "{said}");
    assert_eq!(buildx.app(&[])?, first);
    buildx.build(&["--no-cache", "-t", "app", "context"])?;
    assert_ne!(buildx.app(&[])?, first);
    Ok(())
}

#[test]
fn a_cache_comes_from_a_registry() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let buildx = Buildx::with(DOCKERFILE)?;
    let name = registry.reference("cache", "1");
    let to = format!("--cache-to=type=registry,ref={name}");
    buildx.build(&[&to, "-t", "app", "context"])?;
    let first = buildx.app(&[])?;
    // It is at its registry alone.
    buildx.engine.docker(&["image", "inspect", &name])?.failure(1)?;
    buildx.engine.docker(&["rmi", "app"])?.success()?;
    buildx.run(&["prune", "--all", "--force"])?.success()?;
    let from = format!("--cache-from=type=registry,ref={name}");
    buildx.build(&[&from, "-t", "app", "context"])?;
    assert_eq!(buildx.app(&[])?, first);
    Ok(())
}

#[test]
fn a_cache_has_the_steps_of_other_stages_if_all_are_wanted() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let buildx = Buildx::with(
        "FROM busybox AS made\nRUN cat /proc/sys/kernel/random/uuid > /made\nFROM busybox\n\
         COPY --from=made /made /\nCMD [\"cat\", \"/made\"]\n",
    )?;
    let id = || -> anyhow::Result<String> {
        let inspected = buildx.engine.docker(&["inspect", "-f", "{{.Id}}", "app"])?;
        Ok(inspected.success()?.to_owned())
    };
    for (mode, is_known) in [("min", false), ("max", true)] {
        let name = registry.reference("cache", mode);
        let to = format!("--cache-to=type=registry,ref={name},mode={mode}");
        buildx.build(&[&to, "-t", "app", "context"])?;
        let (first, with) = (buildx.app(&[])?, id()?);
        // The image is the one that it is without a cache elsewhere.
        buildx.build(&["-t", "app", "context"])?;
        assert_eq!(id()?, with);
        buildx.engine.docker(&["rmi", "app"])?.success()?;
        buildx.run(&["prune", "--all", "--force"])?.success()?;
        let from = format!("--cache-from=type=registry,ref={name}");
        buildx.build(&[&from, "-t", "app", "context"])?;
        assert_eq!(buildx.app(&[])? == first, is_known, "{mode}");
        buildx.engine.docker(&["rmi", "app", &name])?.success()?;
        buildx.run(&["prune", "--all", "--force"])?.success()?;
    }
    let refused =
        buildx.failure(&["--cache-to=type=registry,ref=localhost/a,mode=all", "context"])?;
    assert!(refused.contains("mode=all"), "{refused}");
    Ok(())
}

#[test]
fn one_stage_may_be_wanted_anew() -> anyhow::Result<()> {
    let made = "RUN cat /proc/sys/kernel/random/uuid";
    let buildx = Buildx::with(&format!(
        "FROM busybox AS one\n{made} > /one\nFROM busybox AS two\n{made} > /two\nFROM busybox\n\
         COPY --from=one /one /\nCOPY --from=two /two /\nCMD [\"cat\", \"/one\", \"/two\"]\n"
    ))?;
    let ids = |flags: &[&str]| -> anyhow::Result<(String, String)> {
        buildx.build(&[flags, &["-t", "app", "context"]].concat())?;
        let said = buildx.app(&[])?;
        let (one, two) = said.split_once('\n').context("two lines")?;
        Ok((one.to_owned(), two.to_owned()))
    };
    let (first, then) = (ids(&[])?, ids(&["--no-cache-filter=two"])?);
    assert_eq!(first.0, then.0);
    assert_ne!(first.1, then.1);
    Ok(())
}

#[test]
fn an_image_may_have_its_cache_with_it() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let buildx = Buildx::with(DOCKERFILE)?;
    let name = registry.reference("app", "1");
    buildx.build(&["--cache-to=type=inline", "--push", "-t", &name, "context"])?;
    let first = buildx.engine.docker(&["run", "--rm", &name])?;
    buildx.engine.docker(&["rmi", &name])?.success()?;
    buildx.run(&["prune", "--all", "--force"])?.success()?;
    let from = format!("--cache-from={name}");
    buildx.build(&[&from, "-t", "app", "context"])?;
    assert_eq!(buildx.app(&[])?, first.success()?);
    Ok(())
}

#[test]
fn what_builds_leave_is_listed_and_pruned() -> anyhow::Result<()> {
    let buildx = Buildx::with(
        "FROM busybox\nCOPY . /files\n\
         RUN --mount=type=cache,target=/cache head -c 1000000 /dev/zero > /cache/file\n",
    )?;
    buildx.write("context/a", &"x".repeat(100_000))?;
    buildx.build(&["context"])?;
    let listed = buildx.run(&["du", "--verbose"])?;
    let listed = listed.success()?;
    for kind in ["regular", "exec.cachemount", "source.local"] {
        assert!(listed.contains(kind), "{listed}");
    }
    let filter = "--filter=type=source.local";
    let pruned = buildx.run(&["prune", "--force", filter])?;
    assert!(pruned.success()?.contains("Total:"), "{pruned:?}");
    let listed = buildx.run(&["du", "--verbose"])?;
    assert!(!listed.success()?.contains("source.local"), "{listed:?}");
    buildx.run(&["prune", "--all", "--force"])?.success()?;
    let listed = buildx.run(&["du"])?;
    assert!(listed.success()?.contains("Total:\t\t0B"), "{listed:?}");
    Ok(())
}

#[test]
fn every_door_prunes_all_of_it() -> anyhow::Result<()> {
    let buildx = Buildx::with("FROM busybox\nCOPY . /files\n")?;
    buildx.write("context/a", &"x".repeat(100_000))?;
    buildx.build(&["context"])?;
    let listed = || -> anyhow::Result<String> {
        let listed = buildx.engine.docker(&["system", "df", "-v"])?;
        Ok(listed.success()?.to_owned())
    };
    assert!(listed()?.contains("source.local"), "{}", listed()?);
    // Not buildx's own.
    let mut prune = buildx.engine.command(&["builder", "prune", "--all", "--force"]);
    prune.env("DOCKER_BUILDKIT", "0");
    Running::start(prune)?.finish()?.success()?;
    assert!(!listed()?.contains("source.local"), "{}", listed()?);
    Ok(())
}

#[test]
fn the_builder_is_shown() -> anyhow::Result<()> {
    let buildx = Buildx::new()?;
    let shown = buildx.run(&["inspect"])?;
    let shown = shown.success()?;
    assert!(shown.contains("running"), "{shown}");
    assert!(shown.contains("linux/amd64"), "{shown}");
    Ok(())
}
