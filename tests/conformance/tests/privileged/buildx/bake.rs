//! Several builds at once: bake, and compose, which is built on it.

use std::os::unix::fs::symlink;

use naru_test_framework::clients;

use super::Buildx;

#[test]
fn one_target_is_built_on_another() -> anyhow::Result<()> {
    let buildx = Buildx::with("FROM base\nRUN cat /base > /app\nCMD [\"cat\", \"/app\"]\n")?;
    buildx.write("base/Dockerfile", "FROM busybox\nRUN echo below > /base\n")?;
    let file = r#"
        group "default" {
            targets = ["app", "other"]
        }
        target "base" {
            context = "base"
        }
        target "app" {
            context = "context"
            contexts = { base = "target:base" }
            tags = ["app"]
        }
        target "other" {
            context = "base"
            tags = ["other"]
        }
    "#;
    buildx.write("docker-bake.hcl", file)?;
    buildx.run(&["bake", "--progress=plain"])?.success()?;
    assert_eq!(buildx.app(&[])?, "below");
    let other = buildx.engine.docker(&["run", "--rm", "other", "cat", "/base"])?;
    assert_eq!(other.success()?, "below");
    Ok(())
}

#[test]
fn compose_builds_its_services() -> anyhow::Result<()> {
    let buildx = Buildx::with("FROM busybox\nARG WHO\nENV WHO=$WHO\nCMD echo built for $WHO\n")?;
    let plugins = buildx.path("docker/cli-plugins/docker-compose");
    symlink(clients::compose()?, plugins)?;
    let file = "services:\n  one:\n    build:\n      context: context\n      args: { WHO: one }\n\
                \x20 two:\n    build:\n      context: context\n      args: { WHO: two }\n";
    buildx.write("compose.yaml", file)?;
    buildx.engine.docker(&["compose", "-p", "app", "build"])?.success()?;
    let said = buildx.engine.docker(&["compose", "-p", "app", "run", "--rm", "two"])?;
    assert_eq!(said.success()?, "built for two");
    buildx.engine.docker(&["compose", "-p", "app", "down"])?.success()?;
    Ok(())
}
