//! What a project of compose says of how its images are built.

use std::os::unix::fs::symlink;

use anyhow::ensure;
use naru_test_framework::{Output, Registry, Running, clients};

use super::Buildx;
use super::secrets::Agent;

const FILE: &str = r#"
services:
  app:
    image: app
    build:
      context: context
      dockerfile_inline: |
        FROM base AS tools
        ARG WHO
        RUN cat /proc/sys/kernel/random/uuid > /made && echo "for $$WHO" >> /said
        RUN --mount=type=secret,id=token --mount=type=secret,id=other \
            cat /run/secrets/token /run/secrets/other | wc -c >> /said
        RUN --mount=type=ssh test -S "$$SSH_AUTH_SOCK" && echo agent >> /said
        RUN ulimit -Sn >> /said && ulimit -Hn >> /said
        RUN ls /sys/class/net >> /said
        RUN awk '$$1 == "1.2.3.4" { print $$2 }' /etc/hosts >> /said
        FROM tools AS app
        COPY file /file
        COPY --from=files added /added
        CMD ["cat", "/said", "/file", "/added"]
        FROM tools
        RUN exit 1
      target: app
      args: { WHO: me }
      labels: { one: "1" }
      tags: ["app:two", "other/app:three"]
      platforms: [linux/amd64]
      network: none
      ulimits: { nofile: { soft: 100, hard: 200 } }
      extra_hosts: ["elsewhere=1.2.3.4"]
      additional_contexts: { base: "docker-image://busybox", files: files }
      secrets: [token, other]
      ssh: ["default=agent.sock"]
      cache_from: ["type=registry,ref=CACHE"]
      cache_to: ["type=registry,ref=CACHE,mode=max"]
secrets:
  token: { file: token }
  other: { environment: OTHER }
"#;

/// What the image prints.
const SAID: &str = "for me\n9\nagent\n100\n200\nlo\nelsewhere\nof the context, of elsewhere";

fn compose(buildx: &Buildx, arguments: &[&str]) -> anyhow::Result<Output> {
    let mut command = buildx.engine.command(&[&["compose", "-p", "keys"], arguments].concat());
    command.env("OTHER", "five!");
    Running::start(command)?.finish()
}

#[test]
fn compose_builds_by_what_its_file_says() -> anyhow::Result<()> {
    let (buildx, registry) = (Buildx::new()?, Registry::start()?);
    symlink(clients::compose()?, buildx.path("docker/cli-plugins/docker-compose"))?;
    let cache = registry.reference("cache", "1");
    buildx.write("compose.yaml", &FILE.replace("CACHE", &cache))?;
    for (path, content) in
        [("context/file", "of the context, "), ("files/added", "of elsewhere"), ("token", "hush")]
    {
        buildx.write(path, content)?;
    }
    let _agent = Agent::start(&buildx)?;
    compose(&buildx, &["build"])?.success()?;
    assert_eq!(buildx.app(&[])?, SAID);
    let shown = |name: &str| -> anyhow::Result<String> {
        let format = "{{.Id}} {{.Config.Labels.one}} {{.Os}}/{{.Architecture}}";
        Ok(buildx.engine.docker(&["inspect", "-f", format, name])?.success()?.to_owned())
    };
    let whole = shown("app")?;
    ensure!(whole.ends_with(" 1 linux/amd64"), "{whole}");
    assert_eq!((shown("app:two")?, shown("other/app:three")?), (whole.clone(), whole));

    // All of it comes from the registry.
    let made = buildx.app(&["cat", "/made"])?;
    buildx.engine.docker(&["rmi", "-f", "app", "app:two", "other/app:three"])?.success()?;
    buildx.run(&["prune", "--all", "--force"])?.success()?;
    compose(&buildx, &["build"])?.success()?;
    assert_eq!(buildx.app(&["cat", "/made"])?, made);
    compose(&buildx, &["run", "--rm", "app"])?.success()?;
    compose(&buildx, &["down", "--rmi", "local"])?.success()?;
    Ok(())
}
