//! Wrong requests: the status, and the very words.

use anyhow::Context as _;
use serde_json::json;

use super::side::Asking;

/// What is asked of a container that is not there: method, path behind its name, body.
const OF_NONE: [(&str, &str, &str); 17] = [
    ("GET", "json", ""),
    ("POST", "start", ""),
    ("POST", "stop", ""),
    ("POST", "restart", ""),
    ("POST", "kill", ""),
    ("POST", "pause", ""),
    ("POST", "unpause", ""),
    ("POST", "wait", ""),
    ("POST", "rename?name=x", ""),
    ("POST", "update", "{}"),
    ("POST", "exec", r#"{"Cmd":["true"]}"#),
    ("POST", "resize?h=1&w=1", ""),
    ("GET", "top", ""),
    ("GET", "logs?stdout=1", ""),
    ("GET", "stats?stream=0", ""),
    ("GET", "changes", ""),
    ("GET", "archive?path=/", ""),
];

/// What is asked of the container `runs`, which runs, and `made`, which does not.
const OF_ONE: [(&str, &str, &str); 28] = [
    ("DELETE", "containers/runs", ""),
    ("POST", "containers/runs/unpause", ""),
    ("POST", "containers/made/pause", ""),
    ("POST", "containers/made/unpause", ""),
    ("POST", "containers/made/kill", ""),
    ("POST", "containers/made/exec", r#"{"Cmd":["true"]}"#),
    ("POST", "containers/made/resize?h=1&w=1", ""),
    ("GET", "containers/made/top", ""),
    ("GET", "containers/runs/top?ps_args=-o%20args", ""),
    ("POST", "containers/runs/kill?signal=NOSUCH", ""),
    ("POST", "containers/runs/kill?signal=99", ""),
    ("POST", "containers/runs/stop?t=soon", ""),
    ("POST", "containers/runs/restart?t=soon", ""),
    ("POST", "containers/made/wait?condition=soon", ""),
    ("POST", "containers/runs/resize?h=tall&w=1", ""),
    ("POST", "containers/runs/rename?name=", ""),
    ("POST", "containers/runs/rename?name=runs", ""),
    ("POST", "containers/runs/rename?name=made", ""),
    ("POST", "containers/runs/rename?name=!", ""),
    ("POST", "containers/runs/exec", "{}"),
    ("POST", "containers/runs/exec", "{"),
    ("POST", "containers/runs/update", r#"{"RestartPolicy":{"Name":"sometimes"}}"#),
    ("GET", "containers/runs/logs", ""),
    ("GET", "containers/runs/logs?stdout=1&since=soon", ""),
    ("GET", "containers/runs/archive", ""),
    ("GET", "containers/runs/archive?path=/nosuch", ""),
    ("PUT", "containers/runs/archive?path=/nosuch", "x"),
    ("PUT", "containers/runs/archive?path=/etc/passwd", "x"),
];

const OF_NOTHING: [(&str, &str, &str); 24] = [
    ("GET", "containers/json?limit=many", ""),
    ("GET", "containers/json?filters={", ""),
    ("GET", r#"containers/json?filters={"colour":["red"]}"#, ""),
    ("GET", r#"containers/json?filters={"status":["odd"]}"#, ""),
    ("GET", r#"containers/json?filters={"health":["odd"]}"#, ""),
    ("GET", r#"containers/json?filters={"exited":["odd"]}"#, ""),
    ("GET", r#"containers/json?filters={"before":["nosuch"]}"#, ""),
    ("GET", r#"containers/json?filters={"is-task":["odd"]}"#, ""),
    ("GET", "events?since=soon", ""),
    ("GET", "events?until=soon", ""),
    ("GET", "events?since=20&until=10", ""),
    ("GET", "exec/nosuch/json", ""),
    ("POST", "exec/nosuch/start", r#"{"Detach":true}"#),
    ("POST", "exec/nosuch/resize?h=1&w=1", ""),
    ("GET", "images/nosuch/json", ""),
    ("GET", "images/nosuch/history", ""),
    ("GET", r#"images/json?filters={"colour":["red"]}"#, ""),
    ("POST", "images/nosuch/tag?repo=x", ""),
    ("POST", "images/busybox/tag?repo=X", ""),
    ("DELETE", "images/nosuch", ""),
    ("POST", r#"containers/prune?filters={"colour":["red"]}"#, ""),
    ("GET", "swarm", ""),
    ("GET", "nosuch", ""),
    ("PUT", "containers/json", ""),
];

/// Bodies of which no container is made.
const BODIES: [&str; 9] = [
    "",
    "{",
    "[]",
    "7",
    "null",
    "{}",
    r#"{"Image":7}"#,
    r#"{"Image":"nosuch"}"#,
    r#"{"Image":"X"}"#,
];

/// The same with an image: fields of the configuration.
const CONFIGS: [&str; 10] = [
    r#""Cmd":[],"Entrypoint":[""]"#,
    r#""Cmd":"sh","Env":7"#,
    r#""StopSignal":"NOSUCH""#,
    r#""WorkingDir":"relative""#,
    r#""ExposedPorts":{"http/tcp":{}}"#,
    r#""Healthcheck":{"Test":["CMD","true"],"Interval":1}"#,
    r#""Healthcheck":{"Test":["CMD","true"],"Retries":-1}"#,
    r#""Healthcheck":{"Test":["ODD","true"]}"#,
    r#""Env":["=x"]"#,
    r#""Volumes":{"/":{}}"#,
];

/// The same: fields of `HostConfig`.
const HOST_CONFIGS: [&str; 30] = [
    r#""AutoRemove":true,"RestartPolicy":{"Name":"always"}"#,
    r#""RestartPolicy":{"Name":"sometimes"}"#,
    r#""RestartPolicy":{"Name":"always","MaximumRetryCount":2}"#,
    r#""RestartPolicy":{"Name":"on-failure","MaximumRetryCount":-1}"#,
    r#""PortBindings":{"80/tcp":[{"HostPort":"http"}]}"#,
    r#""PortBindings":{"http/tcp":[{"HostPort":"80"}]}"#,
    r#""Binds":["/tmp:relative"]"#,
    r#""Binds":["/tmp:/x:odd"]"#,
    r#""Binds":["/tmp:/"]"#,
    r#""Binds":["/tmp:/x","/tmp:/x"]"#,
    r#""Mounts":[{"Type":"odd","Target":"/x"}]"#,
    r#""Mounts":[{"Type":"bind","Source":"/nosuch","Target":"/x"}]"#,
    r#""Mounts":[{"Type":"bind","Source":"/tmp"}]"#,
    r#""Mounts":[{"Type":"tmpfs","Source":"/tmp","Target":"/x"}]"#,
    r#""LogConfig":{"Type":"json-file","Config":{"colour":"red"}}"#,
    r#""ShmSize":-1"#,
    r#""NetworkMode":"container:nosuch""#,
    r#""PidMode":"odd""#,
    r#""IpcMode":"odd""#,
    r#""UTSMode":"odd""#,
    r#""CapAdd":["ODD"]"#,
    r#""Runtime":"odd""#,
    r#""Sysctls":{"net.ipv4.ip_forward":"1"},"NetworkMode":"host""#,
    r#""Sysctls":{"kernel.panic":"1"}"#,
    r#""ExtraHosts":["odd"]"#,
    r#""Dns":["odd"]"#,
    r#""OomScoreAdj":2000"#,
    r#""SecurityOpt":["odd"]"#,
    r#""UsernsMode":"odd""#,
    r#""Devices":[{"PathOnHost":"/dev/nosuch","PathInContainer":"/dev/x","CgroupPermissions":"q"}]"#,
];

/// Asks what makes no sense.
pub(super) fn wrong_requests(asking: &mut Asking<'_>) -> anyhow::Result<()> {
    asking.remove_all()?;
    asking.create("made", &json!({ "Image": "busybox" }))?;
    // While there is only one: which one of several users is named is left to chance.
    asking.ask("error/DELETE images/busybox", "DELETE", "/images/busybox")?;
    asking.create("runs", &json!({ "Image": "busybox", "Cmd": ["sleep", "1000"] }))?;
    asking.must("POST", "/containers/runs/start", "")?;
    for (method, path, body) in OF_NONE {
        let case = format!("error/{method} containers/nosuch/{path}");
        asking.send(&case, method, &format!("/containers/nosuch/{path}"), body)?;
    }
    asking.ask("error/DELETE containers/nosuch", "DELETE", "/containers/nosuch")?;
    for (method, path, body) in OF_ONE.into_iter().chain(OF_NOTHING) {
        asking.send(&format!("error/{method} {path} {body}"), method, &format!("/{path}"), body)?;
    }
    let create = "/containers/create";
    for body in BODIES {
        asking.send(&format!("error/create {body}"), "POST", create, body)?;
    }
    let name = format!("{create}?name=runs");
    asking.send("error/create a name again", "POST", &name, r#"{"Image":"busybox"}"#)?;
    let name = format!("{create}?name=!");
    asking.send("error/create a bad name", "POST", &name, r#"{"Image":"busybox"}"#)?;
    for fields in CONFIGS {
        let body = format!(r#"{{"Image":"busybox",{fields}}}"#);
        asking.send(&format!("error/create {fields}"), "POST", create, &body)?;
    }
    for (number, fields) in HOST_CONFIGS.iter().enumerate() {
        let body = format!(r#"{{"Image":"busybox","HostConfig":{{{fields}}}}}"#);
        refused(asking, number, fields, &body)?;
    }
    Ok(())
}

/// What is refused only when it starts is looked at then.
fn refused(asking: &mut Asking<'_>, number: usize, fields: &str, body: &str) -> anyhow::Result<()> {
    let name = format!("bad{number}");
    let path = format!("/containers/create?name={name}");
    let made = asking.send(&format!("error/create {fields}"), "POST", &path, body)?;
    if made.get("Id").is_some() {
        let id = made["Id"].as_str().context("an id")?.to_owned();
        asking.named(&id, &name);
        asking.ask(
            &format!("error/start {fields}"),
            "POST",
            &format!("/containers/{name}/start"),
        )?;
    }
    Ok(())
}
