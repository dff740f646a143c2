//! Who the person is to registries, where `docker login` keeps it: in docker's `config.json`,
//! or in the program that this file names, so that the window and `docker` know the same.
//!
//! Where nobody has logged in yet, that becomes the program of the system's own key store, if it
//! is installed, as with `docker login`.

mod accounts;

pub(crate) use accounts::{accounts, forget};

use std::env::consts::EXE_SUFFIX;
use std::env::split_paths;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use bollard::auth::DockerCredentials;
use serde_json::{Map, Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::config::Environment;
use crate::{AppError, private_file};

/// What docker calls Docker Hub in its files.
const HUB: &str = "https://index.docker.io/v1/";
/// The user's name that stands for a token in the place of a password.
const TOKEN: &str = "<token>";
/// How long the program that keeps secrets may take; it may ask the person.
const HELPER_DEADLINE: Duration = Duration::from_mins(1);

/// A user's name and password, or a token.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) secret: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

impl Credentials {
    /// A token that the registry gave for a password.
    pub(crate) fn token(token: String) -> Self {
        Self { username: TOKEN.to_owned(), secret: token }
    }

    /// The same for bollard.
    pub(crate) fn for_bollard(self, registry: &str) -> DockerCredentials {
        let Self { username, secret } = self;
        let serveraddress = Some(server_of(registry).to_owned());
        match username.as_str() {
            TOKEN => DockerCredentials {
                identitytoken: Some(secret),
                serveraddress,
                ..DockerCredentials::default()
            },
            _ => DockerCredentials {
                username: Some(username),
                password: Some(secret),
                serveraddress,
                ..DockerCredentials::default()
            },
        }
    }

    /// As the API's `X-Registry-Auth` has it.
    pub(crate) fn header(&self, registry: &str) -> String {
        let Self { username, secret } = self;
        let server = server_of(registry);
        let auth = match username.as_str() {
            TOKEN => json!({ "identitytoken": secret, "serveraddress": server }),
            _ => json!({ "username": username, "password": secret, "serveraddress": server }),
        };
        URL_SAFE.encode(auth.to_string())
    }
}

/// The `host[:port]` that an image's name begins with; empty for Docker Hub.
pub(crate) fn registry_of(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':', '[']) || host == "localhost" => match host {
            "docker.io" | "index.docker.io" => "",
            host => host,
        },
        _ => "",
    }
}

/// What docker's files call the registry.
pub(crate) fn server_of(registry: &str) -> &str {
    if registry.is_empty() { HUB } else { registry }
}

/// What the person has proven to `registry`, if anything. A file or program that cannot be
/// read is as good as none: the registry then says that it wants to know.
pub(crate) async fn find(docker_config: &Path, registry: &str) -> Option<Credentials> {
    let server = server_of(registry);
    let found = match read(&file(docker_config)) {
        Ok(config) => match helper(&config, server) {
            Some(helper) => from_program(helper, server).await,
            None => Ok(from_file(&config, server)),
        },
        Err(error) => Err(error),
    };
    found.unwrap_or_else(|error| {
        tracing::info!(registry, error = naru_error::chain(&error), "no credentials");
        None
    })
}

/// Keeps what the registry has accepted.
pub(crate) async fn keep(
    docker_config: &Path,
    registry: &str,
    credentials: &Credentials,
) -> Result<(), AppError> {
    keep_in(docker_config, registry, credentials, KeyStore::find()).await
}

async fn keep_in(
    docker_config: &Path,
    registry: &str,
    credentials: &Credentials,
    key_store: Option<KeyStore>,
) -> Result<(), AppError> {
    let server = server_of(registry);
    let path = file(docker_config);
    let mut config = read(&path)?;
    let Credentials { username, secret } = credentials;
    let told = json!({ "ServerURL": server, "Username": username, "Secret": secret }).to_string();
    if let Some(helper) = helper(&config, server) {
        return ask(helper, "store", told.as_bytes()).await.map(drop);
    }
    let mut kept = entry(credentials);
    if let Some(key_store) = key_store.filter(|_| !knows_somebody(&config)) {
        match ask(&key_store.program, "store", told.as_bytes()).await {
            Ok(_) => {
                config.insert("credsStore".to_owned(), key_store.name.into());
                kept = json!({});
            }
            // Nobody has asked for it.
            Err(error) => {
                let error = naru_error::chain(&error);
                tracing::warn!(
                    key_store = key_store.name,
                    error,
                    "the system's key store keeps nothing"
                );
            }
        }
    }
    let auths = config.entry("auths").or_insert_with(|| json!({}));
    auths[server] = kept;
    fs::create_dir_all(docker_config).map_err(|source| AppError::File {
        action: "create",
        path: docker_config.to_owned(),
        source,
    })?;
    write(&path, &config)
}

/// The system's own keeper of secrets, as docker's files call it, and the program that speaks
/// to it.
#[derive(Clone, Debug)]
struct KeyStore {
    name: &'static str,
    program: PathBuf,
}

impl KeyStore {
    /// The one that `docker login` takes by itself; none if its program is not installed.
    fn find() -> Option<Self> {
        let path = Environment::program_path()?;
        let installed = |program: &str| {
            let file = format!("{program}{EXE_SUFFIX}");
            split_paths(&path).map(|directory| directory.join(&file)).find(|file| file.is_file())
        };
        let name = if cfg!(target_os = "macos") {
            "osxkeychain"
        } else if cfg!(windows) {
            "wincred"
        } else if installed("pass").is_some() {
            "pass"
        } else {
            "secretservice"
        };
        Some(Self { name, program: installed(&format!("docker-credential-{name}"))? })
    }
}

/// Whether somebody has logged in with this file, or chosen where secrets are.
fn knows_somebody(config: &Map<String, Value>) -> bool {
    ["auths", "credHelpers"].iter().any(|key| {
        config.get(*key).and_then(Value::as_object).is_some_and(|entries| !entries.is_empty())
    })
}

fn file(docker_config: &Path) -> PathBuf {
    docker_config.join("config.json")
}

fn read(path: &Path) -> Result<Map<String, Value>, AppError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Map::new()),
        Err(source) => {
            return Err(AppError::File { action: "read", path: path.to_owned(), source });
        }
    };
    serde_json::from_slice(&text)
        .map_err(|source| AppError::Garbled { what: "docker's configuration", source })
}

fn write(path: &Path, config: &Map<String, Value>) -> Result<(), AppError> {
    let text = serde_json::to_vec_pretty(config)
        .map_err(|source| AppError::Garbled { what: "docker's configuration", source })?;
    private_file::write_atomically(path, &text)
}

/// The program that keeps this server's secrets, if there is one.
fn helper(config: &Map<String, Value>, server: &str) -> Option<String> {
    let own = config.get("credHelpers").and_then(|helpers| helpers[server].as_str());
    program(own.or_else(|| config.get("credsStore")?.as_str())?)
}

/// The program that docker's file calls by this name.
fn program(name: &str) -> Option<String> {
    // It becomes a part of a program's name, which is looked for in PATH.
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (!name.is_empty() && name.chars().all(fits)).then(|| format!("docker-credential-{name}"))
}

/// What the program that keeps secrets knows.
async fn from_program(
    program: impl AsRef<OsStr>,
    server: &str,
) -> Result<Option<Credentials>, AppError> {
    let answer = ask(program, "get", server.as_bytes()).await?;
    let Ok(answer) = serde_json::from_slice::<Value>(&answer) else { return Ok(None) };
    let text = |key: &str| answer[key].as_str().map(str::to_owned);
    Ok(text("Username")
        .zip(text("Secret"))
        .map(|(username, secret)| Credentials { username, secret }))
}

async fn ask(
    program: impl AsRef<OsStr>,
    verb: &'static str,
    input: &[u8],
) -> Result<Vec<u8>, AppError> {
    let failed = |source| AppError::System { action: "ask the program that keeps secrets", source };
    let exchange = async {
        let mut child = Command::new(program)
            .arg(verb)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input).await?;
        }
        child.wait_with_output().await
    };
    let output = timeout(HELPER_DEADLINE, exchange)
        .await
        .map_err(|_| AppError::Deadline { what: "the answer of the program that keeps secrets" })?
        .map_err(failed)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    // It says so on its standard output.
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Err(failed(io::Error::other(said)))
}

fn entry(credentials: &Credentials) -> Value {
    let Credentials { username, secret } = credentials;
    match username.as_str() {
        TOKEN => json!({ "auth": "", "identitytoken": secret }),
        _ => json!({ "auth": STANDARD.encode(format!("{username}:{secret}")) }),
    }
}

fn from_file(config: &Map<String, Value>, server: &str) -> Option<Credentials> {
    let auths = config.get("auths")?.as_object()?;
    let meant = accounts::registry_at(server)?;
    let same = |key: &str| accounts::registry_at(key) == Some(meant);
    let entry = auths
        .get(server)
        .or_else(|| auths.iter().find(|(key, _)| same(key)).map(|(_, entry)| entry))?;
    if let Some(token) = entry["identitytoken"].as_str().filter(|token| !token.is_empty()) {
        return Some(Credentials::token(token.to_owned()));
    }
    let auth = STANDARD.decode(entry["auth"].as_str()?).ok()?;
    let auth = String::from_utf8(auth).ok()?;
    let (username, secret) = auth.trim_end_matches('\0').split_once(':')?;
    Some(Credentials { username: username.to_owned(), secret: secret.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        Credentials { username: "mina".to_owned(), secret: "a:b".to_owned() }
    }

    #[tokio::test]
    async fn what_is_kept_is_found_and_all_else_in_the_file_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = file(directory.path());
        fs::write(&path, r#"{ "currentContext": "naru", "auths": { "x": { "auth": "eDp5" } } }"#)
            .unwrap();
        // It is not asked: somebody has logged in already.
        let key_store = KeyStore { name: "none", program: "naru-test-none".into() };
        let secret = credentials();
        let kept = keep_in(directory.path(), "localhost:5000", &secret, Some(key_store));
        kept.await.unwrap();
        keep(directory.path(), "", &Credentials::token("t".to_owned())).await.unwrap();
        assert_eq!(find(directory.path(), "localhost:5000").await, Some(credentials()));
        assert_eq!(find(directory.path(), "").await, Some(Credentials::token("t".to_owned())));
        assert_eq!(find(directory.path(), "elsewhere.example").await, None);
        let config = read(&path).unwrap();
        assert_eq!(config["currentContext"], "naru");
        assert_eq!(config["auths"]["x"]["auth"], "eDp5");
        assert!(config["auths"][HUB].is_object());
    }

    #[test]
    fn the_program_of_one_registry_goes_before_the_one_for_all() {
        let text =
            r#"{ "credsStore": "pass", "credHelpers": { "a.example": "ecr-login", "b": "../x" } }"#;
        let config: Map<String, Value> = serde_json::from_str(text).unwrap();
        assert_eq!(helper(&config, "a.example").as_deref(), Some("docker-credential-ecr-login"));
        assert_eq!(helper(&config, HUB).as_deref(), Some("docker-credential-pass"));
        assert_eq!(helper(&config, "b"), None, "it would leave PATH");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_program_that_is_missing_is_as_good_as_no_credentials_but_keeps_nothing() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(file(directory.path()), r#"{ "credsStore": "naru-test-none" }"#).unwrap();
        assert_eq!(find(directory.path(), "").await, None);
        keep(directory.path(), "", &credentials()).await.unwrap_err();
    }

    /// A program that keeps one secret in a file beside itself.
    #[cfg(unix)]
    fn key_store(directory: &Path, script: &str) -> KeyStore {
        use std::os::unix::fs::PermissionsExt as _;

        let program = directory.join("docker-credential-test");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        KeyStore { name: "test", program }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_first_secret_is_kept_by_the_systems_key_store_and_not_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let script = "cat > \"$0.$1\"; [ $1 = store ] || cat \"$0.store\"";
        let key_store = key_store(directory.path(), script);
        let secret = credentials();
        let kept = keep_in(directory.path(), "a.example", &secret, Some(key_store.clone()));
        kept.await.unwrap();
        let config = read(&file(directory.path())).unwrap();
        assert_eq!(config["credsStore"], "test");
        assert_eq!(config["auths"], json!({ "a.example": {} }), "so that `docker logout` knows");
        let found = from_program(&key_store.program, "a.example").await.unwrap();
        assert_eq!(found, Some(credentials()));
        let told = fs::read_to_string(directory.path().join("docker-credential-test.store"));
        assert!(told.unwrap().contains(r#""ServerURL":"a.example""#));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_key_store_that_keeps_nothing_leaves_the_secret_to_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let key_store = key_store(directory.path(), "cat > /dev/null; echo no bus; exit 1");
        let secret = credentials();
        let kept = keep_in(directory.path(), "a.example", &secret, Some(key_store));
        kept.await.unwrap();
        assert_eq!(find(directory.path(), "a.example").await, Some(credentials()));
        assert!(!read(&file(directory.path())).unwrap().contains_key("credsStore"));
    }

    #[test]
    fn the_registry_is_told_from_the_first_part_of_a_name() {
        for (image, registry) in [
            ("busybox", ""),
            ("library/busybox", ""),
            ("docker.io/library/busybox:1", ""),
            ("localhost/a", "localhost"),
            ("localhost:5000/a:1", "localhost:5000"),
            ("ghcr.io/a/b@sha256:00", "ghcr.io"),
        ] {
            assert_eq!(registry_of(image), registry, "{image}");
        }
    }
}
