//! How an image was made, said beside it where that is asked for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use naru_test_framework::Registry;
use serde_json::Value;

use super::Buildx;

const PREDICATE: &str = "https://slsa.dev/provenance/v0.2";

fn read(directory: &Path, digest: &Value) -> anyhow::Result<Value> {
    let digest = digest.as_str().and_then(|digest| digest.strip_prefix("sha256:"));
    let path = directory.join("blobs/sha256").join(digest.context("a digest")?);
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// The one document that an archive's index names.
fn unpacked(buildx: &Buildx, archive: &str) -> anyhow::Result<(PathBuf, Value)> {
    let directory = buildx.path(&format!("{archive}.unpacked"));
    fs::create_dir(&directory)?;
    let mut tar = Command::new("tar");
    let tar = tar.arg("-xf").arg(buildx.path(archive)).arg("-C").arg(&directory).output()?;
    ensure!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
    let index: Value = serde_json::from_slice(&fs::read(directory.join("index.json"))?)?;
    let inner = read(&directory, &index["manifests"][0]["digest"])?;
    Ok((directory, inner))
}

#[test]
fn an_archive_has_a_statement_only_if_it_is_asked_for() -> anyhow::Result<()> {
    let buildx = Buildx::with("FROM busybox\nARG TOKEN\nRUN echo $TOKEN > /file\n")?;
    buildx.build(&["--output=type=oci,dest=plain.tar", "context"])?;
    let (_, plain) = unpacked(&buildx, "plain.tar")?;
    assert!(plain["layers"].is_array(), "nothing is said by itself: {plain}");

    let token = "--build-arg=TOKEN=hidden";
    buildx.build(&["--provenance=true", token, "--output=type=oci,dest=said.tar", "context"])?;
    let (directory, index) = unpacked(&buildx, "said.tar")?;
    let [image, said] = index["manifests"].as_array().map_or(&[][..], Vec::as_slice) else {
        anyhow::bail!("not two manifests: {index}");
    };
    assert_eq!(said["platform"]["architecture"], "unknown");
    assert_eq!(said["annotations"]["vnd.docker.reference.type"], "attestation-manifest");
    assert_eq!(said["annotations"]["vnd.docker.reference.digest"], image["digest"]);
    let manifest = read(&directory, &said["digest"])?;
    let layer = &manifest["layers"][0];
    assert_eq!(layer["mediaType"], "application/vnd.in-toto+json");
    assert_eq!(layer["annotations"]["in-toto.io/predicate-type"], PREDICATE);
    let statement = read(&directory, &layer["digest"])?;
    assert_eq!(statement["predicateType"], PREDICATE);
    let subject = statement["subject"][0]["digest"]["sha256"].as_str().unwrap_or_default();
    assert_eq!(image["digest"], format!("sha256:{subject}"));
    let predicate = &statement["predicate"];
    assert_eq!(predicate["buildType"], "https://mobyproject.org/buildkit@v1");
    let material = predicate["materials"][0]["uri"].as_str().unwrap_or_default();
    assert!(material.starts_with("pkg:docker/busybox@latest?platform=linux%2F"), "{material}");
    assert!(!statement.to_string().contains("hidden"), "{statement}");
    // Where nothing is to be run, nothing is in the way of what is.
    let path = format!("oci-archive:{}", buildx.path("said.tar").display());
    let inspected = Command::new("skopeo").args(["inspect", &path]).output()?;
    ensure!(inspected.status.success(), "{}", String::from_utf8_lossy(&inspected.stderr));
    Ok(())
}

#[test]
fn stock_clients_read_what_a_registry_has() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let buildx = Buildx::with("FROM busybox\nCMD [\"echo\", \"run\"]\n")?;
    let host = buildx.engine.host();
    buildx.run(&["create", "--name=far", "--driver=remote", &host])?.success()?;
    let name = registry.reference("app", "1");
    let id = "--provenance=mode=min,builder-id=https://host/run/1";
    buildx.build(&["--builder=far", "--push", id, "-t", &name, "context"])?;
    let inspect = ["imagetools", "inspect", "--format={{json .Provenance.SLSA}}", &name];
    let said: Value = serde_json::from_str(buildx.run(&inspect)?.success()?)?;
    assert_eq!(said["builder"]["id"], "https://host/run/1", "{said}");
    assert_eq!(said["invocation"]["configSource"]["entryPoint"], "Dockerfile", "{said}");
    buildx.engine.docker(&["pull", &name])?.success()?;
    assert_eq!(buildx.engine.docker(&["run", "--rm", &name])?.success()?, "run");
    Ok(())
}

#[test]
fn what_cannot_be_said_is_refused_by_name() -> anyhow::Result<()> {
    let buildx = Buildx::with("FROM busybox\n")?;
    let oci = "--output=type=oci,dest=a.tar";
    let refused = buildx.failure(&["--provenance=mode=max", oci, "context"])?;
    assert!(refused.contains("mode=max of the provenance"), "{refused}");
    let refused = buildx.failure(&["--sbom=true", oci, "context"])?;
    assert!(refused.contains("the attestation sbom"), "{refused}");
    // Images in the store are by themselves.
    for output in ["--output=type=local,dest=tree", "-tapp"] {
        let refused = buildx.failure(&["--provenance=true", output, "context"])?;
        assert!(refused.contains("the provenance of what the exporter"), "{refused}");
    }
    buildx.build(&["--provenance=mode=min,inline-only=true", "-tapp", "context"])?;
    Ok(())
}
