//! `state`, `list`, `ps`.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use serde_json::{Value, json};

use crate::arguments::ListFormat;
use crate::error::{OciError, Result};
use crate::store::{Container, Status, Store};

/// Says how a container is.
pub(crate) fn state(store: &Store, id: &str) -> Result<()> {
    let view = view(&store.find(id)?)?;
    say(&format!("{view:#}\n"))
}

/// Says which containers there are.
pub(crate) fn list(store: &Store, format: ListFormat, quiet: bool) -> Result<()> {
    let containers = store.all()?;
    let mut text = String::new();
    if quiet {
        for container in &containers {
            text.push_str(&container.record.id);
            text.push('\n');
        }
        return say(&text);
    }
    let views = containers.iter().map(view).collect::<Result<Vec<Value>>>()?;
    if format == ListFormat::Json {
        return say(&format!("{}\n", Value::Array(views)));
    }
    text.push_str("ID\tPID\tSTATUS\tBUNDLE\tCREATED\n");
    for view in &views {
        let word = |key: &str| view[key].as_str().unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{}\t{}\t{}\t{}\t{}",
            word("id"),
            view["pid"],
            word("status"),
            word("bundle"),
            word("created")
        );
    }
    say(&text)
}

/// Says which processes a container has.
pub(crate) fn ps(store: &Store, id: &str, format: ListFormat) -> Result<()> {
    let processes = store.find(id)?.cgroup()?.processes()?;
    match format {
        ListFormat::Json => say(&format!("{}\n", json!(processes))),
        ListFormat::Table => {
            let lines: Vec<String> = processes.iter().map(i32::to_string).collect();
            say(&format!("PID\n{}\n", lines.join("\n")))
        }
    }
}

/// The specification's state, with what `runc` adds.
fn view(container: &Container) -> Result<Value> {
    let status = container.status()?;
    let spec = container.spec()?;
    let record = &container.record;
    let has_process = !matches!(status, Status::Creating | Status::Stopped);
    let process = record.process.filter(|_| has_process);
    let rootfs = spec.root().as_ref().map(|root| record.bundle.join(root.path()));
    Ok(json!({
        "ociVersion": spec.version(),
        "id": record.id,
        "status": status.as_str(),
        "pid": process.map_or(0, |process| process.pid),
        "bundle": record.bundle,
        "rootfs": rootfs.unwrap_or_default(),
        "created": record.created,
        "annotations": spec.annotations().clone().unwrap_or_default(),
        "owner": "",
    }))
}

pub(super) fn say(text: &str) -> Result<()> {
    io::stdout().write_all(text.as_bytes()).map_err(OciError::io("writing to", "standard output"))
}
