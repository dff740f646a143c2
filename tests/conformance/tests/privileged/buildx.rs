//! Stock buildx, as Debian ships it, and Docker's command with BuildKit's client built in.

mod bake;
mod caches;
mod checks;
mod compose_keys;
mod contexts;
mod failures;
mod git;
mod kills;
mod leave;
mod old;
mod outputs;
mod own_buildkit;
mod platforms;
mod provenance;
mod secrets;
mod two_platforms;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use naru_test_framework::{DockerHost, Engine, Output, Running, clients};

/// An engine with the busybox image, and a client with buildx.
struct Buildx {
    engine: Engine,
}

impl Buildx {
    fn new() -> anyhow::Result<Self> {
        let engine = Engine::with_busybox()?;
        install(&engine)?;
        fs::create_dir(engine.scratch().join("context"))?;
        Ok(Self { engine })
    }

    /// One whose context has this Dockerfile.
    fn with(dockerfile: &str) -> anyhow::Result<Self> {
        let buildx = Self::new()?;
        buildx.write("context/Dockerfile", dockerfile)?;
        Ok(buildx)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.engine.scratch().join(path)
    }

    /// Writes a file, its directories included.
    fn write(&self, path: &str, content: &str) -> anyhow::Result<()> {
        let path = self.path(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        Ok(fs::write(path, content)?)
    }

    /// Runs `docker buildx` to its end.
    fn run(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        Running::start(self.engine.command(&[&["buildx"], arguments].concat()))?.finish()
    }

    /// What it said of a build that succeeds.
    fn build(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.run(&[&["build", "--progress=plain"], arguments].concat())?;
        output.success()?;
        Ok(output.stderr)
    }

    /// What it said of a build that fails.
    fn failure(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.run(&[&["build", "--progress=plain"], arguments].concat())?;
        Ok(output.failure(1)?.to_owned())
    }

    /// What a program of the image `app` prints.
    fn app(&self, program: &[&str]) -> anyhow::Result<String> {
        let output = self.engine.docker(&[&["run", "--rm", "app"], program].concat())?;
        Ok(output.success()?.to_owned())
    }
}

/// Makes buildx a plugin of the engine's `docker`.
pub(crate) fn install(engine: &DockerHost) -> anyhow::Result<()> {
    let plugins = engine.scratch().join("docker/cli-plugins");
    fs::create_dir_all(&plugins)?;
    Ok(symlink(clients::buildx()?, plugins.join("docker-buildx"))?)
}

#[test]
fn an_image_is_built_named_and_run() -> anyhow::Result<()> {
    let buildx = Buildx::with(
        "FROM busybox AS base\nARG WHO=nobody\nRUN echo $WHO > /who\nFROM base\nCOPY a /a\n\
         LABEL one=1\nCMD [\"cat\", \"/who\", \"/a\"]\n",
    )?;
    buildx.write("context/a", "file\n")?;
    let arguments = ["-t", "app", "-t", "other:2", "--build-arg", "WHO=me", "--label", "two=2"];
    let said = buildx.build(&[&arguments[..], &["--iidfile", "id", "context"]].concat())?;
    assert!(said.contains("[base 2/2] RUN echo $WHO > /who"), "{said}");
    assert!(said.contains("naming to docker.io/library/app"), "{said}");
    assert_eq!(buildx.app(&[])?, "me\nfile");
    let shown =
        buildx.engine.docker(&["inspect", "-f", "{{.Id}} {{.Config.Labels}}", "other:2"])?;
    let id = fs::read_to_string(buildx.path("id"))?;
    assert_eq!(shown.success()?, format!("{id} map[one:1 two:2]"));
    Ok(())
}

#[test]
fn docker_build_is_buildx_where_it_is_installed() -> anyhow::Result<()> {
    let buildx = Buildx::with("FROM busybox\nCMD [\"echo\", \"built\"]\n")?;
    let output = buildx.engine.docker(&["build", "-t", "app", "context"])?;
    output.success()?;
    assert!(output.stderr.contains("exporting to image"), "{output:?}");
    assert_eq!(buildx.app(&[])?, "built");
    Ok(())
}

#[test]
fn a_dockerfile_tells_of_itself_without_being_built() -> anyhow::Result<()> {
    let buildx = Buildx::with(
        "# VERSION is what is built\nARG VERSION=1\nFROM busybox AS base\nARG VERSION\n\
         RUN --mount=type=secret,id=token true\n# app is what runs\nFROM base AS app\n",
    )?;
    let print = |what: &str| -> anyhow::Result<String> {
        let print = format!("--print={what}");
        let mut command = buildx.engine.command(&["buildx", "build", &print, "context"]);
        command.env("BUILDX_EXPERIMENTAL", "1");
        Ok(Running::start(command)?.finish()?.success()?.to_owned())
    };
    let targets = print("targets")?;
    assert!(targets.contains("app (default)"), "{targets}");
    assert!(targets.contains("what runs"), "{targets}");
    let outline = print("outline")?;
    assert!(outline.contains("VERSION"), "{outline}");
    assert!(outline.contains("token"), "{outline}");
    Ok(())
}

#[test]
fn a_remote_builder_is_reached_without_an_upgrade() -> anyhow::Result<()> {
    let buildx = Buildx::with("FROM busybox\nCMD [\"echo\", \"remote\"]\n")?;
    let host = buildx.engine.host();
    buildx.run(&["create", "--name=far", "--driver=remote", &host])?.success()?;
    buildx.build(&["--builder=far", "--load", "-t", "app", "context"])?;
    assert_eq!(buildx.app(&[])?, "remote");
    Ok(())
}
