//! The demo image: static busybox and a greeting, as an OCI archive.
//!
//! It is bundled, so that the first container runs with no network at all. Apart from
//! `index.json` of the OCI image layout it has Docker's `manifest.json`, so that every
//! `load` understands it.

use std::fs;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use super::Arch;
use crate::workspace;

/// The image's name.
pub(crate) const NAME: &str = "naru/hello:latest";

/// A fixed point in time, in RFC 3339, for what must have one.
const CREATED: &str = "2026-01-01T00:00:00Z";

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n";
const GROUP: &str = "root:x:0:\nnogroup:x:65534:\n";

/// The archive's bytes, from an unpacked busybox package.
pub(crate) fn archive(busybox: &Path, arch: Arch) -> Result<Vec<u8>> {
    let layer = layer(busybox)?;
    let layer_digest = digest(&layer);
    let config = to_json(&json!({
        "created": CREATED,
        "architecture": arch.oci(),
        "os": "linux",
        "config": {
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"],
            "Cmd": ["/bin/hello"],
            "WorkingDir": "/",
            "Labels": { "org.opencontainers.image.title": "Naru's first container" },
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer_digest}")] },
        "history": [{ "created": CREATED, "created_by": "cargo xtask image" }],
    }))?;
    let config_digest = digest(&config);
    let manifest = to_json(&json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": descriptor(CONFIG_TYPE, &config),
        "layers": [descriptor(LAYER_TYPE, &layer)],
    }))?;
    let mut entry = descriptor(MANIFEST_TYPE, &manifest);
    entry["annotations"] = json!({
        "io.containerd.image.name": format!("docker.io/{NAME}"),
        "org.opencontainers.image.ref.name": "latest",
    });
    entry["platform"] = json!({ "architecture": arch.oci(), "os": "linux" });
    let index = to_json(&json!({ "schemaVersion": 2, "manifests": [entry] }))?;
    let docker = to_json(&json!([{
        "Config": format!("blobs/sha256/{config_digest}"),
        "RepoTags": [NAME],
        "Layers": [format!("blobs/sha256/{layer_digest}")],
    }]))?;

    let mut tree = Tree::default();
    tree.directory("blobs", 0o755)?;
    tree.directory("blobs/sha256", 0o755)?;
    let mut blobs = [(config_digest, config), (digest(&manifest), manifest), (layer_digest, layer)];
    blobs.sort();
    for (digest, blob) in blobs {
        tree.file(&format!("blobs/sha256/{digest}"), 0o644, &blob)?;
    }
    tree.file("index.json", 0o644, &index)?;
    tree.file("manifest.json", 0o644, &docker)?;
    tree.file("oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    tree.finish()
}

/// The root file system.
fn layer(busybox: &Path) -> Result<Vec<u8>> {
    let recipe = workspace::root().join("vm-images/demo");
    let read =
        |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let applets = fs::read_to_string(recipe.join("applets.txt"))
        .context("cannot read the list of busybox's applets")?;
    let mut tree = Tree::default();
    tree.directory("bin", 0o755)?;
    tree.file("bin/busybox", 0o755, &read(&busybox.join("bin/busybox"))?)?;
    tree.file("bin/hello", 0o755, &read(&recipe.join("hello.sh"))?)?;
    for applet in applets.lines() {
        tree.link(&format!("bin/{applet}"), "busybox")?;
    }
    tree.directory("etc", 0o755)?;
    tree.file("etc/group", 0o644, GROUP.as_bytes())?;
    tree.file("etc/passwd", 0o644, PASSWD.as_bytes())?;
    tree.directory("root", 0o700)?;
    tree.directory("tmp", 0o1777)?;
    tree.finish()
}

fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({
        "mediaType": media_type,
        "digest": format!("sha256:{}", digest(content)),
        "size": content.len(),
    })
}

fn digest(content: &[u8]) -> String {
    let nibbles = |byte: &u8| [byte >> 4, byte & 0xF];
    let digit = |nibble| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    Sha256::digest(content).iter().flat_map(nibbles).map(digit).collect()
}

fn to_json(value: &Value) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec(value)?)
}

/// A tar archive whose bytes depend on nothing but what is put in.
struct Tree {
    builder: Builder<Vec<u8>>,
}

impl Default for Tree {
    fn default() -> Self {
        Self { builder: Builder::new(Vec::new()) }
    }
}

impl Tree {
    fn directory(&mut self, path: &str, mode: u32) -> Result<()> {
        self.append(EntryType::Directory, path, mode, &[][..])
    }

    fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<()> {
        self.append(EntryType::Regular, path, mode, content)
    }

    fn link(&mut self, path: &str, target: &str) -> Result<()> {
        let mut header = header(EntryType::Symlink, 0o777, 0);
        Ok(self.builder.append_link(&mut header, path, target)?)
    }

    fn append(&mut self, kind: EntryType, path: &str, mode: u32, content: &[u8]) -> Result<()> {
        let mut header = header(kind, mode, content.len() as u64);
        Ok(self.builder.append_data(&mut header, path, content.take(u64::MAX))?)
    }

    fn finish(self) -> Result<Vec<u8>> {
        Ok(self.builder.into_inner()?)
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process;

    use tar::Archive;

    use super::*;

    #[test]
    fn the_archive_is_the_same_each_time_and_its_digests_are_right() {
        let package = env::temp_dir().join(format!("naru-xtask-demo-{}", process::id()));
        fs::create_dir_all(package.join("bin")).unwrap();
        fs::write(package.join("bin/busybox"), b"\x7fELF").unwrap();
        let first = archive(&package, Arch::X86_64);
        let second = archive(&package, Arch::X86_64);
        fs::remove_dir_all(&package).unwrap();
        let first = first.unwrap();
        assert_eq!(first, second.unwrap());

        let mut blobs = 0;
        for entry in Archive::new(&first[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            if let Some(name) = path.strip_prefix("blobs/sha256/").filter(|name| !name.is_empty()) {
                assert_eq!(name, digest(&content));
                blobs += 1;
            }
        }
        assert_eq!(blobs, 3, "layer, configuration and manifest");
    }
}
