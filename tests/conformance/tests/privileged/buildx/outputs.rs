//! Where a result may go.

use std::fs;
use std::process::Command;

use anyhow::ensure;
use naru_test_framework::{Guard, PASSWORD, Registry, USER};
use serde_json::Value;

use super::Buildx;

const FILES: &str = "FROM busybox AS build\nRUN mkdir /out && echo one > /out/one && \
                     ln -s one /out/link && chmod 640 /out/one\nFROM scratch\nCOPY --from=build /out /out\n";

#[test]
fn files_come_into_a_directory_and_an_archive() -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    let buildx = Buildx::with(FILES)?;
    buildx.build(&["--output=tree", "context"])?;
    assert_eq!(fs::read_to_string(buildx.path("tree/out/one"))?, "one\n");
    assert_eq!(fs::read_link(buildx.path("tree/out/link"))?.to_str(), Some("one"));
    let mode = fs::metadata(buildx.path("tree/out/one"))?.permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    buildx.build(&["--output=type=tar,dest=out.tar", "context"])?;
    let listed = Command::new("tar").arg("tf").arg(buildx.path("out.tar")).output()?;
    let listed = String::from_utf8(listed.stdout)?;
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    assert_eq!(listed, ["out/", "out/link", "out/one"]);
    // Nothing of it has become an image here.
    let images = buildx.engine.docker(&["images", "-aq"])?;
    assert_eq!(images.success()?.lines().count(), 1);
    Ok(())
}

#[test]
fn an_image_comes_as_an_archive_that_can_be_loaded() -> anyhow::Result<()> {
    let buildx = Buildx::with("FROM busybox\nRUN echo here > /file\nCMD [\"cat\", \"/file\"]\n")?;
    for kind in ["docker", "oci"] {
        let output = format!("--output=type={kind},dest={kind}.tar");
        buildx.build(&["-t", "app", &output, "context"])?;
        let images = buildx.engine.docker(&["images", "-q", "app"])?;
        assert_eq!(images.success()?, "");
        let archive = format!("{kind}.tar");
        let loaded = buildx.engine.docker(&["load", "-i", &archive])?;
        assert_eq!(loaded.success()?, "Loaded image: app:latest");
        assert_eq!(buildx.app(&[])?, "here");
        buildx.engine.docker(&["rmi", "app"])?.success()?;
        let path = format!("{kind}-archive:{}", buildx.path(&archive).display());
        let found = Command::new("skopeo").args(["inspect", "--config", &path]).output()?;
        ensure!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    }
    Ok(())
}

#[test]
fn an_image_is_pushed_with_the_clients_credentials() -> anyhow::Result<()> {
    let registry = Registry::start_guarded(&Guard::Password)?;
    let buildx = Buildx::with("FROM busybox\nCMD [\"echo\", \"pushed\"]\n")?;
    let name = registry.reference("app", "1");
    let refused = buildx.failure(&["--push", "-t", &name, "context"])?;
    assert!(refused.contains("auth"), "{refused}");
    let login = ["login", "-u", USER, "-p", PASSWORD, &registry.address()];
    buildx.engine.docker(&login)?.success()?;
    buildx.build(&["--push", "-t", &name, "context"])?;
    buildx.engine.docker(&["rmi", &name])?.success()?;
    // What a build stands on is pulled with them, too.
    buildx.write("context/Dockerfile", &format!("FROM {name}\n"))?;
    buildx.build(&["-t", "app", "context"])?;
    assert_eq!(buildx.app(&[])?, "pushed");
    Ok(())
}

#[test]
fn a_remote_builder_pushes_by_itself() -> anyhow::Result<()> {
    let registry = Registry::start_guarded(&Guard::Password)?;
    let buildx = Buildx::with("FROM busybox\nCMD [\"echo\", \"far\"]\n")?;
    let login = ["login", "-u", USER, "-p", PASSWORD, &registry.address()];
    buildx.engine.docker(&login)?.success()?;
    let host = buildx.engine.host();
    buildx.run(&["create", "--name=far", "--driver=remote", &host])?.success()?;
    let name = registry.reference("app", "1");
    let arguments = ["--builder=far", "--push", "--metadata-file=told", "-t", &name, "context"];
    buildx.build(&arguments)?;
    let told = fs::read_to_string(buildx.path("told"))?;
    assert!(told.contains("\"containerimage.digest\": \"sha256:"), "{told}");
    let output = buildx.engine.docker(&["run", "--rm", &name])?;
    assert_eq!(output.success()?, "far");
    Ok(())
}

#[test]
fn what_no_exporter_does_is_refused_by_name() -> anyhow::Result<()> {
    let buildx = Buildx::with("FROM busybox\n")?;
    for (output, word) in [
        ("type=oci,dest=a.tar,compression=zstd", "compression=zstd"),
        ("type=image,name=app,annotation.a=b", "annotation.a"),
        ("type=oci,dest=a.tar,compression=gzip", "compression=gzip"),
        ("type=image,name=app,oci-mediatypes=true", "oci-mediatypes=true"),
    ] {
        let refused = buildx.failure(&["--output", output, "context"])?;
        assert!(refused.contains(word), "{refused}");
    }
    Ok(())
}

const BOTH: &str = "--platform=linux/amd64,linux/arm64";

#[test]
fn two_platforms_come_side_by_side() -> anyhow::Result<()> {
    let buildx = Buildx::with("FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /file\n")?;
    buildx.write("context/amd64", "one")?;
    buildx.write("context/arm64", "other")?;
    buildx.build(&[BOTH, "--output=tree", "context"])?;
    assert_eq!(fs::read_to_string(buildx.path("tree/linux_amd64/file"))?, "one");
    assert_eq!(fs::read_to_string(buildx.path("tree/linux_arm64/file"))?, "other");
    buildx.build(&[BOTH, "-tapp", "--output=type=oci,dest=both.tar", "context"])?;
    let path = format!("oci-archive:{}", buildx.path("both.tar").display());
    for architecture in ["amd64", "arm64"] {
        let mut inspect = Command::new("skopeo");
        let chosen = format!("--override-arch={architecture}");
        let found = inspect.args([&chosen, "inspect", "--config", &path]).output()?;
        ensure!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
        let config: Value = serde_json::from_slice(&found.stdout)?;
        assert_eq!(config["architecture"], architecture, "{config}");
    }
    Ok(())
}

#[test]
fn two_platforms_are_pushed_behind_one_name() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let buildx = Buildx::with("FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /file\n")?;
    buildx.write("context/amd64", "one")?;
    buildx.write("context/arm64", "other")?;
    let host = buildx.engine.host();
    buildx.run(&["create", "--name=far", "--driver=remote", &host])?.success()?;
    let name = registry.reference("app", "1");
    buildx.build(&["--builder=far", "--push", BOTH, "-t", &name, "context"])?;
    let shown = buildx.run(&["imagetools", "inspect", &name])?;
    let shown = shown.success()?;
    assert!(shown.contains("linux/amd64") && shown.contains("linux/arm64"), "{shown}");
    buildx.engine.docker(&["rmi", &name])?.success()?;
    let pulled = buildx.engine.docker(&["pull", "--platform=linux/arm64", &name])?;
    pulled.success()?;
    let shown = buildx.engine.docker(&["inspect", "-f", "{{.Architecture}}", &name])?;
    assert_eq!(shown.success()?, "arm64");
    Ok(())
}

#[test]
fn what_is_pushed_has_ocis_media_types_if_they_are_asked_for() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let buildx = Buildx::with("FROM busybox\nRUN echo more > /more\n")?;
    let host = buildx.engine.host();
    buildx.run(&["create", "--name=far", "--driver=remote", &host])?.success()?;
    for (attribute, family) in [("", "docker.distribution"), (",oci-mediatypes=true", "oci.image")]
    {
        let name = registry.reference("app", family);
        let output = format!("--output=type=image,push=true,name={name}{attribute}");
        buildx.build(&["--builder=far", &output, "context"])?;
        let manifest = buildx.run(&["imagetools", "inspect", "--raw", &name])?;
        let manifest: Value = serde_json::from_str(manifest.success()?)?;
        let media_type = manifest["mediaType"].as_str().unwrap_or_default();
        assert!(media_type.contains(family), "{manifest}");
    }
    Ok(())
}
