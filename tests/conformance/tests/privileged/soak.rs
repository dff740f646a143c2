//! Many short lives of containers, and an engine that is killed among them: what is left.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use naru_test_framework::NativeEngine;
use rusqlite::{Connection as Database, OpenFlags};
use serde_json::{Value, json};

use crate::raw::{ask, request_at};

const LIVES: usize = 500;
const AT_ONCE: usize = 8;
/// The engine is killed when so many are over, in the midst of the next ones.
const KILLS: [usize; 2] = [170, 340];
/// A life of each kind.
const KINDS: usize = 6;
/// How long what goes on in the background may take to end, on a slow machine.
const SETTLING: Duration = Duration::from_mins(1);

/// What eight clients of one engine share.
struct Soak {
    socket: PathBuf,
    /// How often the engine was killed. Held for writing while there is none.
    kills: RwLock<usize>,
    ids: Mutex<Vec<String>>,
}

impl Soak {
    fn kills(&self) -> usize {
        *self.kills.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks, and again if the engine was killed before it had answered.
    fn call(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<(u16, Vec<u8>)> {
        loop {
            let kills = self.kills();
            let answer = self.call_once(method, path, body);
            if answer.is_ok() || self.kills() == kills {
                return answer.with_context(|| format!("{method} {path}"));
            }
        }
    }

    fn call_once(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<(u16, Vec<u8>)> {
        let headers = ["Connection: close", "Content-Type: application/json"];
        let path = format!("/v1.45{path}");
        let mut answer = request_at(&self.socket, method, &path, &headers, body.to_string())?;
        Ok((answer.status, answer.body()?))
    }

    /// Asks for a change, which is made if the status is one of these: some say that it was made
    /// already, by a request whose answer was lost.
    fn change(&self, method: &str, path: &str, made: &[u16], body: &Value) -> anyhow::Result<()> {
        let (status, said) = self.call(method, path, body)?;
        let said = String::from_utf8_lossy(&said);
        ensure!(made.contains(&status), "{method} {path}: {status} {said}");
        Ok(())
    }

    fn exec(&self, name: &str) -> anyhow::Result<()> {
        loop {
            let kills = self.kills();
            match self.exec_once(name) {
                Ok(frames) if frames == [(1, b"hello\n".to_vec())] => return Ok(()),
                other if self.kills() == kills => bail!("exec in {name}: {other:?}"),
                // An exec is forgotten with its engine.
                _ => {}
            }
        }
    }

    fn exec_once(&self, name: &str) -> anyhow::Result<Vec<(u8, Vec<u8>)>> {
        let wanted = json!({"Cmd": ["echo", "hello"], "AttachStdout": true});
        let path = format!("/containers/{name}/exec");
        let (status, said) = self.call_once("POST", &path, &wanted)?;
        ensure!(status == 201, "{status} {}", String::from_utf8_lossy(&said));
        let created: Value = serde_json::from_slice(&said)?;
        let id = created["Id"].as_str().context("an id")?;
        let headers = ["Connection: Upgrade", "Upgrade: tcp", "Content-Type: application/json"];
        let path = format!("/v1.45/exec/{id}/start");
        request_at(&self.socket, "POST", &path, &headers, "{}")?.frames()
    }

    /// From creation to removal.
    fn live(&self, number: usize) -> anyhow::Result<()> {
        let name = format!("soak-{number}");
        let path = format!("/containers/{name}");
        let mut wanted = json!({"Image": "busybox", "Cmd": ["sleep", "1000"]});
        let kind = number % KINDS;
        match kind {
            0 => {}
            1 => {
                let binding = json!({"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]});
                wanted["HostConfig"] = json!({ "PortBindings": binding });
            }
            2 => wanted["HostConfig"] = json!({"IpcMode": "shareable", "Init": true}),
            3 => wanted["HostConfig"] = json!({"AutoRemove": true, "NetworkMode": "none"}),
            5 => {
                // One that nobody has named, and one in memory that is its user's too.
                let memory = json!({"type": "tmpfs", "device": "tmpfs", "o": "size=1m"});
                let driver = json!({ "DriverConfig": { "Options": memory } });
                let mount = json!({"Type": "volume", "Source": name, "Target": "/memory",
                    "VolumeOptions": driver});
                wanted["Volumes"] = json!({ "/bin": {} });
                wanted["HostConfig"] = json!({ "Mounts": [mount] });
            }
            _ => wanted["Cmd"] = json!(["sh", "-c", "echo spoken; exit 5"]),
        }
        let create = format!("/containers/create?name={name}");
        self.change("POST", &create, &[201, 409], &wanted)?;
        let (status, shown) = self.call("GET", &format!("{path}/json"), &Value::Null)?;
        ensure!(status == 200, "{name} is not there: {status}");
        let shown: Value = serde_json::from_slice(&shown)?;
        let id = shown["Id"].as_str().context("an id")?.to_owned();
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).push(id);

        self.change("POST", &format!("{path}/start"), &[204, 304], &Value::Null)?;
        if kind == 4 {
            let (_, ended) = self.call("POST", &format!("{path}/wait"), &Value::Null)?;
            let ended: Value = serde_json::from_slice(&ended)?;
            ensure!(ended["StatusCode"] == 5, "{name}: {ended}");
        } else {
            self.exec(&name)?;
        }
        self.change("POST", &format!("{path}/stop?t=0"), &[204, 304, 404], &Value::Null)?;
        // Where it removes itself, that may have been done or be about to be.
        self.change("DELETE", &format!("{path}?v=1"), &[204, 404, 409], &Value::Null)?;
        let volume = format!("/volumes/{name}?force=1");
        if kind == 5 { self.change("DELETE", &volume, &[204], &Value::Null) } else { Ok(()) }
    }

    /// Takes numbers and lives them until there are no more.
    fn work(&self, next: &AtomicUsize, over: &Sender<anyhow::Result<()>>) {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= LIVES || over.send(self.live(number)).is_err() {
                return;
            }
        }
    }
}

#[test]
fn five_hundred_containers_and_two_kills_leave_nothing() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    let soak = Soak {
        socket: engine.socket().to_owned(),
        kills: RwLock::default(),
        ids: Mutex::default(),
    };
    // What is made once and for all is there before it is counted.
    for number in LIVES..LIVES + KINDS {
        soak.live(number)?;
    }
    engine.kill()?;
    engine.restart()?;
    let before = settled(
        &engine,
        &["processes", "containers", "volumes", "rows", "namespaces", "interfaces", "cgroups"],
        || left(&engine, &soak),
    )?;
    let next = AtomicUsize::new(0);
    let (sender, over) = channel();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            let (soak, next, sender) = (&soak, &next, sender.clone());
            scope.spawn(move || soak.work(next, &sender));
        }
        drop(sender);
        for count in 1.. {
            let Ok(lived) = over.recv() else { break };
            lived?;
            if KILLS.contains(&count) {
                let mut kills = soak.kills.write().unwrap_or_else(PoisonError::into_inner);
                engine.kill()?;
                engine.restart()?;
                *kills += 1;
            }
        }
        anyhow::Ok(())
    })?;

    let end = Instant::now() + SETTLING;
    let mut after = left(&engine, &soak)?;
    while after != before && Instant::now() < end {
        // What remains to be done in the background is done meanwhile.
        ask(&engine, "GET", "/_ping")?.body()?;
        after = left(&engine, &soak)?;
    }
    for (what, before) in &before {
        assert_eq!(&after[what], before, "{what}\n{}", engine.log());
    }
    Ok(())
}

/// Lists of things by what they are.
pub(crate) type Left = BTreeMap<&'static str, Vec<String>>;

/// What is left when there is nothing of these any more, and nothing else that goes away.
pub(crate) fn settled(
    engine: &NativeEngine,
    gone: &[&str],
    look: impl Fn() -> anyhow::Result<Left>,
) -> anyhow::Result<Left> {
    let end = Instant::now() + SETTLING;
    let mut before = look()?;
    loop {
        ask(engine, "GET", "/_ping")?.body()?;
        let now = look()?;
        if now == before && gone.iter().all(|what| now[*what].is_empty()) {
            return Ok(now);
        }
        ensure!(Instant::now() < end, "it does not settle: {before:?}, then {now:?}");
        before = now;
    }
}

/// All that containers have, or that the engine has for them.
fn left(engine: &NativeEngine, soak: &Soak) -> anyhow::Result<Left> {
    let database = engine.root().join("engine.db");
    let database = Database::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let rows = "SELECT id FROM container UNION ALL SELECT name FROM volume";
    let mut rows = database.prepare(rows)?;
    let rows = rows.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let ids = soak.ids.lock().unwrap_or_else(PoisonError::into_inner);
    let groups = ["/sys/fs/cgroup/naru", "/sys/fs/cgroup/unified/naru"];
    let groups = ids.iter().flat_map(|id| groups.map(|group| format!("{group}/{id}")));
    let table = Command::new("nft").args(["list", "table", "ip", engine.bridge()]).output()?;
    let links = Path::new("/sys/class/net").join(engine.bridge()).join("brif");
    let mut left = of_the_engine(engine)?;
    left.extend([
        ("rows", rows),
        ("interfaces", names(&links)?),
        ("cgroups", groups.filter(|group| Path::new(group).exists()).collect()),
        ("rules", String::from_utf8(table.stdout)?.lines().map(str::to_owned).collect()),
    ]);
    Ok(left)
}

/// The processes, files, mounts and descriptors of an engine and its containers.
pub(crate) fn of_the_engine(engine: &NativeEngine) -> anyhow::Result<Left> {
    let pid = engine.pid().context("the engine runs")?.to_string();
    let mut processes = children(&pid)?;
    processes.extend(engine.shims().iter().map(u32::to_string));
    Ok(BTreeMap::from([
        ("processes", processes),
        ("containers", names(&engine.root().join("containers"))?),
        ("volumes", names(&engine.root().join("volumes"))?),
        ("run directory", names(&engine.run_dir())?),
        ("namespaces", names(&engine.run_dir().join("netns"))?),
        ("mounts", mounts("self", engine.scratch())?),
        ("mounts of the engine", mounts(&pid, engine.scratch())?),
        ("descriptors of the engine", descriptors(&pid)?),
    ]))
}

fn names(directory: &Path) -> anyhow::Result<Vec<String>> {
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let mut names = entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

/// The processes that a process has started and not buried.
fn children(parent: &str) -> anyhow::Result<Vec<String>> {
    let mut children = Vec::new();
    for name in names(Path::new("/proc"))? {
        // One that has ended meanwhile has no file.
        let status = fs::read_to_string(format!("/proc/{name}/status")).unwrap_or_default();
        if status.lines().any(|line| line.strip_prefix("PPid:\t") == Some(parent)) {
            children.push(name);
        }
    }
    Ok(children)
}

/// Where something of the test's directory is mounted, or mounted on it.
fn mounts(process: &str, directory: &Path) -> anyhow::Result<Vec<String>> {
    let directory = directory.to_str().context("a path of letters")?;
    let mounts = fs::read_to_string(format!("/proc/{process}/mountinfo"))?;
    let ours = mounts.lines().filter(|line| line.contains(directory));
    let mut points: Vec<String> =
        ours.filter_map(|line| line.split(' ').nth(4)).map(str::to_owned).collect();
    points.sort();
    Ok(points)
}

/// What a process has open, without the numbers that differ from one to the next.
fn descriptors(process: &str) -> anyhow::Result<Vec<String>> {
    let directory = Path::new("/proc").join(process).join("fd");
    let mut open = Vec::new();
    for name in names(&directory)? {
        // One may have been closed meanwhile.
        let Ok(target) = fs::read_link(directory.join(name)) else { continue };
        let target = target.to_string_lossy();
        open.push(target.split('[').next().unwrap_or_default().to_owned());
    }
    open.sort();
    Ok(open)
}
