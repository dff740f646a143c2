//! What somebody who helps needs to see: `machine.diagnostics`, `naru diagnostics`.
//!
//! An archive of texts: versions, settings, the machine's status, what the engine says of
//! itself, and the ends of both logs. What looks like a secret is taken out of each. Of
//! containers there are numbers only: their names, commands and variables are nobody's business.
//! It can be written whatever is broken; what cannot be read has the reason in its place.

mod secrets;

use std::env::consts::{ARCH, OS};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::thread::available_parallelism;
use std::time::{SystemTime, UNIX_EPOCH};

use naru_ipc::MachineState;
use serde::Serialize;
use serde_json::{Value, json};
use tar::{Builder, Header};
use tokio::task::spawn_blocking;

use crate::app::docker_at;
use crate::settings::by_name;
use crate::{AppError, Client, Directories, VERSION, private_file};

/// The archive's folder, so that it unpacks into one.
const FOLDER: &str = "naru-diagnostics";
/// As much of a log's end as one reads.
const LOG_END: u64 = 1 << 20;

/// Writes the archive to `path`, in the place of what is there.
pub async fn write(directories: &Directories, path: &Path) -> Result<(), AppError> {
    let mut parts = vec![
        ("about.json", shown(&about())),
        ("settings.json", told(by_name::get(directories, None))),
    ];
    let status = Client::new(directories).status().await;
    if status.as_ref().is_ok_and(|status| status.state == MachineState::Running) {
        parts.push(("engine.json", told(engine(directories).await)));
    }
    parts.push(("machine.json", told(status)));
    let (path, logs) = (path.to_owned(), [directories.console_log(), directories.log()]);
    let written = spawn_blocking(move || {
        for (name, log) in ["console.log", "naru.log"].into_iter().zip(logs) {
            let end = end_of(&log).map(|end| secrets::without_in(&end));
            parts.push((name, end.unwrap_or_else(|error| format!("{error}\n"))));
        }
        let archive = archive(&parts).map_err(|source| AppError::System {
            action: "put the diagnostics together",
            source,
        })?;
        private_file::write_atomically(&path, &archive)
    });
    written.await.unwrap_or_else(|error| {
        Err(AppError::System { action: "put the diagnostics together", source: error.into() })
    })
}

fn about() -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    json!({
        "naru": VERSION,
        "system": OS,
        "architecture": ARCH,
        "processors": available_parallelism().map_or(0, usize::from),
        "unix_time": now.as_secs(),
    })
}

/// What the engine says of itself and of its host.
async fn engine(directories: &Directories) -> Result<Value, AppError> {
    let docker = docker_at(directories)?;
    let (info, version) = tokio::try_join!(docker.info(), docker.version())?;
    Ok(json!({ "info": info, "version": version }))
}

/// As JSON, or why it is not there.
fn told(asked: Result<impl Serialize, AppError>) -> String {
    match asked {
        Ok(answer) => shown(&answer),
        Err(error) => shown(&json!({ "error": naru_error::chain(&error) })),
    }
}

/// As JSON. Its secrets are taken out before it is text, so that it stays JSON.
fn shown(thing: &impl Serialize) -> String {
    let without = serde_json::to_value(thing).map(secrets::without);
    let text = without.and_then(|value| serde_json::to_string_pretty(&value));
    text.unwrap_or_else(|error| error.to_string())
}

/// The last lines of a file, whole ones: what is left of a secret without its name looks like none.
fn end_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let left_out = file.metadata()?.len().saturating_sub(LOG_END);
    file.seek(SeekFrom::Start(left_out))?;
    let mut bytes = Vec::new();
    file.take(LOG_END).read_to_end(&mut bytes)?;
    if left_out > 0 {
        let first = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
        bytes.drain(..first);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn archive(parts: &[(&str, String)]) -> io::Result<Vec<u8>> {
    let mut builder = Builder::new(Vec::new());
    for (name, text) in parts {
        let mut header = Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        builder.append_data(&mut header, format!("{FOLDER}/{name}"), text.as_bytes())?;
    }
    builder.into_inner()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use tar::Archive;

    use super::*;
    use crate::Environment;

    #[test]
    fn a_long_logs_end_begins_with_a_whole_line() {
        let home = tempfile::tempdir().unwrap();
        let log = home.path().join("console.log");
        let filler = "x".repeat(usize::try_from(LOG_END).unwrap() - "WORD=hush\nlast\n".len());
        // What is left of the first line would name no secret any more.
        fs::write(&log, format!("PASSWORD=hush\n{filler}\nlast\n")).unwrap();
        let end = end_of(&log).unwrap();
        assert!(end.ends_with("\nlast\n") && !end.contains("hush"), "{}", &end[..20]);
        fs::write(&log, "first\nlast").unwrap();
        assert_eq!(end_of(&log).unwrap(), "first\nlast");
    }

    #[tokio::test]
    async fn a_machine_that_is_off_is_told_of_without_its_secrets() {
        let home = tempfile::tempdir().unwrap();
        let environment =
            Environment { home: Some(home.path().to_owned()), ..Environment::default() };
        let directories = Directories::find(&environment, None).unwrap();
        let hosts = r#"{"a:1":{"client_certificate":"c","client_key":"hush"}}"#;
        by_name::set(&directories, "registries.hosts", hosts).await.unwrap();
        by_name::set(&directories, "registries.http_proxy", "http://me:hush@proxy:1")
            .await
            .unwrap();
        fs::write(directories.console_log(), "init: up\nengine: TOKEN=hush\n").unwrap();
        let path = home.path().join("naru.tar");
        write(&directories, &path).await.unwrap();

        let mut archive = Archive::new(File::open(&path).unwrap());
        let mut texts = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            assert!(!text.contains("hush"), "{name}: {text}");
            texts.insert(name, text);
        }
        let names: Vec<_> = texts.keys().map(|name| name.rsplit_once('/').unwrap().1).collect();
        let expected = ["about.json", "console.log", "machine.json", "naru.log", "settings.json"];
        assert_eq!(names, expected);
        let text = |name: &str| texts[&format!("{FOLDER}/{name}")].as_str();
        assert!(text("settings.json").contains("@proxy:1"), "{}", text("settings.json"));
        assert!(text("machine.json").contains("stopped"));
        assert!(text("console.log").starts_with("init: up\n"));
        // There is none, and the system says why.
        assert!(!text("naru.log").is_empty());
    }
}
