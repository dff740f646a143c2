//! One name for the images of two platforms, which need not run for that.

use std::fs;
use std::os::unix::fs::symlink;

use naru_test_framework::{Registry, clients};
use serde_json::Value;

use super::Buildx;
use crate::raw::ask;

const OWN: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
const OTHER: &str = if cfg!(target_arch = "aarch64") { "amd64" } else { "arm64" };
const BOTH: &str = "--platform=linux/amd64,linux/arm64";
const ARCHITECTURE: &str = "{{.Architecture}}";

/// A context whose image has the file of its platform.
fn both() -> anyhow::Result<Buildx> {
    let buildx =
        Buildx::with("FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /file\nCMD [\"/x\"]\n")?;
    for architecture in [OWN, OTHER] {
        buildx.write(&format!("context/{architecture}"), architecture)?;
    }
    Ok(buildx)
}

impl Buildx {
    fn said(&self, arguments: &[&str]) -> anyhow::Result<String> {
        Ok(self.engine.docker(arguments)?.success()?.to_owned())
    }

    /// What `/file` says in a container of `name` for a platform.
    fn file(&self, name: &str, architecture: Option<&str>) -> anyhow::Result<String> {
        let platform = architecture.map(|architecture| format!("--platform=linux/{architecture}"));
        let flags: Vec<&str> = platform.iter().map(String::as_str).collect();
        let pull = "--pull=never";
        let id = self.said(&[&["create", pull][..], &flags, &[name]].concat())?;
        let image =
            self.said(&["ps", "-a", "--filter", &format!("id={id}"), "--format={{.Image}}"])?;
        assert_eq!(image, name);
        self.said(&["cp", &format!("{id}:/file"), &self.path("file").display().to_string()])?;
        self.said(&["rm", &id])?;
        Ok(fs::read_to_string(self.path("file"))?)
    }
}

#[test]
fn they_are_built_into_the_store_behind_one_name() -> anyhow::Result<()> {
    let buildx = both()?;
    let before = buildx.said(&["system", "df", "--format={{.Type}} {{.Size}}"])?;
    for flags in [&["--load"][..], &[]] {
        buildx.build(&[&[BOTH, "-t", "app", "-t", "app:2"], flags, &["context"]].concat())?;
    }
    assert_eq!(buildx.said(&["images", "-q", "app"])?.lines().count(), 2);
    assert_eq!(buildx.said(&["images", "--filter=dangling=true", "-q"])?, "");
    assert_eq!(buildx.said(&["inspect", "-f", ARCHITECTURE, "app"])?, OWN);
    assert_eq!(buildx.file("app", None)?, OWN);
    assert_eq!(buildx.file("app", Some(OTHER))?, OTHER);
    assert_eq!(buildx.file("app:2", Some(OTHER))?, OTHER);
    // What is built for that platform stands on it, without any registry.
    buildx.write("context/Dockerfile", "FROM app:2\n")?;
    let platform = format!("--platform=linux/{OTHER}");
    buildx.build(&[&platform, "-t", "third", "context"])?;
    assert_eq!(buildx.file("third", Some(OTHER))?, OTHER);
    buildx.said(&["rmi", "third"])?;
    // A new name is for all that the old one was for, and they go with the last.
    buildx.said(&["tag", "app", "again"])?;
    buildx.said(&["rmi", "app", "app:2"])?;
    assert_eq!(buildx.file("again", Some(OTHER))?, OTHER);
    let removed = buildx.said(&["rmi", "again"])?;
    assert_eq!(
        removed.matches("Deleted: ").count(),
        2,
        "the build cache has the layers: {removed}"
    );
    buildx.said(&["builder", "prune", "-af"])?;
    assert_eq!(buildx.said(&["system", "df", "--format={{.Type}} {{.Size}}"])?, before);
    Ok(())
}

#[test]
fn a_container_keeps_both_and_a_prune_takes_both() -> anyhow::Result<()> {
    let buildx = both()?;
    buildx.build(&[BOTH, "-t", "app", "context"])?;
    let id = buildx.said(&["create", &format!("--platform=linux/{OTHER}"), "app"])?;
    let listed = buildx.said(&["ps", "-aq", "--no-trunc", "--filter=ancestor=app"])?;
    assert_eq!(listed, id);
    let refused = buildx.engine.docker(&["rmi", "app"])?;
    assert!(refused.failure(1)?.contains("container"), "{refused:?}");
    buildx.said(&["image", "prune", "-af"])?;
    assert_eq!(buildx.file("app", None)?, OWN);
    assert_eq!(buildx.file("app", Some(OTHER))?, OTHER);
    buildx.said(&["rm", &id])?;
    // A new build takes the name from both.
    buildx.write(&format!("context/{OWN}"), "new")?;
    buildx.write(&format!("context/{OTHER}"), "new other")?;
    buildx.build(&[BOTH, "-t", "app", "context"])?;
    buildx.said(&["image", "prune", "-f"])?;
    assert_eq!(buildx.said(&["images", "-q", "--filter=dangling=true"])?, "");
    assert_eq!(buildx.file("app", Some(OTHER))?, "new other");
    buildx.said(&["image", "prune", "-af"])?;
    assert_eq!(buildx.said(&["images", "-aq"])?, "");
    Ok(())
}

#[test]
fn an_archive_has_both_and_gives_them_back() -> anyhow::Result<()> {
    let buildx = both()?;
    buildx.build(&[BOTH, "-t", "app", "context"])?;
    let id = buildx.said(&["inspect", "-f", "{{.Id}}", "app"])?;
    buildx.said(&["save", "-o", "app.tar", "app"])?;
    buildx.said(&["rmi", "app"])?;
    assert_eq!(buildx.said(&["load", "-i", "app.tar"])?, "Loaded image: app:latest");
    assert_eq!(buildx.said(&["inspect", "-f", "{{.Id}}", "app"])?, id);
    assert_eq!(buildx.file("app", None)?, OWN);
    assert_eq!(buildx.file("app", Some(OTHER))?, OTHER);
    // What buildx writes as an archive comes the same way.
    buildx.said(&["rmi", "app"])?;
    buildx.build(&[BOTH, "-t", "app", "--output=type=oci,dest=oci.tar", "context"])?;
    buildx.said(&["load", "-i", "oci.tar"])?;
    assert_eq!(buildx.said(&["inspect", "-f", "{{.Id}}", "app"])?, id);
    assert_eq!(buildx.file("app", Some(OTHER))?, OTHER);
    Ok(())
}

#[test]
fn a_push_brings_both() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let buildx = both()?;
    let name = registry.reference("app", "1");
    buildx.build(&[BOTH, "--push", "-t", &name, "context"])?;
    let shown = buildx.run(&["imagetools", "inspect", &name])?;
    let shown = shown.success()?;
    assert!(shown.contains("linux/amd64") && shown.contains("linux/arm64"), "{shown}");
    // Its digest is the index's, and a pull of what it is takes nothing away.
    let digest = buildx.said(&["inspect", "-f", "{{index .RepoDigests 0}}", &name])?;
    let index = shown.lines().find_map(|line| line.strip_prefix("Digest:")).unwrap_or_default();
    assert!(digest.ends_with(&format!("@{}", index.trim())), "{digest} is not {index}");
    let other = format!("--platform=linux/{OTHER}");
    for flags in [&[][..], &[other.as_str()]] {
        let pulled = buildx.said(&[&["pull"], flags, &[&name]].concat())?;
        assert!(pulled.contains("Image is up to date"), "{pulled}");
        assert_eq!(buildx.file(&name, None)?, OWN);
        assert_eq!(buildx.file(&name, Some(OTHER))?, OTHER);
    }
    assert_eq!(buildx.said(&["images", "-q"])?.lines().count(), 2, "and busybox");
    buildx.said(&["rmi", &name])?;
    buildx.said(&["pull", &other, &name])?;
    assert_eq!(buildx.file(&name, None)?, OTHER);
    Ok(())
}

#[test]
fn one_platform_is_pushed_and_inspected_if_it_is_asked_for() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let buildx = both()?;
    let name = registry.reference("app", "1");
    buildx.build(&[BOTH, "-t", &name, "context"])?;
    let wanted = format!("platform=%7B%22os%22:%22linux%22,%22architecture%22:%22{OTHER}%22%7D");
    let repository = name.trim_end_matches(":1");
    let push = format!("/v1.46/images/{repository}/push?tag=1&{wanted}");
    let answer = String::from_utf8(ask(&buildx.engine, "POST", &push)?.body()?)?;
    assert!(answer.contains("digest: sha256:"), "{answer}");
    let manifest = buildx.run(&["imagetools", "inspect", "--raw", &name])?;
    assert!(!manifest.success()?.contains("manifests"), "{manifest:?}");
    // That has not made it an image of its own.
    assert_eq!(buildx.said(&["images", "-q"])?.lines().count(), 2, "and busybox");
    for (query, expected) in [(wanted.as_str(), OTHER), ("", OWN)] {
        let inspect = format!("/v1.49/images/{name}/json?{query}");
        let image: Value = serde_json::from_slice(&ask(&buildx.engine, "GET", &inspect)?.body()?)?;
        assert_eq!(image["Architecture"], expected);
        assert_eq!(image["RepoTags"][0], name);
    }
    Ok(())
}

#[test]
fn compose_builds_for_the_platforms_of_a_service() -> anyhow::Result<()> {
    let buildx = both()?;
    symlink(clients::compose()?, buildx.path("docker/cli-plugins/docker-compose"))?;
    let file = "services:\n  app:\n    image: app\n    build:\n      context: context\n\
                \x20     platforms: [linux/amd64, linux/arm64]\n";
    buildx.write("compose.yaml", file)?;
    buildx.engine.docker(&["compose", "-p", "app", "build"])?.success()?;
    assert_eq!(buildx.file("app", None)?, OWN);
    assert_eq!(buildx.file("app", Some(OTHER))?, OTHER);
    Ok(())
}
