//! Log drivers, and the options that are honoured of each.
//!
//! There is one format of files. `local` is the same with the rotation that Docker's driver of
//! this name has by default: its own format is nobody's interface.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use bollard_stubs::models::HostConfig;
use naru_shim::wire::LogConfig;

use crate::container::Record;
use crate::error::{EngineError, Result};
use crate::sizes::size_bytes;

/// Docker's defaults of the driver `local`.
const LOCAL_MAX_SIZE: u64 = 20_000_000;
const LOCAL_MAX_FILE: u32 = 5;

/// What Docker has and this engine has not.
const OTHER_DRIVERS: [&str; 7] =
    ["awslogs", "fluentd", "gcplogs", "gelf", "journald", "splunk", "syslog"];

/// Where a container's output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogDriver {
    JsonFile,
    Local,
    /// Nowhere.
    None,
}

impl LogDriver {
    pub(crate) fn of(host_config: &HostConfig) -> Result<Self> {
        let log = host_config.log_config.as_ref();
        match log.and_then(|log| log.typ.as_deref()).unwrap_or_default() {
            "" | "json-file" => Ok(Self::JsonFile),
            "local" => Ok(Self::Local),
            "none" => Ok(Self::None),
            other if OTHER_DRIVERS.contains(&other) => Err(EngineError::Unsupported(format!(
                "not supported by this engine yet: --log-driver {other} (json-file, local and \
                 none are)"
            ))),
            other => Err(EngineError::Invalid(format!(
                "error looking up logging plugin {other}: plugin \"{other}\" not found"
            ))),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::JsonFile => "json-file",
            Self::Local => "local",
            Self::None => "none",
        }
    }

    /// The options it has in Docker; those that are not honoured here are refused by value.
    fn knows(self, option: &str) -> bool {
        match option {
            "max-size" | "max-file" | "compress" => true,
            "labels" | "env" | "tag" | "labels-regex" | "env-regex" => self == Self::JsonFile,
            _ => false,
        }
    }
}

/// Checks driver and options before a container is made.
pub(crate) fn validate(host_config: &HostConfig) -> Result<()> {
    let driver = LogDriver::of(host_config)?;
    // As Docker, which does not look at them.
    if driver == LogDriver::None {
        return Ok(());
    }
    let options = options(host_config);
    for (name, value) in &options {
        let (name, value) = (name.as_str(), value.as_str());
        match (name, value) {
            ("mode", "blocking" | "") | ("compress", "false") => {}
            ("mode", "non-blocking") | ("compress", "true") => {
                return Err(unsupported(&format!("{name}={value}")));
            }
            ("mode", _) => {
                let message = format!("logger: logging mode not supported: {value}");
                return Err(EngineError::Invalid(message));
            }
            ("max-buffer-size", _) => {
                return Err(EngineError::Invalid(
                    "logger: max-buffer-size option is only supported with 'mode=non-blocking'"
                        .to_owned(),
                ));
            }
            ("labels-regex" | "env-regex", _) if driver.knows(name) => {
                return Err(unsupported(name));
            }
            _ if driver.knows(name) => {}
            _ => {
                return Err(EngineError::Invalid(format!(
                    "unknown log opt '{name}' for {} log driver",
                    driver.name()
                )));
            }
        }
    }
    max_size(&options)?;
    max_file(&options)?;
    if options.get("tag").is_some_and(|tag| fill_tag(tag, |_| Some(String::new())).is_none()) {
        return Err(unsupported("tag with templates other than {{.ID}}, {{.Name}} and their kin"));
    }
    Ok(())
}

fn unsupported(what: &str) -> EngineError {
    EngineError::Unsupported(format!("not supported by this engine yet: log option {what}"))
}

fn options(host_config: &HostConfig) -> HashMap<String, String> {
    host_config.log_config.as_ref().and_then(|log| log.config.clone()).unwrap_or_default()
}

/// What the shim is to write to `path`; nothing for the driver `none`.
pub(crate) fn log_config(record: &Record, path: PathBuf) -> Result<Option<LogConfig>> {
    let options = options(&record.host_config);
    let (mut max_size, mut max_file) = (max_size(&options)?, max_file(&options)?);
    match LogDriver::of(&record.host_config)? {
        LogDriver::None => return Ok(None),
        LogDriver::JsonFile => {}
        LogDriver::Local => {
            max_size = max_size.or(Some(LOCAL_MAX_SIZE));
            max_file = max_file.or(Some(LOCAL_MAX_FILE));
        }
    }
    let attributes = attributes(record, &options);
    Ok(Some(LogConfig { path, max_size, max_file, attributes }))
}

fn max_size(options: &HashMap<String, String>) -> Result<Option<u64>> {
    match options.get("max-size").map(String::as_str) {
        None | Some("-1") => Ok(None),
        Some(text) => match size_bytes(text) {
            Some(bytes @ 1..) => Ok(Some(bytes)),
            _ => {
                Err(EngineError::Invalid(format!("invalid value for log option max-size: {text}")))
            }
        },
    }
}

fn max_file(options: &HashMap<String, String>) -> Result<Option<u32>> {
    let Some(text) = options.get("max-file") else { return Ok(None) };
    match text.parse() {
        Ok(0) => Err(EngineError::Invalid("max-file cannot be less than 1".to_owned())),
        Ok(files) => Ok(Some(files)),
        Err(_) => {
            Err(EngineError::Invalid(format!("invalid value for log option max-file: {text}")))
        }
    }
}

/// What `docker logs --details` shows: the labels and variables that the options name, and the
/// tag.
fn attributes(record: &Record, options: &HashMap<String, String>) -> BTreeMap<String, String> {
    let names = |option: &str| -> Vec<&str> {
        options.get(option).map(|names| names.split(',').collect()).unwrap_or_default()
    };
    let mut attributes = BTreeMap::new();
    for (label, value) in record.config.labels.iter().flatten() {
        if names("labels").contains(&label.as_str()) {
            attributes.insert(label.clone(), value.clone());
        }
    }
    for variable in record.config.env.iter().flatten() {
        let Some((name, value)) = variable.split_once('=') else { continue };
        if names("env").contains(&name) {
            attributes.insert(name.to_owned(), value.to_owned());
        }
    }
    let short = |id: &str| id.get(..12).unwrap_or(id).to_owned();
    let image_id = record.image_id.strip_prefix("sha256:").unwrap_or(&record.image_id);
    let tag = options.get("tag").filter(|tag| !tag.is_empty());
    let tag = tag.and_then(|tag| {
        fill_tag(tag, |field| match field {
            "ID" => Some(short(&record.id)),
            "FullID" => Some(record.id.clone()),
            "Name" => Some(record.name.clone()),
            "ImageID" => Some(short(image_id)),
            "ImageFullID" => Some(record.image_id.clone()),
            "ImageName" => Some(record.image.clone()),
            _ => None,
        })
    });
    attributes.extend(tag.map(|tag| ("tag".to_owned(), tag)));
    attributes
}

/// Puts values into `{{.Field}}`; none for any other template.
fn fill_tag(tag: &str, value: impl Fn(&str) -> Option<String>) -> Option<String> {
    const FIELDS: [&str; 6] = ["ID", "FullID", "Name", "ImageID", "ImageFullID", "ImageName"];
    let mut filled = String::new();
    let mut rest = tag;
    while let Some((before, template)) = rest.split_once("{{") {
        let (template, after) = template.split_once("}}")?;
        let field = template.trim().strip_prefix('.').filter(|field| FIELDS.contains(field))?;
        filled.push_str(before);
        filled.push_str(&value(field)?);
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}

#[cfg(test)]
mod tests {
    use bollard_stubs::models::HostConfigLogConfig;

    use super::*;
    use crate::container::record::tests_support::record;

    fn host_config(driver: &str, options: &[(&str, &str)]) -> HostConfig {
        let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let log = HostConfigLogConfig { typ: Some(driver.to_owned()), config: Some(options) };
        HostConfig { log_config: Some(log), ..HostConfig::default() }
    }

    #[test]
    fn what_is_not_honoured_is_refused_by_name() {
        for (driver, options, message) in [
            ("syslog", &[][..], "--log-driver syslog"),
            ("nosuch", &[], "error looking up logging plugin nosuch: plugin \"nosuch\" not found"),
            (
                "json-file",
                &[("colour", "red")],
                "unknown log opt 'colour' for json-file log driver",
            ),
            ("local", &[("labels", "a")], "unknown log opt 'labels' for local log driver"),
            ("json-file", &[("compress", "true")], "log option compress=true"),
            ("json-file", &[("mode", "non-blocking")], "log option mode=non-blocking"),
            ("json-file", &[("mode", "x")], "logger: logging mode not supported: x"),
            ("json-file", &[("labels-regex", ".")], "log option labels-regex"),
            ("json-file", &[("tag", "{{.Nosuch}}")], "log option tag"),
            ("json-file", &[("max-size", "much")], "max-size: much"),
            ("json-file", &[("max-size", "0")], "max-size: 0"),
            ("local", &[("max-file", "0")], "max-file cannot be less than 1"),
        ] {
            let error = validate(&host_config(driver, options)).unwrap_err();
            assert!(error.to_string().contains(message), "{driver} {options:?}: {error}");
        }
        let options = [("max-size", "10m"), ("max-file", "3"), ("tag", "{{.Name}}/{{ .ID }}")];
        validate(&host_config("json-file", &options)).unwrap();
        validate(&host_config("none", &[("anything", "goes")])).unwrap();
    }

    #[test]
    fn local_has_a_rotation_of_its_own_and_none_writes_nothing() {
        let of = |driver: &str, options| {
            let record = Record { host_config: host_config(driver, options), ..record() };
            log_config(&record, "log".into()).unwrap()
        };
        let local = of("local", &[]).unwrap();
        assert_eq!((local.max_size, local.max_file), (Some(20_000_000), Some(5)));
        let json = of("json-file", &[("max-size", "-1")]).unwrap();
        assert_eq!((json.max_size, json.max_file), (None, None));
        assert_eq!(of("none", &[]), None);
    }

    #[test]
    fn labels_variables_and_the_tag_become_attributes() {
        let options = [("labels", "a,c"), ("env", "B"), ("tag", "of {{.Name}}")];
        let mut record = Record { host_config: host_config("json-file", &options), ..record() };
        record.config.env = Some(vec!["B=2".to_owned(), "D=4".to_owned()]);
        record.config.labels =
            Some([("a", "1"), ("b", "x")].map(|(k, v)| (k.into(), v.into())).into());
        let config = log_config(&record, "log".into()).unwrap().unwrap();
        let expected = [("B", "2"), ("a", "1"), ("tag", "of test")];
        assert!(config.attributes.iter().map(|(k, v)| (k.as_str(), v.as_str())).eq(expected));
    }
}
