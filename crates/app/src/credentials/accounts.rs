//! Who the person has logged in as, registry by registry, and how that is forgotten.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use futures::future::join_all;
use naru_ipc::RegistryAccount;
use serde_json::{Map, Value};

use super::{Credentials, TOKEN, ask, file, from_file, from_program, helper, program, read, write};
use crate::AppError;

/// Everybody that docker's file and the programs that it names know.
pub(crate) async fn accounts(docker_config: &Path) -> Result<Vec<RegistryAccount>, AppError> {
    let config = read(&file(docker_config))?;
    let mut known = BTreeMap::new();
    for server in keys(&config, "auths") {
        if let Some(found) = from_file(&config, server) {
            known.insert(server.to_owned(), found.username);
        }
    }
    // It is not asked for a secret: some ask the person before they give one away.
    if let Some(store) = store(&config) {
        known.extend(list(&store).await?);
    }
    known.extend(from_own_programs(&config).await);
    let mut accounts: Vec<RegistryAccount> = known
        .into_iter()
        .filter_map(|(server, username)| {
            let registry = registry_at(&server)?.to_owned();
            let username = if username == TOKEN { String::new() } else { username };
            Some(RegistryAccount { registry, username })
        })
        .collect();
    accounts.sort_by(|one, other| one.registry.cmp(&other.registry));
    accounts.dedup_by(|one, other| one.registry == other.registry);
    Ok(accounts)
}

/// Forgets who the person is to `registry`, wherever that is kept.
pub(crate) async fn forget(docker_config: &Path, registry: &str) -> Result<(), AppError> {
    let path = file(docker_config);
    let mut config = read(&path)?;
    let is_meant = |server: &&str| registry_at(server) == Some(registry);
    if let Some(store) = store(&config) {
        let listed = list(&store).await?;
        for server in listed.keys().map(String::as_str).filter(is_meant) {
            ask(&store, "erase", server.as_bytes()).await?;
        }
    }
    for server in keys(&config, "credHelpers").filter(is_meant) {
        if let Some(helper) = helper(&config, server) {
            ask(helper, "erase", server.as_bytes()).await?;
        }
    }
    let Some(auths) = config.get_mut("auths").and_then(Value::as_object_mut) else { return Ok(()) };
    let before = auths.len();
    auths.retain(|server, _| !is_meant(&server.as_str()));
    if auths.len() < before { write(&path, &config) } else { Ok(()) }
}

/// The registry that docker's files mean by `server`, which older ones call by a URL; none for
/// what else they keep, such as parts of a token.
pub(super) fn registry_at(server: &str) -> Option<&str> {
    let bare = ["https://", "http://"].iter().find_map(|scheme| server.strip_prefix(scheme));
    let bare = bare.unwrap_or(server);
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    match (host, path.trim_end_matches('/')) {
        ("", _) => None,
        ("docker.io" | "index.docker.io", "" | "v1" | "v2") => Some(""),
        (host, "" | "v1" | "v2") => Some(host),
        _ => None,
    }
}

/// The program for all registries, if there is one.
fn store(config: &Map<String, Value>) -> Option<String> {
    program(config.get("credsStore")?.as_str()?)
}

fn keys<'a>(config: &'a Map<String, Value>, part: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    config.get(part).and_then(Value::as_object).into_iter().flat_map(Map::keys).map(String::as_str)
}

/// The servers that a program knows, each with the user's name.
async fn list(program: &str) -> Result<HashMap<String, String>, AppError> {
    let answer = ask(program, "list", b"").await?;
    serde_json::from_slice(&answer).map_err(|source| AppError::Garbled {
        what: "the answer of the program that keeps secrets",
        source,
    })
}

/// What the programs of single registries know. One that fails knows nobody: they say the same
/// of who has not logged in.
async fn from_own_programs(config: &Map<String, Value>) -> Vec<(String, String)> {
    let asked = keys(config, "credHelpers").map(async |server| {
        match from_program(helper(config, server)?, server).await {
            Ok(found) => found.map(|Credentials { username, .. }| (server.to_owned(), username)),
            Err(error) => {
                tracing::info!(server, error = naru_error::chain(&error), "no account");
                None
            }
        }
    });
    join_all(asked).await.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::super::{HUB, find, keep};
    use super::*;

    fn account(registry: &str, username: &str) -> RegistryAccount {
        RegistryAccount { registry: registry.to_owned(), username: username.to_owned() }
    }

    fn config(directory: &Path) -> Map<String, Value> {
        read(&file(directory)).unwrap()
    }

    #[tokio::test]
    async fn who_logged_in_is_listed_and_forgotten_and_all_else_in_the_file_stays() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        assert_eq!(accounts(directory).await.unwrap(), []);
        let text = json!({
            "currentContext": "naru",
            "auths": {
                "https://old.example/v1/": { "auth": "bWluYTph" },
                "https://index.docker.io/v1/access-token": { "auth": "bWluYTph" },
                "kept.elsewhere": {},
            },
        });
        fs::write(file(directory), text.to_string()).unwrap();
        let mina = Credentials { username: "mina".to_owned(), secret: "a".to_owned() };
        keep(directory, "localhost:5000", &mina).await.unwrap();
        keep(directory, "", &Credentials::token("t".to_owned())).await.unwrap();

        let expected =
            [account("", ""), account("localhost:5000", "mina"), account("old.example", "mina")];
        assert_eq!(accounts(directory).await.unwrap(), expected);
        assert_eq!(find(directory, "old.example").await, Some(mina), "docker finds it, too");
        for registry in ["", "old.example"] {
            forget(directory, registry).await.unwrap();
        }
        assert_eq!(accounts(directory).await.unwrap(), [account("localhost:5000", "mina")]);
        assert_eq!(find(directory, "").await, None);
        let left = config(directory);
        assert_eq!(left["currentContext"], "naru");
        assert!(left["auths"].get(HUB).is_none());
        assert!(left["auths"].get("kept.elsewhere").is_some());
        forget(directory, "nobody.example").await.unwrap();
    }

    /// A program with this name that keeps a server a line, with its user, and writes down what
    /// it was asked.
    #[cfg(unix)]
    fn helper_in(directory: &Path, name: &str, answers: &str) -> String {
        use std::os::unix::fs::PermissionsExt as _;

        let program = directory.join(format!("docker-credential-{name}"));
        let script = format!("#!/bin/sh\necho \"$1 $(cat)\" >> \"$0.asked\"\n{answers}\n");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        program.to_str().unwrap().to_owned()
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_program_lists_whom_it_knows_without_giving_a_secret_away() {
        let directory = tempfile::tempdir().unwrap();
        let answer = r#"echo '{"a.example":"mina","https://index.docker.io/v1/":"<token>"}'"#;
        let program = helper_in(directory.path(), "test", answer);
        let listed = list(&program).await.unwrap();
        assert_eq!(listed["a.example"], "mina");
        assert_eq!(listed[HUB], "<token>");
        let asked = fs::read_to_string(format!("{program}.asked")).unwrap();
        assert_eq!(asked, "list \n");
        let program = helper_in(directory.path(), "odd", "echo no");
        assert!(matches!(list(&program).await, Err(AppError::Garbled { .. })));
    }

    #[tokio::test]
    async fn a_store_that_is_not_there_is_told_and_one_of_a_single_registry_knows_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let text = r#"{ "credHelpers": { "a.example": "naru-test-none" } }"#;
        fs::write(file(directory.path()), text).unwrap();
        assert_eq!(accounts(directory.path()).await.unwrap(), []);
        forget(directory.path(), "a.example").await.unwrap_err();
        let text = r#"{ "credsStore": "naru-test-none", "auths": { "a.example": {} } }"#;
        fs::write(file(directory.path()), text).unwrap();
        accounts(directory.path()).await.unwrap_err();
        forget(directory.path(), "a.example").await.unwrap_err();
        assert!(
            config(directory.path())["auths"].get("a.example").is_some(),
            "nothing is forgotten"
        );
    }

    #[test]
    fn older_files_call_registries_by_urls() {
        for (server, registry) in [
            (HUB, Some("")),
            ("docker.io", Some("")),
            ("ghcr.io", Some("ghcr.io")),
            ("http://localhost:5000/v2/", Some("localhost:5000")),
            ("https://index.docker.io/v1/refresh-token", None),
            ("quay.io/owner", None),
            ("", None),
        ] {
            assert_eq!(registry_at(server), registry, "{server}");
        }
    }
}
