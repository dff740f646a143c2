//! An image as `docker save` has it: its files, and what its configuration says.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use anyhow::{Context as _, ensure};
use flate2::read::GzDecoder;
use naru_test_framework::oci::digest;
use serde_json::{Map, Value, json};
use tar::{Archive, Entry, EntryType};

/// What is older was not made by a build: the start of 2025.
const NOW: u64 = 1_735_689_600;
/// Longer content is shown as its digest.
const SHOWN: usize = 300;

/// Several images in one archive, in which layers that they share are once.
pub(super) struct Saved {
    manifest: Value,
    parts: BTreeMap<String, Vec<u8>>,
}

impl Saved {
    pub(super) fn read(archive: &[u8]) -> anyhow::Result<Self> {
        let parts = parts(archive)?;
        let manifest = parts.get("manifest.json").context("a manifest in the archive")?;
        Ok(Self { manifest: serde_json::from_slice(manifest)?, parts })
    }

    /// The outcome of a build, without what is different of necessity.
    pub(super) fn outcome(&self, tag: &str) -> anyhow::Result<Value> {
        let part = |name: &Value| {
            let name = name.as_str().context("a name")?;
            self.parts.get(name).with_context(|| format!("{name} in the archive"))
        };
        let mut images = self.manifest.as_array().into_iter().flatten();
        let has_tag = |image: &&Value| {
            image["RepoTags"].as_array().is_some_and(|tags| tags.iter().any(|its| its == tag))
        };
        let image = images.find(has_tag).with_context(|| format!("{tag} in the archive"))?;
        let config: Value = serde_json::from_slice(part(&image["Config"])?)?;
        let layers = image["Layers"].as_array().context("layers")?;
        let mut files = Files::default();
        for layer in layers {
            files.apply(part(layer)?)?;
        }
        let history = config["history"].as_array().cloned().unwrap_or_default();
        let filled = history.iter().filter(|entry| entry["empty_layer"] != true).count();
        ensure!(filled == layers.len(), "{} layers, but {history:?}", layers.len());
        let history: Vec<Value> = history.iter().map(shown_history).collect();
        Ok(json!({
            "files": files.shown(),
            "history": history,
            "config": shown_config(&config),
            "platform": [config["os"], config["architecture"], config["variant"]],
            "author": config["author"],
            "created": time(&config["created"]),
        }))
    }
}

fn shown_history(entry: &Value) -> Value {
    let mut shown = Map::new();
    for field in ["created_by", "author", "comment"] {
        if let Some(value) = entry.get(field).filter(|value| **value != "") {
            shown.insert(field.to_owned(), value.clone());
        }
    }
    shown.insert("empty".to_owned(), json!(entry["empty_layer"] == true));
    Value::Object(shown)
}

/// What is not set is left out: some write it, and mean the same.
fn shown_config(config: &Value) -> Value {
    let fields = config["config"].as_object().into_iter().flatten();
    let is_set = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    };
    let set = fields.filter(|(_, value)| is_set(value));
    Value::Object(set.map(|(name, value)| (name.clone(), value.clone())).collect())
}

fn time(time: &Value) -> Value {
    match time.as_str() {
        Some(text) if text < "2025" => json!(text),
        Some(_) => json!("now"),
        None => Value::Null,
    }
}

/// The archive's files; a link to another stands for that.
fn parts(archive: &[u8]) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut parts = BTreeMap::new();
    let mut links = Vec::new();
    for entry in Archive::new(archive).entries()? {
        let mut entry = entry?;
        let name = entry.path()?.display().to_string();
        if let Some(target) = entry.link_name()? {
            links.push((name, target.display().to_string()));
        } else {
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            parts.insert(name, content);
        }
    }
    for (name, target) in links {
        // Docker names the same layer of another directory: `../<id>/layer.tar`.
        let content = parts.get(target.trim_start_matches("../")).context("a link leads on")?;
        parts.insert(name, content.clone());
    }
    Ok(parts)
}

#[derive(Clone)]
struct Node {
    /// The same for all names of a file.
    number: usize,
    shown: Map<String, Value>,
}

#[derive(Default)]
struct Files {
    nodes: BTreeMap<String, Node>,
    count: usize,
}

impl Files {
    fn apply(&mut self, layer: &[u8]) -> anyhow::Result<()> {
        let mut plain = Vec::new();
        if layer.starts_with(&[0x1f, 0x8b]) {
            GzDecoder::new(layer).read_to_end(&mut plain)?;
        } else {
            plain.extend_from_slice(layer);
        }
        let mut new = BTreeSet::new();
        for entry in Archive::new(plain.as_slice()).entries()? {
            let mut entry = entry?;
            let path = entry.path()?.display().to_string();
            let path = path.trim_start_matches("./").trim_matches('/').to_owned();
            if path.is_empty() || path == "." {
                continue;
            }
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
            let join = |name: &str| match parent {
                "" => name.to_owned(),
                parent => format!("{parent}/{name}"),
            };
            match name.strip_prefix(".wh.") {
                Some(".wh..opq") => self.remove(&join(""), &new),
                Some(name) => {
                    let gone = join(name);
                    self.remove(&format!("{gone}/"), &new);
                    if !new.contains(&gone) {
                        self.nodes.remove(&gone);
                    }
                }
                None => {
                    if !entry.header().entry_type().is_dir() {
                        self.remove(&format!("{path}/"), &BTreeSet::new());
                    }
                    let node = self.node(&mut entry)?;
                    self.nodes.insert(path.clone(), node);
                    new.insert(path);
                }
            }
        }
        Ok(())
    }

    /// Removes what is below a directory, but what this layer has put there.
    fn remove(&mut self, below: &str, but: &BTreeSet<String>) {
        self.nodes.retain(|path, _| but.contains(path) || !path.starts_with(below));
    }

    fn node(&mut self, entry: &mut Entry<'_, &[u8]>) -> anyhow::Result<Node> {
        let kind = entry.header().entry_type();
        let target = entry.link_name()?.map(|target| target.display().to_string());
        if kind == EntryType::Link {
            let target = target.context("a link has a target")?;
            let target = target.trim_start_matches("./").trim_start_matches('/');
            return self.nodes.get(target).cloned().with_context(|| format!("no {target}"));
        }
        let mut shown = Map::new();
        let header = entry.header();
        let name = match kind {
            EntryType::Regular | EntryType::Continuous => "file",
            EntryType::Directory => "dir",
            EntryType::Symlink => "link",
            EntryType::Fifo => "pipe",
            EntryType::Char | EntryType::Block => "device",
            other => anyhow::bail!("a layer has {other:?}"),
        };
        shown.insert("type".to_owned(), json!(name));
        if kind != EntryType::Symlink {
            shown.insert("mode".to_owned(), json!(format!("{:o}", header.mode()? & 0o7777)));
        }
        shown.insert("owner".to_owned(), json!(format!("{}:{}", header.uid()?, header.gid()?)));
        let modified = header.mtime()?;
        let time = if modified < NOW { json!(modified) } else { json!("now") };
        // What is put into a directory changes its time, and some put in what they take away.
        if kind != EntryType::Directory {
            shown.insert("time".to_owned(), time);
        }
        if let Some(target) = target {
            shown.insert("target".to_owned(), json!(target));
        }
        for record in entry.pax_extensions()?.into_iter().flatten() {
            let record = record?;
            if let Some(name) = record.key()?.strip_prefix("SCHILY.xattr.") {
                let value = String::from_utf8_lossy(record.value_bytes()).into_owned();
                shown.insert(format!("xattr {name}"), json!(value));
            }
        }
        if name == "file" {
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            let text = match String::from_utf8(content) {
                Ok(text) if text.len() <= SHOWN => text,
                Ok(text) => digest(text.as_bytes()),
                Err(bytes) => digest(bytes.as_bytes()),
            };
            shown.insert("content".to_owned(), json!(text));
        }
        self.count += 1;
        Ok(Node { number: self.count, shown })
    }

    fn shown(self) -> Value {
        let mut names: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (path, node) in &self.nodes {
            names.entry(node.number).or_default().push(path.clone());
        }
        let nodes = self.nodes.into_iter().map(|(path, node)| {
            let mut shown = node.shown;
            let names = names.get(&node.number).cloned().unwrap_or_default();
            if names.len() > 1 {
                shown.insert("names".to_owned(), json!(names));
            }
            (path, Value::Object(shown))
        });
        Value::Object(nodes.collect())
    }
}
