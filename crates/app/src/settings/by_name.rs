//! Settings by their names, as `naru config` has them.
//!
//! A name is a field of the settings file, one of its part for registries, or one of a single
//! registry: `cpus`, `registries.http_proxy`, `registries.hosts.ghcr.io.proxy`. A change is
//! checked as the window's are, and one for registries is told to an engine that runs.

use std::borrow::Cow;
use std::fs;

use naru_ipc::{MachineState, RegistryHostSettings, Settings};
use serde::Serialize;
use serde_json::Value;
use tokio_util::task::TaskTracker;

use super::SettingsFile;
use crate::{AppError, Client, Directories, registries};

/// The settings file's JSON schema.
pub const SCHEMA: &str = include_str!("schema.json");

/// What is before a registry's name.
const HOSTS: &str = "registries.hosts.";

/// The setting of this name, or all of them.
pub fn get(directories: &Directories, name: Option<&str>) -> Result<Value, AppError> {
    let mut all = value_of(&SettingsFile::of(directories).load()?)?;
    match name {
        Some(name) => slot(&mut all, name).map(Value::take),
        None => Ok(all),
    }
}

/// Changes a setting; answers it as it is then.
pub async fn set(directories: &Directories, name: &str, text: &str) -> Result<Value, AppError> {
    set_all(directories, &[(name, text)]).await?;
    get(directories, Some(name))
}

/// Changes all of these settings, or none: some go together, as a certificate and its key.
///
/// Each text is the setting itself where that is a text, else a number, a list with commas
/// between, or JSON.
pub async fn set_all(directories: &Directories, changes: &[(&str, &str)]) -> Result<(), AppError> {
    let before = SettingsFile::of(directories).load()?;
    let mut all = value_of(&before)?;
    for (name, text) in changes {
        if let Some((host, _)) = of_host(name) {
            let hosts = all["registries"]["hosts"].as_object_mut();
            let hosts = hosts.ok_or_else(|| AppError::NoSetting { name: (*name).to_owned() })?;
            if !hosts.contains_key(host) {
                hosts.insert(host.to_owned(), value_of(&RegistryHostSettings::default())?);
            }
        }
        let slot = slot(&mut all, name)?;
        *slot = meant(slot, text);
    }
    let names: Vec<&str> = changes.iter().map(|(name, _)| *name).collect();
    write(directories, &before, all, &names.join(", ")).await
}

/// What a person means by a value: itself, or after `@` what is in that file, as nobody else
/// should see a key among a program's arguments.
pub fn meant_by(value: &str) -> Result<Cow<'_, str>, AppError> {
    let Some(path) = value.strip_prefix('@') else { return Ok(value.into()) };
    let text = fs::read_to_string(path);
    text.map(Cow::from).map_err(|source| AppError::File {
        action: "read",
        path: path.into(),
        source,
    })
}

/// Puts a setting back to what it is where nobody has set it; `registries.hosts.NAME` forgets
/// all that is set for that registry.
pub async fn unset(directories: &Directories, name: &str) -> Result<(), AppError> {
    let before = SettingsFile::of(directories).load()?;
    let mut all = value_of(&before)?;
    if let Some(host) = name.strip_prefix(HOSTS) {
        let hosts = all["registries"]["hosts"].as_object_mut();
        let removed = hosts.and_then(|hosts| hosts.remove(host));
        removed.ok_or_else(|| AppError::NoSetting { name: name.to_owned() })?;
    } else {
        let mut defaults = value_of(&Settings::default())?;
        *slot(&mut all, name)? = slot(&mut defaults, name)?.take();
    }
    write(directories, &before, all, name).await
}

/// Checks and writes them all, of which those of this name are new.
async fn write(
    directories: &Directories,
    before: &Settings,
    all: Value,
    name: &str,
) -> Result<(), AppError> {
    let settings: Settings = serde_json::from_value(all)
        .map_err(|source| AppError::SettingValue { name: name.to_owned(), source })?;
    let file = SettingsFile::of(directories);
    file.check(&settings)?;
    directories.create()?;
    save(directories, &file, before, settings).await
}

/// Writes them. A running engine is told first, as it may refuse them; one that is being started
/// afterwards, as it may have been told what the file said before.
async fn save(
    directories: &Directories,
    file: &SettingsFile,
    before: &Settings,
    settings: Settings,
) -> Result<(), AppError> {
    let registries = settings.registries.clone();
    if registries == before.registries {
        return file.save(settings).map(drop);
    }
    let state = Client::new(directories).status().await?.state;
    let tasks = TaskTracker::new();
    if state == MachineState::Running {
        registries::tell(directories, &tasks, registries.clone()).await?;
    }
    file.save(settings)?;
    if state == MachineState::Starting {
        registries::tell(directories, &tasks, registries).await?;
    }
    Ok(())
}

fn value_of(settings: &impl Serialize) -> Result<Value, AppError> {
    serde_json::to_value(settings)
        .map_err(|source| AppError::Garbled { what: "the settings", source })
}

/// The registry, whose name may have dots in it, and the field.
fn of_host(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix(HOSTS)?.rsplit_once('.')
}

fn slot<'a>(all: &'a mut Value, name: &str) -> Result<&'a mut Value, AppError> {
    let found = match (of_host(name), name.split_once('.')) {
        (Some((host, field)), _) => {
            all["registries"]["hosts"].get_mut(host).and_then(|host| host.get_mut(field))
        }
        (None, None) => all.get_mut(name),
        (None, Some((part, field))) => all.get_mut(part).and_then(|part| part.get_mut(field)),
    };
    found.ok_or_else(|| AppError::NoSetting { name: name.to_owned() })
}

/// What `text` stands for in the place of `now`. What is no JSON stays text, which the check of
/// the types then refuses.
fn meant(now: &Value, text: &str) -> Value {
    let is_list = text.trim_start().starts_with('[');
    match now {
        // A proxy that was set may be a text no more; all other texts are refused for it.
        _ if text == "null" => Value::Null,
        Value::String(_) => Value::from(text),
        Value::Array(_) if !is_list => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            parts.map(Value::from).collect()
        }
        // A list would be taken for its fields, one after the other.
        Value::Object(_) if is_list => Value::from(text),
        _ => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::Environment;

    fn home() -> (tempfile::TempDir, Directories) {
        let home = tempfile::tempdir().unwrap();
        let environment =
            Environment { home: Some(home.path().to_owned()), ..Environment::default() };
        let directories = Directories::find(&environment, None).unwrap();
        (home, directories)
    }

    #[tokio::test]
    async fn a_setting_is_written_as_what_it_is() {
        let (_home, directories) = home();
        for (name, text, expected) in [
            ("cpus", "3", json!(3)),
            ("theme", "dark", json!("dark")),
            // It looks like a number, and is a path.
            ("qemu_path", "7", json!("7")),
            ("registries.insecure", "a:1, b", json!(["a:1", "b"])),
            ("registries.insecure", "", json!([])),
            ("registries.http_proxy", "http://p:1", json!("http://p:1")),
        ] {
            assert_eq!(set(&directories, name, text).await.unwrap(), expected, "{name}");
            assert_eq!(get(&directories, Some(name)).unwrap(), expected, "{name}");
        }
        let hosts = r#"{"docker.io":{"mirrors":["m"]}}"#;
        let kept = set(&directories, "registries.hosts", hosts).await.unwrap();
        assert_eq!(kept["docker.io"]["mirrors"], json!(["m"]));
        assert_eq!(get(&directories, None).unwrap()["cpus"], 3);
    }

    #[tokio::test]
    async fn a_single_registry_is_set_field_by_field_and_forgotten() {
        let (_home, directories) = home();
        // The last part is the field, though it may look like the end of a name.
        for (name, text, expected) in [
            ("registries.hosts.registry.example.ca.ca", "-----BEGIN", json!("-----BEGIN")),
            ("registries.hosts.localhost:5000.insecure", "true", json!(true)),
            ("registries.hosts.localhost:5000.mirrors", "a:1,b", json!(["a:1", "b"])),
            ("registries.hosts.localhost:5000.proxy", "http://p:1", json!("http://p:1")),
            ("registries.hosts.localhost:5000.proxy", "", json!("")),
            ("registries.hosts.localhost:5000.proxy", "null", json!(null)),
        ] {
            assert_eq!(set(&directories, name, text).await.unwrap(), expected, "{name}");
        }
        let file = directories.config.join("key.pem");
        fs::write(&file, "k").unwrap();
        let key = meant_by(&format!("@{}", file.display())).unwrap().into_owned();
        meant_by("@/nosuch").unwrap_err();
        let pair = [
            ("registries.hosts.localhost:5000.client_certificate", "c"),
            ("registries.hosts.localhost:5000.client_key", key.as_str()),
        ];
        set_all(&directories, &pair).await.unwrap();
        let kept = get(&directories, Some("registries.hosts")).unwrap();
        assert_eq!(kept["localhost:5000"]["client_key"], "k");
        assert_eq!(kept["localhost:5000"]["mirrors"], json!(["a:1", "b"]));

        unset(&directories, "registries.hosts.localhost:5000").await.unwrap();
        let kept = get(&directories, Some("registries.hosts")).unwrap();
        assert_eq!(names(&kept).len(), 1);
        unset(&directories, "registries.hosts.localhost:5000").await.unwrap_err();
        set_all(&directories, &[("cpus", "3"), ("theme", "dark")]).await.unwrap();
        unset(&directories, "cpus").await.unwrap();
        assert_eq!(get(&directories, Some("cpus")).unwrap(), Settings::default().cpus);
        assert_eq!(get(&directories, Some("theme")).unwrap(), "dark");
        set_all(&directories, &[("theme", "light"), ("cpus", "0")]).await.unwrap_err();
        assert_eq!(get(&directories, Some("theme")).unwrap(), "dark", "all or none");
    }

    #[tokio::test]
    async fn what_cannot_be_is_refused_by_its_name_and_changes_nothing() {
        let (_home, directories) = home();
        let before = get(&directories, None).unwrap();
        for (name, text) in [
            ("cpu", "3"),
            ("cpus", "many"),
            ("cpus", "0"),
            ("cpus", "-1"),
            ("theme", "pink"),
            ("registries", "[]"),
            ("registries.mirors", "a"),
            ("registries.hosts", r#"{"x":{"insecur":true}}"#),
            ("registries.hosts.x", "true"),
            ("registries.hosts.x.insecur", "true"),
            ("registries.hosts.x.insecure", "maybe"),
            ("registries.hosts.x y.insecure", "true"),
            ("registries.hosts.x.client_key", "k"),
            ("", "3"),
        ] {
            let error = set(&directories, name, text).await.unwrap_err();
            let said = error.to_string();
            let part = name.split('.').next().unwrap();
            assert!(said.contains("setting") && said.contains(part), "{name}: {said}");
        }
        assert_eq!(get(&directories, None).unwrap(), before);
    }

    /// The names in an object.
    fn names(value: &Value) -> BTreeSet<&String> {
        value.as_object().unwrap().keys().collect()
    }

    #[test]
    fn the_schema_has_every_setting_with_its_default() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let settings = value_of(&Settings::default()).unwrap();
        let registries = &settings["registries"];
        let host = serde_json::to_value(naru_ipc::RegistryHostSettings::default()).unwrap();
        let part = &schema["properties"]["registries"];
        let of_host = &part["properties"]["hosts"]["additionalProperties"];
        for (described, have) in [(&schema, &settings), (part, registries), (of_host, &host)] {
            let described = &described["properties"];
            assert_eq!(names(described), names(have));
            for (name, value) in have.as_object().unwrap() {
                let said = &described[name];
                assert!(said["description"].is_string(), "{name}");
                if name != "registries" {
                    assert_eq!(&said["default"], value, "{name}");
                }
            }
        }
    }
}
