//! The lives of a few containers, looked at from every side.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::side::Asking;

/// As many of the options as both engines have on any machine.
fn with_options(scratch: &str) -> Value {
    json!({
        "Image": "busybox", "Cmd": ["-c", "sleep 1000"], "Entrypoint": ["/bin/sh"],
        "Tty": true, "OpenStdin": true, "AttachStdout": true, "User": "daemon",
        "Env": ["A=1", "B"], "Labels": { "app": "shop", "tier": "" }, "WorkingDir": "/var/x",
        "Hostname": "host1", "Domainname": "example.org", "StopSignal": "SIGINT",
        "StopTimeout": 1, "ExposedPorts": { "80/tcp": {}, "53/udp": {} },
        "HostConfig": host_options(scratch),
    })
}

fn host_options(scratch: &str) -> Value {
    json!({
        "Binds": [format!("{scratch}:/mnt:ro")], "CapAdd": ["NET_ADMIN"],
        "CapDrop": ["MKNOD"], "Dns": ["192.0.2.53"], "DnsSearch": ["example.org"],
        "DnsOptions": ["ndots:2"], "ExtraHosts": ["db:192.0.2.1"], "GroupAdd": ["adm"],
        "IpcMode": "shareable", "Init": true, "OomScoreAdj": 100, "ReadonlyRootfs": true,
        "LogConfig": { "Type": "json-file", "Config": { "max-size": "1m", "max-file": "2" } },
        "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 3 },
        "SecurityOpt": ["no-new-privileges"], "ShmSize": 1_048_576,
        "Sysctls": { "net.ipv4.ip_forward": "1" }, "Tmpfs": { "/run": "size=64k" },
        "Ulimits": [{ "Name": "nofile", "Soft": 100, "Hard": 100 }],
        "PortBindings": { "80/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "" }] },
        "Mounts": [
            { "Type": "bind", "Source": scratch, "Target": "/data" },
            { "Type": "tmpfs", "Target": "/cache", "TmpfsOptions": { "SizeBytes": 65536 } },
        ],
    })
}

/// Makes containers and leads them through all their states.
pub(super) fn life(asking: &mut Asking<'_>) -> anyhow::Result<()> {
    let began = now()?;
    system(asking)?;
    let scratch = tempfile::tempdir()?;
    let scratch = scratch.path().to_str().context("a path in UTF-8")?;
    asking.call(scratch, "<scratch>");
    asking.create("plain", &json!({ "Image": "busybox", "Cmd": ["sleep", "1000"] }))?;
    asking.create("options", &with_options(scratch))?;
    let none = json!({ "NetworkMode": "none", "AutoRemove": false, "Privileged": true });
    asking.create("none", &json!({ "Image": "busybox", "HostConfig": none }))?;
    let host = json!({ "NetworkMode": "host", "PidMode": "host", "IpcMode": "host",
        "UTSMode": "host", "CgroupnsMode": "host" });
    asking.create(
        "host",
        &json!({ "Image": "busybox", "Cmd": ["sh", "-c", "exit 3"], "HostConfig": host }),
    )?;
    for name in ["plain", "options", "none", "host"] {
        asking.ask(
            &format!("inspect/created/{name}"),
            "GET",
            &format!("/containers/{name}/json"),
        )?;
    }
    asking.ask("list/created", "GET", "/containers/json?all=1")?;
    running(asking)?;
    paused(asking)?;
    healthy(asking, scratch)?;
    exited(asking)?;
    images(asking)?;
    events(asking, &began)
}

fn system(asking: &mut Asking<'_>) -> anyhow::Result<()> {
    for (case, path) in [
        ("system/info", "/info"),
        ("system/version", "/version"),
        ("system/ping", "/_ping"),
        ("list/none", "/containers/json?all=1"),
        ("system/df", "/system/df"),
    ] {
        asking.ask(case, "GET", path)?;
    }
    Ok(())
}

fn running(asking: &mut Asking<'_>) -> anyhow::Result<()> {
    for name in ["plain", "options"] {
        asking.ask(&format!("start/{name}"), "POST", &format!("/containers/{name}/start"))?;
        asking.ask(
            &format!("inspect/running/{name}"),
            "GET",
            &format!("/containers/{name}/json"),
        )?;
    }
    asking.ask("start/again", "POST", "/containers/plain/start")?;
    asking.ask("inspect/size", "GET", "/containers/plain/json?size=1")?;
    for (case, query) in [
        ("running", ""),
        ("size", "size=1"),
        ("limit", "limit=1"),
        ("label", "filters={\"label\":[\"app=shop\"]}"),
        ("name", "filters={\"name\":[\"pla\"]}"),
        ("created", "filters={\"status\":[\"created\"]}"),
        ("ancestor", "filters={\"ancestor\":[\"busybox\"]}"),
        ("expose", "filters={\"expose\":[\"53/udp\"]}"),
        ("network", "all=1&filters={\"network\":[\"none\"]}"),
        ("before", "all=1&filters={\"before\":[\"options\"]}"),
        ("health", "filters={\"health\":[\"none\"]}"),
    ] {
        asking.ask(&format!("list/{case}"), "GET", &format!("/containers/json?{query}"))?;
    }
    asking.ask("stats/running", "GET", "/containers/plain/stats?stream=0&one-shot=1")?;
    asking.ask("stats/created", "GET", "/containers/none/stats?stream=0&one-shot=1")?;
    asking.ask("top/plain", "GET", "/containers/plain/top?ps_args=-o%20pid,args")?;
    let top = asking.must("GET", "/containers/plain/top", "")?;
    asking.keep("top/default", top["Titles"].clone());
    exec(asking)?;
    asking.ask("changes/created", "GET", "/containers/none/changes")?;
    let changes = asking.must("GET", "/containers/plain/changes", "")?;
    asking.keep("changes/plain", json!({ "changes": changes }));
    asking.send(
        "update/plain",
        "POST",
        "/containers/plain/update",
        r#"{"RestartPolicy":{"Name":"no"}}"#,
    )?;
    asking.ask("rename/none", "POST", "/containers/none/rename?name=other")?;
    asking.ask("rename/back", "POST", "/containers/other/rename?name=none")?;
    asking.ask("resize/options", "POST", "/containers/options/resize?h=20&w=30")?;
    Ok(())
}

fn exec(asking: &mut Asking<'_>) -> anyhow::Result<()> {
    let body = json!({
        "Cmd": ["sh", "-c", "touch /made; rm /etc/group; exit 3"], "AttachStdout": true,
        "AttachStderr": true, "Env": ["A=1"], "User": "root", "WorkingDir": "/tmp",
    });
    let made = asking.send("exec/create", "POST", "/containers/plain/exec", &body.to_string())?;
    let id = made["Id"].as_str().context("an exec has an id")?.to_owned();
    asking.ask("exec/created", "GET", &format!("/exec/{id}/json"))?;
    asking.must("POST", &format!("/exec/{id}/start"), r#"{"Detach":false}"#)?;
    asking.ask("exec/exited", "GET", &format!("/exec/{id}/json"))?;
    asking.send("exec/again", "POST", &format!("/exec/{id}/start"), r#"{"Detach":true}"#)?;
    let body = r#"{"Cmd":["sleep","1000"],"Tty":true,"Detach":true}"#;
    let made = asking.must("POST", "/containers/plain/exec", body)?;
    let id = made["Id"].as_str().context("an exec has an id")?.to_owned();
    asking.send("exec/start", "POST", &format!("/exec/{id}/start"), r#"{"Detach":true}"#)?;
    asking.ask("exec/running", "GET", &format!("/exec/{id}/json"))?;
    asking.ask("inspect/with an exec", "GET", "/containers/plain/json")?;
    Ok(())
}

fn paused(asking: &mut Asking<'_>) -> anyhow::Result<()> {
    asking.ask("pause/plain", "POST", "/containers/plain/pause")?;
    asking.ask("inspect/paused", "GET", "/containers/plain/json")?;
    asking.ask("list/paused", "GET", "/containers/json?filters={\"status\":[\"paused\"]}")?;
    for (case, method, path, body) in [
        ("pause twice", "POST", "pause", ""),
        ("exec in a paused one", "POST", "exec", r#"{"Cmd":["true"]}"#),
        ("start a paused one", "POST", "start", ""),
        ("remove a paused one", "DELETE", "", ""),
        ("attach to a paused one", "POST", "attach?stream=1&stdout=1", ""),
    ] {
        let path = format!("/containers/plain/{path}");
        asking.send(&format!("error/{case}"), method, path.trim_end_matches('/'), body)?;
    }
    asking.ask("unpause/plain", "POST", "/containers/plain/unpause")?;
    Ok(())
}

/// A health check; it has run once when its event comes, and waits with that for a file.
fn healthy(asking: &mut Asking<'_>, scratch: &str) -> anyhow::Result<()> {
    let test = "until [ -e /gate/open ]; do usleep 10000; done; echo fine";
    let check = json!({ "Test": ["CMD-SHELL", test], "Interval": 1_000_000_000_u64,
        "Timeout": 30_000_000_000_u64, "Retries": 2 });
    let gate = json!({ "Binds": [format!("{scratch}:/gate:ro")] });
    let filters = "filters={\"event\":[\"health_status\"],\"container\":[\"healthy\"]}";
    let mut events = asking.open("GET", &format!("/events?{filters}"))?;
    asking.create(
        "healthy",
        &json!({ "Image": "busybox", "Cmd": ["sleep", "1000"], "Healthcheck": check,
            "HostConfig": gate }),
    )?;
    asking.must("POST", "/containers/healthy/start", "")?;
    asking.ask("list/starting", "GET", "/containers/json?filters={\"health\":[\"starting\"]}")?;
    fs::write(Path::new(scratch).join("open"), "")?;
    let event: Value = serde_json::from_slice(&events.chunk()?)?;
    ensure!(event["status"] == "health_status: healthy", "{event}");
    asking.ask("inspect/healthy", "GET", "/containers/healthy/json")?;
    asking.ask("list/healthy", "GET", "/containers/json?filters={\"health\":[\"healthy\"]}")?;
    asking.must("POST", "/containers/healthy/kill", "")?;
    asking.must("POST", "/containers/healthy/wait", "")?;
    Ok(())
}

fn exited(asking: &mut Asking<'_>) -> anyhow::Result<()> {
    asking.must("POST", "/containers/host/start", "")?;
    asking.ask("wait/host", "POST", "/containers/host/wait")?;
    asking.ask("kill/plain", "POST", "/containers/plain/kill?signal=KILL")?;
    asking.ask("wait/plain", "POST", "/containers/plain/wait?condition=not-running")?;
    asking.ask("stop/options", "POST", "/containers/options/stop?t=30")?;
    asking.ask("stop/again", "POST", "/containers/options/stop")?;
    for name in ["plain", "options", "host", "healthy"] {
        asking.ask(
            &format!("inspect/exited/{name}"),
            "GET",
            &format!("/containers/{name}/json"),
        )?;
    }
    asking.ask("list/exited", "GET", "/containers/json?filters={\"exited\":[\"3\"]}")?;
    asking.ask("list/all", "GET", "/containers/json?all=1&size=1")?;
    asking.ask("stats/exited", "GET", "/containers/plain/stats?stream=0")?;
    asking.ask("logs/plain", "GET", "/containers/plain/logs?stdout=1&stderr=1")?;
    asking.ask("logs/terminal", "GET", "/containers/options/logs?stdout=1")?;
    asking.ask("system/df with containers", "GET", "/system/df")?;
    asking.must("POST", "/containers/plain/restart?t=0", "")?;
    asking.ask("remove/options", "DELETE", "/containers/options")?;
    asking.ask("remove/running", "DELETE", "/containers/plain?force=1")?;
    Ok(())
}

fn images(asking: &mut Asking<'_>) -> anyhow::Result<()> {
    asking.ask("images/inspect", "GET", "/images/busybox/json")?;
    asking.ask("images/history", "GET", "/images/busybox:latest/history")?;
    asking.ask("images/tag", "POST", "/images/busybox/tag?repo=other&tag=1")?;
    asking.ask("images/list", "GET", "/images/json")?;
    asking.ask("images/filtered", "GET", "/images/json?filters={\"reference\":[\"other\"]}")?;
    asking.ask("images/untag", "DELETE", "/images/other:1")?;
    Ok(())
}

/// What was told of each thing, in its order.
fn events(asking: &mut Asking<'_>, since: &str) -> anyhow::Result<()> {
    let path = format!("/events?since={since}&until={}", now()?);
    let told = String::from_utf8(asking.open("GET", &path)?.body()?)?;
    let mut by_thing: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in told.lines() {
        let event: Value = serde_json::from_str(line)?;
        let attribute = |name: &str| event["Actor"]["Attributes"][name].as_str();
        let kind = event["Type"].as_str().context("an event has a type")?;
        let thing = attribute("name").context("and something has a name")?;
        by_thing.entry(format!("events/{kind}/{thing}")).or_default().push(event);
    }
    for (thing, events) in by_thing {
        // A process's end and the stop that brought it about are told in either order, the ends
        // of execs whenever they come; and how often health was looked after is the moment's.
        let mut actions: Vec<&str> = Vec::new();
        for action in events.iter().filter_map(|event| event["Action"].as_str()) {
            let is_told = action.starts_with("exec_") && actions.contains(&action);
            if action != "exec_die" && !is_told {
                actions.push(action);
            }
        }
        actions.sort_by_key(|action| match *action {
            "die" | "stop" => *action,
            _ => "~",
        });
        asking.keep(&format!("{thing}/actions"), json!(actions));
        for event in events {
            let action = event["Action"].as_str().context("an event has an action")?;
            let case = format!("{thing}/{action}");
            asking.keep(&case, event);
        }
    }
    Ok(())
}

/// The time as the API takes it.
fn now() -> anyhow::Result<String> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(format!("{}.{:09}", since.as_secs(), since.subsec_nanos()))
}
