//! Makes OCI images: layers, configuration, manifest, index, archive. Deterministic.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Context, ensure};
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const CREATED: &str = "2024-01-01T00:00:00Z";
const MTIME: u64 = 1_704_067_200;

/// How a layer is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// As Docker does.
    Gzip,
    /// As newer tools do.
    Zstd,
}

impl Compression {
    fn media_type(self) -> &'static str {
        match self {
            Self::None => "application/vnd.oci.image.layer.v1.tar",
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

/// A compressed layer.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The blob as it is pushed.
    pub blob: Vec<u8>,
    /// The digest of the tar in it.
    pub diff_id: String,
    /// How it is compressed.
    pub compression: Compression,
}

impl Layer {
    /// Compresses a finished tar, whatever is in it.
    pub fn from_tar(tar: &[u8], compression: Compression) -> anyhow::Result<Self> {
        let blob = match compression {
            Compression::None => tar.to_vec(),
            Compression::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::new(6));
                encoder.write_all(tar)?;
                encoder.finish()?
            }
            Compression::Zstd => zstd::encode_all(tar, 3)?,
        };
        Ok(Self { blob, diff_id: digest(tar), compression })
    }

    fn descriptor(&self) -> Value {
        descriptor(self.compression.media_type(), &self.blob)
    }
}

/// Writes a layer's tar: root's files unless told otherwise, one fixed time.
#[derive(Debug)]
pub struct LayerWriter {
    tar: Vec<u8>,
    owner: (u64, u64),
    /// Of the next entry.
    records: Vec<u8>,
}

impl Default for LayerWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl LayerWriter {
    /// A layer without entries.
    pub fn new() -> Self {
        Self { tar: Vec::new(), owner: (0, 0), records: Vec::new() }
    }

    /// Gives what is added from now on to this user and group.
    pub fn owner(&mut self, uid: u32, gid: u32) {
        self.owner = (uid.into(), gid.into());
    }

    /// Gives the next entry an extended attribute.
    pub fn attribute(&mut self, name: &str, value: &[u8]) {
        record(&format!("SCHILY.xattr.{name}"), value, &mut self.records);
    }

    /// Adds a directory.
    pub fn directory(&mut self, name: &str, mode: u32) -> anyhow::Result<()> {
        self.entry(&format!("{name}/"), EntryType::Directory, mode, None, b"")
    }

    /// Adds a file.
    pub fn file(&mut self, name: &str, mode: u32, content: &[u8]) -> anyhow::Result<()> {
        self.entry(name, EntryType::Regular, mode, None, content)
    }

    /// Adds a symbolic link.
    pub fn symlink(&mut self, name: &str, target: &str) -> anyhow::Result<()> {
        self.entry(name, EntryType::Symlink, 0o777, Some(target), b"")
    }

    /// Adds a hard link.
    pub fn hard_link(&mut self, name: &str, target: &str) -> anyhow::Result<()> {
        self.entry(name, EntryType::Link, 0o644, Some(target), b"")
    }

    /// Adds a character device.
    pub fn character_device(&mut self, name: &str, major: u32, minor: u32) -> anyhow::Result<()> {
        let mut header = header(EntryType::Char, 0o600, 0)?;
        header.set_device_major(major)?;
        header.set_device_minor(minor)?;
        self.append(header, name, None, b"")
    }

    /// Adds any entry; names are written as they are, however hostile.
    pub fn entry(
        &mut self,
        name: &str,
        kind: EntryType,
        mode: u32,
        target: Option<&str>,
        content: &[u8],
    ) -> anyhow::Result<()> {
        self.append(header(kind, mode, content.len() as u64)?, name, target, content)
    }

    fn append(
        &mut self,
        mut header: Header,
        name: &str,
        target: Option<&str>,
        content: &[u8],
    ) -> anyhow::Result<()> {
        header.set_uid(self.owner.0);
        header.set_gid(self.owner.1);
        let mut records = std::mem::take(&mut self.records);
        field(&mut header.as_old_mut().name, name, "path", &mut records);
        if let Some(target) = target {
            field(&mut header.as_old_mut().linkname, target, "linkpath", &mut records);
        }
        if !records.is_empty() {
            let mut extension = self::header(EntryType::XHeader, 0o644, records.len() as u64)?;
            extension.set_cksum();
            self.block(&extension, &records);
        }
        header.set_cksum();
        self.block(&header, content);
        Ok(())
    }

    fn block(&mut self, header: &Header, content: &[u8]) {
        self.tar.extend_from_slice(header.as_bytes());
        self.tar.extend_from_slice(content);
        self.tar.resize(self.tar.len().next_multiple_of(512), 0);
    }

    /// The finished tar.
    pub fn into_tar(mut self) -> Vec<u8> {
        self.tar.resize(self.tar.len() + 1024, 0);
        self.tar
    }

    /// The finished layer.
    pub fn finish(self, compression: Compression) -> anyhow::Result<Layer> {
        Layer::from_tar(&self.into_tar(), compression)
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> anyhow::Result<Header> {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(MTIME);
    header.set_size(size);
    header.set_device_major(0)?;
    header.set_device_minor(0)?;
    Ok(header)
}

/// Writes `value` into the header's field, or into a PAX record where it is too long.
fn field(field: &mut [u8], value: &str, key: &str, records: &mut Vec<u8>) {
    if let Some(start) = field.get_mut(..value.len()) {
        start.copy_from_slice(value.as_bytes());
        return;
    }
    record(key, value.as_bytes(), records);
}

/// Writes a PAX record, which begins with its own length.
fn record(key: &str, value: &[u8], records: &mut Vec<u8>) {
    let rest = [format!(" {key}=").as_bytes(), value, b"\n"].concat();
    let mut length = rest.len() + 1;
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    records.extend_from_slice(length.to_string().as_bytes());
    records.extend_from_slice(&rest);
}

/// A document that a tag can name, with everything it leads to.
#[derive(Clone, Debug)]
pub struct OciImage {
    /// The manifest or index.
    pub document: Vec<u8>,
    /// Its media type.
    pub media_type: String,
    /// Blobs in the order they must be pushed: configurations and layers.
    pub blobs: Vec<Vec<u8>>,
    /// The manifests of an index.
    pub manifests: Vec<Self>,
    platform: Option<Value>,
}

impl OciImage {
    /// An image for `linux/<architecture>` with the container settings `config`.
    pub fn new(architecture: &str, config: &Value, layers: Vec<Layer>) -> anyhow::Result<Self> {
        let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
        let history: Vec<Value> = (1..=layers.len())
            .map(|number| json!({ "created": CREATED, "created_by": format!("layer {number}") }))
            .collect();
        let config = serde_json::to_vec(&json!({
            "created": CREATED,
            "architecture": architecture,
            "os": "linux",
            "config": config,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "history": history,
        }))?;
        let descriptors: Vec<Value> = layers.iter().map(Layer::descriptor).collect();
        let document = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": descriptor(CONFIG_TYPE, &config),
            "layers": descriptors,
        }))?;
        let blobs = std::iter::once(config).chain(layers.into_iter().map(|layer| layer.blob));
        Ok(Self {
            document,
            media_type: MANIFEST_TYPE.to_owned(),
            blobs: blobs.collect(),
            manifests: Vec::new(),
            platform: Some(json!({ "architecture": architecture, "os": "linux" })),
        })
    }

    /// An index of images for several platforms.
    pub fn index(images: Vec<Self>) -> anyhow::Result<Self> {
        let entries: Vec<Value> = images.iter().map(Self::descriptor).collect();
        let document = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": INDEX_TYPE,
            "manifests": entries,
        }))?;
        let media_type = INDEX_TYPE.to_owned();
        Ok(Self { document, media_type, blobs: Vec::new(), manifests: images, platform: None })
    }

    /// The digest a registry knows it by.
    pub fn digest(&self) -> String {
        digest(&self.document)
    }

    fn descriptor(&self) -> Value {
        let mut descriptor = descriptor(&self.media_type, &self.document);
        if let Some(platform) = &self.platform {
            descriptor["platform"] = platform.clone();
        }
        descriptor
    }

    /// An OCI archive, a tar of an OCI image layout, in which the image is called `name`.
    pub fn archive(&self, name: &str) -> anyhow::Result<Vec<u8>> {
        ensure!(name.contains('/'), "an archived image needs its whole name, not {name}");
        let mut entry = self.descriptor();
        entry["annotations"] = json!({
            "io.containerd.image.name": name,
            "org.opencontainers.image.ref.name": name.rsplit(':').next(),
        });
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [entry] });
        let mut tar = Builder::new(Vec::new());
        append(&mut tar, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        append(&mut tar, "index.json", &serde_json::to_vec(&index)?)?;
        self.append_blobs(&mut tar)?;
        Ok(tar.into_inner()?)
    }

    /// The archive of `docker save`, which a Docker of any age loads; only of an image for one
    /// platform.
    pub fn docker_archive(&self, name: &str) -> anyhow::Result<Vec<u8>> {
        let paths: Vec<String> = self.blobs.iter().map(|blob| blob_path(blob)).collect();
        let (config, layers) = paths.split_first().context("an image has a configuration")?;
        let manifest = json!([{ "Config": config, "RepoTags": [name], "Layers": layers }]);
        let mut tar = Builder::new(Vec::new());
        append(&mut tar, "manifest.json", &serde_json::to_vec(&manifest)?)?;
        self.append_blobs(&mut tar)?;
        Ok(tar.into_inner()?)
    }

    fn append_blobs(&self, tar: &mut Builder<Vec<u8>>) -> anyhow::Result<()> {
        for manifest in &self.manifests {
            manifest.append_blobs(tar)?;
        }
        for blob in self.blobs.iter().chain([&self.document]) {
            append(tar, &blob_path(blob), blob)?;
        }
        Ok(())
    }
}

fn blob_path(blob: &[u8]) -> String {
    format!("blobs/{}", digest(blob).replace(':', "/"))
}

fn append(tar: &mut Builder<Vec<u8>>, name: &str, content: &[u8]) -> anyhow::Result<()> {
    let mut header = header(EntryType::Regular, 0o644, content.len() as u64)?;
    header.set_path(name)?;
    header.set_cksum();
    tar.append(&header, content)?;
    Ok(())
}

fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(content), "size": content.len() })
}

/// `sha256:…` of `content`.
pub fn digest(content: &[u8]) -> String {
    let mut text = "sha256:".to_owned();
    for byte in Sha256::digest(content) {
        // Writing to a string cannot fail.
        let _written = write!(text, "{byte:02x}");
    }
    text
}
