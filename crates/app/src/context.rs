//! The docker context `naru`, through which the stock `docker` finds the engine.
//!
//! The file's place and content are those of the docker CLI's context store:
//! `contexts/meta/<sha256 of the name>/meta.json` below its configuration directory.
//! Which context is current is the person's own choice and is not touched.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::directories::hex;
use crate::local::Address;
use crate::{AppError, private_file};

/// The context's name.
pub const NAME: &str = "naru";

/// Writes the context that leads to `socket`, if what is there differs.
pub(crate) fn register(docker_config: &Path, socket: &Address) -> Result<(), AppError> {
    let path = meta_file(docker_config);
    let content = json!({
        "Name": NAME,
        "Metadata": { "Description": "Naru" },
        "Endpoints": { "docker": { "Host": socket.docker_host(), "SkipTLSVerify": false } },
    });
    let content = content.to_string();
    if fs::read(&path).is_ok_and(|present| present == content.as_bytes()) {
        return Ok(());
    }
    let directory = path.parent().unwrap_or(docker_config);
    fs::create_dir_all(directory).map_err(|source| AppError::File {
        action: "create",
        path: directory.to_owned(),
        source,
    })?;
    private_file::write_atomically(&path, content.as_bytes())
}

fn meta_file(docker_config: &Path) -> PathBuf {
    let directory = hex(&Sha256::digest(NAME.as_bytes()));
    docker_config.join("contexts").join("meta").join(directory).join("meta.json")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_context_is_where_docker_looks_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let socket = Address::socket("/run/user/1000/naru/docker.sock".into());
        register(directory.path(), &socket).unwrap();
        // `printf naru | sha256sum`
        let hash = "62e65dd5c196dd9d498ec69848959d0b462a043659f0cf74cebebde06161f0aa";
        let path = directory.path().join("contexts/meta").join(hash).join("meta.json");
        let text = fs::read_to_string(path).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["Name"], "naru");
        assert_eq!(value["Endpoints"]["docker"]["Host"], socket.docker_host());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "config.json is not ours");
    }

    #[test]
    fn a_moved_socket_replaces_the_old_context() {
        let directory = tempfile::tempdir().unwrap();
        register(directory.path(), &Address::socket("/a.sock".into())).unwrap();
        register(directory.path(), &Address::socket("/b.sock".into())).unwrap();
        let text = fs::read_to_string(meta_file(directory.path())).unwrap();
        assert!(text.contains("/b.sock") && !text.contains("/a.sock"), "{text}");
    }
}
