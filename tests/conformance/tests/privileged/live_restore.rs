//! An engine that is killed while its containers are at work: nobody in them notices.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, ensure};
use naru_test_framework::NativeEngine;

use crate::faults::wait_for_end;
use crate::ports::free_port;

/// Far longer than an answer takes.
const PATIENCE: Duration = Duration::from_mins(1);
/// How many answers show that a conversation goes on.
const SOME: usize = 100;

/// A client that says numbers to a server without pause, and hears each of them again.
struct Talk {
    heard: Receiver<u64>,
    enough: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Talk {
    fn begin(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let enough = Arc::new(AtomicBool::new(false));
        let is_enough = Arc::clone(&enough);
        let (sender, heard) = channel();
        let thread = thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            for number in 0.. {
                if is_enough.load(Ordering::Relaxed) {
                    break;
                }
                writeln!(stream.get_mut(), "{number}")?;
                let mut line = String::new();
                stream.read_line(&mut line)?;
                ensure!(line == format!("{number}\n"), "heard {line:?} in place of {number}");
                sender.send(number)?;
            }
            Ok(())
        });
        Ok(Self { heard, enough, thread })
    }

    /// Holds if from now on there are further answers.
    fn goes_on(&self) -> anyhow::Result<()> {
        let _until_now = self.heard.try_iter().count();
        for _ in 0..SOME {
            self.heard.recv_timeout(PATIENCE).context("the conversation has ended")?;
        }
        Ok(())
    }

    fn end(self) -> anyhow::Result<()> {
        self.enough.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the client panicked"))?
    }
}

/// Waits until something listens on a port of the container.
fn await_listener(engine: &NativeEngine, name: &str, port: u16) -> anyhow::Result<()> {
    let listens =
        format!("until grep -q ':{port:04X} .* 0A ' /proc/net/tcp6; do usleep 10000; done");
    engine.docker(&["exec", name, "sh", "-c", &listens])?.success()?;
    Ok(())
}

fn inspect(engine: &NativeEngine, name: &str, format: &str) -> anyhow::Result<String> {
    Ok(engine.docker(&["inspect", "-f", format, name])?.success()?.to_owned())
}

#[test]
fn a_connection_to_a_container_and_to_its_exec_outlives_the_engine() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    let ports = [free_port()?, free_port()?];
    let publish = [format!("127.0.0.1:{}:7", ports[0]), format!("127.0.0.1:{}:8", ports[1])];
    let run = ["run", "-d", "--name", "echoes", "-p", &publish[0], "-p", &publish[1], "busybox"];
    let serve = ["nc", "-ll", "-p", "7", "-e", "cat"];
    engine.docker(&[&run[..], &serve].concat())?.success()?;
    let exec = ["exec", "-d", "echoes", "nc", "-ll", "-p", "8", "-e", "cat"];
    engine.docker(&exec)?.success()?;
    for port in [7, 8] {
        await_listener(&engine, "echoes", port)?;
    }
    let talks = [Talk::begin(ports[0])?, Talk::begin(ports[1])?];
    talks.iter().try_for_each(Talk::goes_on)?;

    engine.kill()?;
    talks.iter().try_for_each(Talk::goes_on)?;
    // A new one is let in, too.
    let late = Talk::begin(ports[0])?;
    late.goes_on()?;
    engine.restart()?;
    talks.iter().chain([&late]).try_for_each(Talk::goes_on)?;

    let shown = engine.docker(&["ps", "--format", "{{.Names}} {{.State}}"])?;
    assert_eq!(shown.success()?, "echoes running");
    assert_eq!(engine.docker(&["exec", "echoes", "echo", "hi"])?.success()?, "hi");
    talks.into_iter().chain([late]).try_for_each(Talk::end)?;
    // The new engine does not know the exec, and yet nothing of it is left when it ends.
    engine.docker(&["rm", "-f", "echoes"])?.success()?;
    engine.stop()?;
    let left = fs::read_dir(engine.run_dir())?.flatten().map(|entry| entry.file_name());
    let left: Vec<_> = left.filter(|name| name.len() == 32).collect();
    assert!(left.is_empty(), "{left:?}");
    Ok(())
}

#[test]
fn a_log_written_without_pause_has_no_gap() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    let shell = "n=0; while [ ! -e /stop ]; do echo $n; n=$((n+1)); done; echo last $n; exit 9";
    engine.docker(&["run", "-d", "--name", "writes", "busybox", "sh", "-c", shell])?.success()?;
    assert_eq!(engine.spawn(&["logs", "-f", "writes"])?.line()?, "0");

    engine.kill()?;
    engine.restart()?;
    let mut follower = engine.spawn(&["logs", "-f", "--tail", "1", "writes"])?;
    let from: u64 = follower.line()?.parse()?;
    for number in from + 1..from + 1000 {
        assert_eq!(follower.line()?, number.to_string(), "what is followed has no gap");
    }
    drop(follower);
    let mut wait = engine.spawn(&["wait", "writes"])?;
    // The container's end may be its own too.
    engine.docker(&["exec", "writes", "touch", "/stop"])?;
    assert_eq!(wait.line()?, "9");
    let logs = engine.docker(&["logs", "writes"])?;
    let mut lines = logs.success()?.lines();
    let last = lines.next_back().context("a last line")?;
    let mut count = 0;
    for line in lines {
        assert_eq!(line, count.to_string(), "the log has a gap");
        count += 1;
    }
    assert_eq!(last, format!("last {count}"));
    Ok(())
}

#[test]
fn who_was_attached_attaches_again_and_the_container_has_not_noticed() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    let shell = "while read word; do echo heard $word; done; echo noticed";
    for (name, terminal) in [("plain", "-di"), ("terminal", "-dit")] {
        let run = ["run", terminal, "--name", name, "busybox", "sh", "-c", shell];
        engine.docker(&run)?.success()?;
    }
    let mut attached = engine.spawn(&["attach", "plain"])?;
    attached.write(b"one\n")?;
    assert_eq!(attached.line()?, "heard one");
    let mut screen = engine.terminal(&["attach", "terminal"], 24, 80)?;
    screen.type_in("one\n")?;
    screen.expect("heard one")?;

    engine.kill()?;
    assert!(attached.line().is_err(), "the connection ends with the engine");
    drop(attached);
    screen.finish()?;
    engine.restart()?;

    let mut attached = engine.spawn(&["attach", "plain"])?;
    attached.write(b"two\n")?;
    assert_eq!(attached.line()?, "heard two");
    assert_eq!(engine.docker(&["logs", "plain"])?.success()?, "heard one\nheard two");
    let mut screen = engine.terminal(&["attach", "terminal"], 24, 80)?;
    screen.type_in("two\n")?;
    // With its end: what is behind it is not in the log yet.
    screen.expect("heard two\r\n")?;
    let logs = engine.docker(&["logs", "terminal"])?.success()?.replace('\r', "");
    assert_eq!(logs, "one\nheard one\ntwo\nheard two");
    Ok(())
}

#[test]
fn what_ends_in_the_absence_is_restarted_once_by_its_policy() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    let shell = "[ -p /pipe ] || mkfifo /pipe; echo run; read word < /pipe; exit 3";
    let run = ["run", "-d", "--restart", "always", "--name", "again", "busybox", "sh", "-c", shell];
    engine.docker(&run)?.success()?;
    assert_eq!(engine.spawn(&["logs", "-f", "again"])?.line()?, "run");
    let pid = inspect(&engine, "again", "{{.State.Pid}}")?;
    let shims = engine.shims();
    assert_eq!(shims.len(), 1);

    engine.kill()?;
    fs::write(format!("/proc/{pid}/root/pipe"), "word\n")?;
    wait_for_end(&shims)?;
    engine.restart()?;

    let format = "{{.Action}}{{with .Actor.Attributes.exitCode}} {{.}}{{end}}";
    let filters = ["--filter", "event=start", "--filter", "event=die", "--format", format];
    let mut events = engine.spawn(&[&["events", "--since", "1"][..], &filters].concat())?;
    // An end that nobody has seen is not told.
    assert_eq!(events.line()?, "start");
    let mut logs = engine.spawn(&["logs", "-f", "again"])?;
    assert_eq!((logs.line()?, logs.line()?), ("run".to_owned(), "run".to_owned()));
    assert_eq!(inspect(&engine, "again", "{{.State.Status}}")?, "running");
    let pid = inspect(&engine, "again", "{{.State.Pid}}")?;
    fs::write(format!("/proc/{pid}/root/pipe"), "word\n")?;
    assert_eq!((events.line()?, events.line()?), ("die 3".to_owned(), "start".to_owned()));
    assert_eq!(logs.line()?, "run");
    Ok(())
}

#[test]
fn a_crowd_is_found_again_whole() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    let names: Vec<String> = (10..40).map(|number| format!("member-{number}")).collect();
    let mut running = Vec::new();
    for name in &names {
        let run = ["run", "-d", "--name", name, "-p", "127.0.0.1::80", "busybox", "sleep", "1000"];
        running.push(engine.spawn(&run)?);
    }
    for run in running {
        run.finish()?.success()?;
    }
    let list = ["ps", "--format", "{{.Names}} {{.State}} {{.Ports}}"];
    let listed = |engine: &NativeEngine| -> anyhow::Result<Vec<String>> {
        let mut lines: Vec<_> =
            engine.docker(&list)?.success()?.lines().map(str::to_owned).collect();
        lines.sort();
        Ok(lines)
    };
    let before = listed(&engine)?;
    assert_eq!(before.len(), names.len());

    engine.kill()?;
    engine.restart()?;
    assert_eq!(listed(&engine)?, before);
    // Each of them, by one request: they end together, and nothing of them stays.
    let kill: Vec<&str> =
        ["rm", "-f"].into_iter().chain(names.iter().map(String::as_str)).collect();
    engine.docker(&kill)?.success()?;
    engine.has_no_shims()?;
    assert_eq!(fs::read_dir(engine.root().join("containers"))?.count(), 0);
    Ok(())
}
