//! The project `shop`: a web server, an API, PostgreSQL and Redis, in images of Debian's packages.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use naru_test_framework::{DockerHost, Engine, NativeEngine, clients};
use serde_json::{Value, json};

use crate::compose;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// Enough visits to show that all goes on, or to meet each of five.
const SOME: usize = 20;
const MANY: usize = 300;

/// The shop on an engine.
pub(crate) struct Shop {
    folder: PathBuf,
}

impl Shop {
    /// Gives the engine the images, and copies the project.
    pub(crate) fn new(engine: &DockerHost) -> anyhow::Result<Self> {
        compose::install(engine)?;
        let folder = compose::copy_of("compose/shop", engine)?;
        let read = |name: &str| fs::read(folder.join(name));
        let (api, web) = (read("api.py")?, read("web.py")?);
        let path = |more: &str| format!("PATH=/usr/bin:/bin{more}");
        let python = json!({ "Env": [path("")] });
        let postgres = json!({ "Env": [path(":/usr/lib/postgresql/17/bin")] });
        let files: [(&str, &[u8]); 2] = [("api.py", &api), ("web.py", &web)];
        for (name, image) in [
            ("python", clients::image("python", &files, &python)?),
            ("redis", clients::image("redis", &[], &python)?),
            ("postgres", clients::image("postgres", &[], &postgres)?),
        ] {
            engine.load(&image, &format!("docker.io/naru/{name}:latest"))?;
        }
        Ok(Self { folder })
    }

    /// The project's file.
    pub(crate) fn file(&self) -> String {
        self.folder.join("compose.yaml").display().to_string()
    }

    /// What compose says of the project, which succeeds.
    fn compose(&self, engine: &DockerHost, arguments: &[&str]) -> anyhow::Result<String> {
        let file = self.file();
        let output = engine.docker(&[&["compose", "-f", &file], arguments].concat())?;
        Ok(output.success().with_context(|| arguments.join(" "))?.to_owned())
    }

    /// Where the host reaches the web server.
    fn address(&self, engine: &DockerHost) -> anyhow::Result<String> {
        self.compose(engine, &["port", "web", "8080"])
    }
}

/// One visit, which succeeds.
fn visit(address: &str) -> anyhow::Result<Value> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /visit HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer")?;
    ensure!(head.starts_with("HTTP/1.0 200 "), "{answer}");
    Ok(serde_json::from_str(body)?)
}

/// The number in a field of an answer.
fn number(answer: &Value, field: &str) -> anyhow::Result<u64> {
    answer[field].as_u64().with_context(|| format!("{field} of {answer}"))
}

#[test]
fn no_connection_to_the_database_is_dropped_when_the_engine_is_killed() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    let shop = Shop::new(&engine)?;
    shop.compose(&engine, &["up", "-d", "--wait"])?;
    let started = |service: &str| {
        let name = format!("shop-{service}-1");
        let shown = engine.docker(&["inspect", "-f", "{{.State.StartedAt}}", &name])?;
        anyhow::Ok(shown.success()?.to_owned())
    };
    let times = [started("database")?, started("api")?, started("web")?];
    assert!(times.is_sorted(), "each starts after what it needs: {times:?}");

    let address = shop.address(&engine)?;
    let first = visit(&address)?;
    let backend = number(&first, "backend")?;
    let mut count = number(&first, "rows")?;
    let mut goes_on = || -> anyhow::Result<()> {
        for _ in 0..SOME {
            let answer = visit(&address)?;
            count += 1;
            ensure!(number(&answer, "rows")? == count, "a visit is lost: {answer}, not {count}");
            ensure!(number(&answer, "hits")? == count, "a visit is lost: {answer}, not {count}");
            ensure!(number(&answer, "backend")? == backend, "connected anew: {answer}");
        }
        Ok(())
    };
    goes_on()?;
    engine.kill()?;
    goes_on().context("without the engine")?;
    engine.restart()?;
    goes_on().context("with the next engine")?;

    // It grows, and all of it is used.
    let five = ["up", "-d", "--wait", "--scale", "api=5"];
    shop.compose(&engine, &five)?;
    let mut hosts = BTreeSet::new();
    for _ in 0..MANY {
        hosts.insert(visit(&address)?["host"].to_string());
        if hosts.len() == 5 {
            break;
        }
    }
    assert_eq!(hosts.len(), 5, "{hosts:?}");

    // What the database has kept is there again; what the cache had is not.
    shop.compose(&engine, &["down", "-t", "5"])?;
    shop.compose(&engine, &["up", "-d", "--wait"])?;
    let answer = visit(&shop.address(&engine)?)?;
    assert!(number(&answer, "rows")? > count && number(&answer, "hits")? == 1, "{answer}");
    shop.compose(&engine, &["down", "-v", "-t", "5"])?;
    nothing_is_left(&engine)
}

#[test]
fn the_shop_is_reached_on_its_published_port() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let shop = Shop::new(&engine)?;
    // By turns: in an emulated machine a database takes its time to be made.
    shop.compose(&engine, &["up", "-d", "--wait", "database", "cache"])?;
    shop.compose(&engine, &["up", "-d", "--wait"])?;
    let address = shop.address(&engine)?;
    let before = number(&visit(&address)?, "rows")?;
    for _ in 0..SOME {
        visit(&address)?;
    }
    let after = number(&visit(&address)?, "rows")?;
    assert_eq!(after, before + SOME as u64 + 1);
    shop.compose(&engine, &["down", "-v", "-t", "5"])?;
    for list in [&["ps", "-aq"][..], &["volume", "ls", "-q"]] {
        assert_eq!(engine.docker(list)?.success()?, "", "docker {}", list.join(" "));
    }
    Ok(())
}

/// Holds if the engine has neither containers nor volumes, nor networks but those of its own, and
/// the host nothing of them.
fn nothing_is_left(engine: &NativeEngine) -> anyhow::Result<()> {
    for list in [&["ps", "-aq"][..], &["volume", "ls", "-q"]] {
        let left = engine.docker(list)?;
        ensure!(left.success()?.is_empty(), "docker {}: {left:?}", list.join(" "));
    }
    let networks = engine.docker(&["network", "ls", "--format", "{{.Name}}"])?;
    let mut networks: Vec<&str> = networks.success()?.lines().collect();
    networks.sort_unstable();
    ensure!(networks == ["bridge", "host", "none"], "{networks:?}");
    engine.has_no_shims()?;
    let links = Path::new("/sys/class/net").join(engine.bridge()).join("brif");
    let links = links.read_dir().map(Iterator::count).unwrap_or_default();
    ensure!(links == 0, "{links} interfaces are left");
    Ok(())
}
