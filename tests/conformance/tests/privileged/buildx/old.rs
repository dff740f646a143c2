//! Docker's command from before buildx: BuildKit behind `POST /build`.

use std::fs;
use std::process::Command;

use naru_test_framework::{Engine, Output, Running, clients};

use super::Buildx;
use crate::build::post;
use crate::raw::ask;

/// `docker build` of the old command.
fn command(buildx: &Buildx, arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = buildx.engine.client(clients::old_docker()?);
    command.env("DOCKER_BUILDKIT", "1").args(["build", "--progress=plain"]).args(arguments);
    Ok(command)
}

fn build(buildx: &Buildx, arguments: &[&str]) -> anyhow::Result<Output> {
    Running::start(command(buildx, arguments)?)?.finish()
}

#[test]
fn an_image_is_built_with_what_its_session_has() -> anyhow::Result<()> {
    let buildx = Buildx::with(
        "FROM busybox\nARG A\nCOPY a /a\nRUN --mount=type=secret,id=s cat /run/secrets/s > /s\n\
         RUN echo $A > /b\nCMD [\"cat\", \"/a\", \"/s\", \"/b\"]\n",
    )?;
    buildx.write("context/a", "file ")?;
    buildx.write("s", "secret ")?;
    let secret = "--secret=id=s,src=s";
    let arguments = [secret, "--build-arg=A=argument", "-t", "app", "--iidfile=id", "context"];
    let output = build(&buildx, &arguments)?;
    output.success()?;
    assert!(output.stderr.contains("RUN echo $A > /b"), "{output:?}");
    assert_eq!(buildx.app(&[])?, "file secret argument");
    assert!(fs::read_to_string(buildx.path("id"))?.starts_with("sha256:"));
    Ok(())
}

#[test]
fn files_come_into_a_directory() -> anyhow::Result<()> {
    let buildx = Buildx::with("FROM scratch\nCOPY a /\n")?;
    buildx.write("context/a", "file")?;
    build(&buildx, &["--output=tree", "context"])?.success()?;
    assert_eq!(fs::read_to_string(buildx.path("tree/a"))?, "file");
    Ok(())
}

#[test]
fn a_context_comes_on_standard_input() -> anyhow::Result<()> {
    let buildx = Buildx::with("FROM busybox\nCOPY a /a\nCMD [\"cat\", \"/a\"]\n")?;
    buildx.write("context/a", "streamed")?;
    let archive = Command::new("tar").arg("cC").arg(buildx.path("context")).arg(".").output()?;
    let mut running = Running::start(command(&buildx, &["-tapp", "-"])?)?;
    running.write(&archive.stdout)?;
    running.finish()?.success()?;
    assert_eq!(buildx.app(&[])?, "streamed");
    Ok(())
}

#[test]
fn a_failure_is_told() -> anyhow::Result<()> {
    let buildx = Buildx::with("FROM busybox\nRUN echo before && exit 7\n")?;
    let output = build(&buildx, &["context"])?;
    let said = output.failure(1)?;
    assert!(said.contains("before"), "{said}");
    assert!(said.contains("exit code: 7"), "{said}");
    Ok(())
}

#[test]
fn a_build_is_ended_by_the_name_that_it_was_given() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let dockerfile = "FROM busybox\nRUN sleep 1000\n";
    let mut answer = post(&engine, "/build?version=2&buildid=mine", dockerfile)?;
    let cancel = |name: &str| -> anyhow::Result<u16> {
        Ok(ask(&engine, "POST", &format!("/build/cancel?id={name}"))?.status)
    };
    // When it tells of itself, it is known by its name.
    assert!(!answer.chunk()?.is_empty());
    assert_eq!(cancel("")?, 400);
    // That there is no such build is what was wanted.
    assert_eq!(cancel("other")?, 200);
    assert_eq!(cancel("mine")?, 200);
    let said = String::from_utf8(answer.body()?)?;
    assert!(said.contains("the build was cancelled"), "{said}");
    Ok(())
}
