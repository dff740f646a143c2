//! How registries are reached: what the engine's arguments and environment, a file, or the
//! host say of it, and how `docker info` shows it.

use std::env::var_os;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use naru_image_store::{ClientIdentity, HostConfig, Proxies, RegistryConfig};
use naru_protocol::registries::{Registries, RegistryHost};
use serde_json::{Value, json};

use crate::args::{EngineArgs, Mode};
use crate::error::{EngineError, Result};

/// Where Docker looks for certificates of registries.
const CERTIFICATES: &str = "/etc/docker/certs.d";
const HUB: &str = "docker.io";
/// Registries there are insecure, whatever the settings say.
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];

/// What arguments and environment say.
pub(crate) fn of_arguments(args: &EngineArgs) -> Result<RegistryConfig> {
    let read = |path: &PathBuf| fs::read(path).map_err(EngineError::io("reading", path.clone()));
    let native = args.mode() == Mode::Native;
    Ok(RegistryConfig {
        insecure: args.insecure_registries.clone(),
        extra_ca_pem: args.registry_cas.iter().map(read).collect::<Result<_>>()?,
        localhost: args.mode().registry_localhost(),
        // The machine has no certificates but those that the host tells.
        certificates: native.then(|| PathBuf::from(CERTIFICATES)),
        proxies: Proxies {
            http: url(&variable("HTTP_PROXY")),
            https: url(&variable("HTTPS_PROXY")),
            no_proxy: variable("NO_PROXY"),
        },
        ..RegistryConfig::default()
    })
}

/// `base` with what `file` says.
pub(crate) fn with_file(base: &RegistryConfig, file: &Path) -> Result<RegistryConfig> {
    let text = fs::read(file).map_err(EngineError::io("reading", file))?;
    let invalid = |error| EngineError::Invalid(format!("{}: {error}", file.display()));
    Ok(with_settings(base, serde_json::from_slice(&text).map_err(invalid)?))
}

/// `base` with `settings` on top.
pub(crate) fn with_settings(base: &RegistryConfig, settings: Registries) -> RegistryConfig {
    let mut config = base.clone();
    config.hosts.extend(settings.hosts.into_iter().map(|(name, host)| (name, own(host))));
    config.insecure.extend(settings.insecure);
    config.extra_ca_pem.extend(settings.ca.into_iter().map(String::into_bytes));
    let proxies = &mut config.proxies;
    for (value, told) in [
        (&mut proxies.http, url(&settings.http_proxy)),
        (&mut proxies.https, url(&settings.https_proxy)),
        (&mut proxies.no_proxy, settings.no_proxy),
        (&mut config.index, settings.index),
    ] {
        if !told.is_empty() {
            *value = told;
        }
    }
    config
}

/// Where the host's word is kept, unless an argument names another file.
pub(crate) fn kept_file(root: &Path) -> PathBuf {
    root.join("registries.json")
}

/// Keeps the host's word for engines to come. It may have a key in it.
pub(crate) fn keep(root: &Path, settings: &Registries) -> Result<()> {
    let failed =
        |path: &Path| EngineError::io("keeping the settings for registries in", path.to_owned());
    let text = serde_json::to_vec(settings).map_err(EngineError::encoding("the settings"))?;
    let (file, new) = (kept_file(root), root.join("registries.json.new"));
    let mut options = fs::OpenOptions::new();
    let mut opened = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .map_err(failed(&new))?;
    opened.write_all(&text).and_then(|()| opened.sync_all()).map_err(failed(&new))?;
    fs::rename(&new, &file).map_err(failed(&file))
}

fn own(host: RegistryHost) -> HostConfig {
    let pem = |text: String| (!text.is_empty()).then(|| text.into_bytes());
    // One without the other is an error, which using them tells.
    let (certificate, key) = (pem(host.client_certificate), pem(host.client_key));
    let identity = (certificate.is_some() || key.is_some()).then(|| ClientIdentity {
        certificate_pem: certificate.unwrap_or_default(),
        key_pem: key.unwrap_or_default(),
    });
    HostConfig {
        insecure: host.insecure,
        ca_pem: pem(host.ca),
        identity,
        mirrors: host.mirrors,
        proxy: host.proxy.map(|proxy| url(&proxy)),
    }
}

/// Upper case first, as Docker; some systems set only the lower.
fn variable(name: &str) -> String {
    let value = var_os(name).or_else(|| var_os(name.to_ascii_lowercase()));
    value.unwrap_or_default().to_string_lossy().into_owned()
}

/// A proxy may be named without its scheme.
fn url(proxy: &str) -> String {
    match proxy {
        "" => String::new(),
        proxy if proxy.contains("://") => proxy.to_owned(),
        proxy => format!("http://{proxy}"),
    }
}

/// `docker info`'s `RegistryConfig`.
pub(crate) fn shown(config: &RegistryConfig) -> Value {
    let is_network = |marked: &&String| marked.contains('/');
    let networks: Vec<&str> = LOOPBACK
        .into_iter()
        .chain(config.insecure.iter().filter(is_network).map(String::as_str))
        .collect();
    let mirrors = |name: &str| -> Vec<String> {
        let host = config.hosts.get(name);
        let mirrors = host.map(|host| host.mirrors.as_slice()).unwrap_or_default();
        mirrors.iter().map(|mirror| format!("{}/", mirror.trim_end_matches('/'))).collect()
    };
    let mut indexes = json!({});
    let marked = config.insecure.iter().filter(|marked| !is_network(marked));
    for name in [HUB].into_iter().chain(marked.chain(config.hosts.keys()).map(String::as_str)) {
        indexes[name] = json!({
            "Name": name, "Mirrors": mirrors(name), "Secure": !config.is_insecure(name),
            "Official": name == HUB,
        });
    }
    let of_hub = mirrors(HUB);
    json!({
        "InsecureRegistryCIDRs": networks,
        "IndexConfigs": indexes,
        "Mirrors": if of_hub.is_empty() { Value::Null } else { json!(of_hub) },
    })
}

/// A URL as everybody may see it, in Docker's way: without who asks, and their password.
pub(crate) fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://xxxxx:xxxxx@{host}{path}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_on_top_of_arguments_and_are_shown_without_passwords() {
        let base = RegistryConfig { insecure: vec!["a:5000".to_owned()], ..Default::default() };
        let text = r#"{
            "hosts": { "docker.io": { "mirrors": ["https://m"] }, "b": { "insecure": true } },
            "insecure": ["10.0.0.0/8"], "https_proxy": "u:secret@p:3128"
        }"#;
        let config = with_settings(&base, serde_json::from_str(text).unwrap());
        let shown = shown(&config);
        assert_eq!(shown["Mirrors"], json!(["https://m/"]));
        assert_eq!(shown["InsecureRegistryCIDRs"][2], "10.0.0.0/8");
        assert_eq!(shown["IndexConfigs"]["docker.io"]["Secure"], true);
        assert_eq!(shown["IndexConfigs"]["a:5000"]["Secure"], false);
        assert_eq!(shown["IndexConfigs"]["b"]["Secure"], false);
        assert_eq!(without_password(&config.proxies.https), "http://xxxxx:xxxxx@p:3128");
        for (url, seen) in [
            ("http://p", "http://p"),
            ("https://u:p@h/r.git#v@1:d", "https://xxxxx:xxxxx@h/r.git#v@1:d"),
            ("https://h/r.git#v@1", "https://h/r.git#v@1"),
            ("https://token@h?a@b", "https://xxxxx:xxxxx@h?a@b"),
        ] {
            assert_eq!(without_password(url), seen);
        }
    }
}
