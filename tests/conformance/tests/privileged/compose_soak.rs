//! Projects of four services up and down a hundred times: what is left.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use naru_test_framework::{DockerHost, NativeEngine};
use nix::sched::{CloneFlags, unshare};
use rusqlite::{Connection as Database, OpenFlags};

use crate::compose;
use crate::ports::fetch;
use crate::raw::ask;
use crate::shop::Shop;
use crate::soak::{Left, of_the_engine, settled};

/// How long what goes on in the background may take to end, on a slow machine.
const SETTLING: Duration = Duration::from_mins(1);

/// What goes up and down.
#[derive(Clone, Copy)]
struct Kind<'a> {
    /// The compose file.
    file: &'a str,
    /// Where its service `web` listens.
    port: &'a str,
    /// Whether an answer of it is that to the visit of this number.
    is_answer: fn(&str, usize) -> bool,
}

/// One of a kind.
struct Project<'a> {
    engine: &'a DockerHost,
    kind: Kind<'a>,
    name: String,
}

impl Project<'_> {
    fn compose(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let start = ["compose", "-f", self.kind.file, "-p", &self.name];
        let output = self.engine.docker(&[&start, arguments].concat())?;
        let said = output.success().with_context(|| format!("{}: {arguments:?}", self.name))?;
        Ok(said.to_owned())
    }

    /// Up, one visit, and down; the last time with its volume.
    fn live(&self, times: usize) -> anyhow::Result<()> {
        const DOWN: [&str; 4] = ["down", "-t", "5", "-v"];
        for time in 1..=times {
            self.compose(&["up", "-d", "--wait"])?;
            let address = self.compose(&["port", "web", self.kind.port])?;
            let port = address.rsplit(':').next().unwrap_or_default().parse()?;
            let answer = fetch(port)?;
            ensure!((self.kind.is_answer)(&answer, time), "{}: not {time}: {answer}", self.name);
            self.compose(if time == times { &DOWN } else { &DOWN[..3] })?;
        }
        Ok(())
    }
}

#[test]
fn a_hundred_times_up_and_down_leave_nothing() -> anyhow::Result<()> {
    let engine = engine_of_its_own()?;
    compose::install(&engine)?;
    let file = compose::copy_of("compose/stall", &engine)?.join("compose.yaml");
    let is_answer = |answer: &str, time| answer.ends_with(&format!("\r\n\r\n{time}\n"));
    let file = file.to_str().context("a path of letters")?;
    soak(&engine, Kind { file, port: "80", is_answer }, 4, 25)
}

#[test]
#[ignore = "a database is made a hundred times, which takes minutes"]
fn a_hundred_times_the_shop_leave_nothing() -> anyhow::Result<()> {
    let engine = engine_of_its_own()?;
    let file = Shop::new(&engine)?.file();
    let is_answer = |answer: &str, time| answer.contains(&format!("\"rows\": {time},"));
    soak(&engine, Kind { file: &file, port: "8080", is_answer }, 2, 50)
}

/// In a network of its own all interfaces and rules are the engine's.
fn engine_of_its_own() -> anyhow::Result<NativeEngine> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    ensure!(Command::new("ip").args(["link", "set", "lo", "up"]).status()?.success(), "lo is down");
    NativeEngine::with_busybox()
}

/// So many projects at once, each so many times.
fn soak(
    engine: &NativeEngine,
    kind: Kind<'_>,
    projects: usize,
    times: usize,
) -> anyhow::Result<()> {
    let project = |name| Project { engine, kind, name };
    // What is made once and for all is there before it is counted.
    project("first".to_owned()).live(1)?;
    let gone = ["processes", "containers", "namespaces", "volumes"];
    let before = settled(engine, &gone, || left(engine))?;
    thread::scope(|scope| {
        let projects: Vec<_> = (1..=projects)
            .map(|number| project(format!("project{number}")))
            .map(|project| scope.spawn(move || project.live(times)))
            .collect();
        projects.into_iter().try_for_each(|project| {
            project.join().map_err(|_| anyhow::anyhow!("a client panicked"))?
        })
    })?;

    let end = Instant::now() + SETTLING;
    let mut after = left(engine)?;
    while after != before && Instant::now() < end {
        // What remains to be done in the background is done meanwhile.
        ask(engine, "GET", "/_ping")?.body()?;
        after = left(engine)?;
    }
    for (what, before) in &before {
        assert_eq!(&after[what], before, "{what}\n{}", engine.log());
    }
    Ok(())
}

/// What a program says, line by line.
fn lines(program: &str, arguments: &[&str]) -> anyhow::Result<Vec<String>> {
    let output = Command::new(program).args(arguments).output()?;
    ensure!(output.status.success(), "{program} {}: {output:?}", arguments.join(" "));
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}

/// All that the projects have, or that the engine has for it.
fn left(engine: &NativeEngine) -> anyhow::Result<Left> {
    let path = engine.root().join("engine.db");
    let database = Database::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    let tables: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut rows = Vec::new();
    for table in tables {
        let count = format!("SELECT count(*) FROM {table}");
        let count: i64 = database.query_row(&count, [], |row| row.get(0))?;
        rows.push(format!("{table} {count}"));
    }
    let interfaces = lines("ip", &["-brief", "link"])?;
    let interfaces = interfaces.iter().filter_map(|line| line.split(' ').next());
    let mut left = of_the_engine(engine)?;
    left.extend([
        ("rows", rows),
        ("interfaces", interfaces.map(str::to_owned).collect()),
        ("rules", lines("nft", &["list", "ruleset"])?),
    ]);
    Ok(left)
}
