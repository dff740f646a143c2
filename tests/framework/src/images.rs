//! The images that tests pull, made from what Debian installed here. No network.

use std::collections::BTreeSet;
use std::env::consts::ARCH;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};

use crate::busybox::{busybox_image, busybox_image_with, busybox_layer};
use crate::clients;
use crate::oci::{Compression, Layer, LayerWriter, OciImage, digest};

/// Of Debian's package busybox-static.
pub const BUSYBOX: &str = "/bin/busybox";
const LAYER_BYTES: u64 = 25 << 20;
/// Directory trees that a Debian machine which builds Naru has. One layer each: programs,
/// libraries, headers, text.
const TREES: [&str; 6] = [
    "/usr/bin",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/include",
    "/usr/share/doc",
    "/usr/lib/gcc",
    "/usr/share/perl",
];
/// A new number makes cached images stale.
const CACHE_VERSION: u32 = 1;

/// busybox for this machine: one gzip layer of about 1 MB, `sh` as its command.
pub fn busybox() -> anyhow::Result<OciImage> {
    busybox_image(Path::new(BUSYBOX), host_architecture())
}

/// busybox for the other one of the two processors that there are machines for.
pub fn other_busybox() -> anyhow::Result<OciImage> {
    let architecture = if host_architecture() == "arm64" { "amd64" } else { "arm64" };
    busybox_image(&clients::other_busybox()?, architecture)
}

/// The same with more container settings, such as a health check.
pub fn busybox_with(settings: &Value) -> anyhow::Result<OciImage> {
    busybox_image_with(Path::new(BUSYBOX), host_architecture(), settings)
}

/// About 150 MB in six layers of Debian's files. The last layer also hides a file and empties a
/// directory of those below: `/naru/hidden` is gone, `/naru/emptied` has only `new`.
pub fn layered(compression: Compression) -> anyhow::Result<OciImage> {
    let trees: Vec<Vec<PathBuf>> = TREES.iter().map(|tree| chosen_files(Path::new(tree))).collect();
    let mut layers = Vec::new();
    for (number, files) in trees.iter().enumerate() {
        let listing = listing(files, number, compression);
        layers.push(cached(&listing, compression, || tree_layer(files, number))?);
    }
    OciImage::new(host_architecture(), &json!({ "Cmd": ["/usr/bin/true"] }), layers)
}

/// An index for amd64 and arm64; `/architecture` tells which one was taken.
pub fn two_architectures() -> anyhow::Result<OciImage> {
    let images = ["amd64", "arm64"].map(|architecture| {
        let mut layer = LayerWriter::new();
        layer.file("architecture", 0o644, architecture.as_bytes())?;
        let layer = layer.finish(Compression::Gzip)?;
        OciImage::new(architecture, &json!({ "Cmd": ["/architecture"] }), vec![layer])
    });
    OciImage::index(images.into_iter().collect::<anyhow::Result<_>>()?)
}

/// An image of the given layers, for this machine.
pub fn of_layers(layers: Vec<Layer>) -> anyhow::Result<OciImage> {
    OciImage::new(host_architecture(), &Value::Object(serde_json::Map::new()), layers)
}

/// The busybox image with everything below `root` in a second layer, and more files in a third,
/// as well as a directory `/data` of the user 33's.
pub(crate) fn of_tree(
    root: &Path,
    more: &[(&str, &[u8])],
    settings: &Value,
) -> anyhow::Result<OciImage> {
    let busybox = busybox_layer(Path::new(BUSYBOX))?;
    let mut files = Vec::new();
    files_of(root, &mut files)?;
    let listing = listing(&files, 0, Compression::None);
    let tree = cached(&listing, Compression::None, || {
        let mut layer = LayerWriter::new();
        for path in &files {
            add(&mut layer, path, path.strip_prefix(root)?)?;
        }
        Ok(layer)
    })?;
    let mut layer = LayerWriter::new();
    layer.owner(33, 33);
    layer.directory("data", 0o700)?;
    layer.owner(0, 0);
    for (name, content) in more {
        layer.file(name, 0o755, content)?;
    }
    let mut config = json!({ "Env": ["PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin"] });
    for (name, value) in settings.as_object().into_iter().flatten() {
        config[name] = value.clone();
    }
    let layers = vec![busybox, tree, layer.finish(Compression::Gzip)?];
    OciImage::new(host_architecture(), &config, layers)
}

/// Everything below a directory, each directory before what is in it, in order of name.
fn files_of(directory: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let mut inner: Vec<PathBuf> = fs::read_dir(directory)
        .with_context(|| format!("read {}", directory.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<anyhow::Result<_>>()?;
    inner.sort();
    for path in inner {
        let is_directory = fs::symlink_metadata(&path)?.is_dir();
        found.push(path.clone());
        if is_directory {
            files_of(&path, found)?;
        }
    }
    Ok(())
}

/// Adds a directory, symbolic link or file under a name.
fn add(layer: &mut LayerWriter, path: &Path, name: &Path) -> anyhow::Result<()> {
    let name = name.to_str().context("Debian's names are UTF-8")?;
    let metadata = fs::symlink_metadata(path)?;
    let mode = metadata.permissions().mode() & 0o7777;
    if metadata.is_symlink() {
        let target = fs::read_link(path)?;
        layer.symlink(name, target.to_str().context("Debian's names are UTF-8")?)
    } else if metadata.is_dir() {
        layer.directory(name, mode)
    } else {
        layer.file(name, mode, &fs::read(path)?)
    }
}

/// Layers that try to get out of their directory, and what each tries.
pub fn hostile_layers() -> anyhow::Result<Vec<(&'static str, Vec<u8>)>> {
    type Write = fn(&mut LayerWriter) -> anyhow::Result<()>;
    let cases: [(&'static str, Write); 6] = [
        ("climbing name", |layer| layer.file("../../escaped", 0o644, b"x")),
        ("climbing absolute name", |layer| layer.file("/../escaped", 0o644, b"x")),
        ("climbing hard link", |layer| layer.hard_link("link", "../../../etc/passwd")),
        ("hard link through a symbolic one", |layer| {
            layer.symlink("out", "/etc")?;
            layer.hard_link("link", "out/passwd")
        }),
        ("write through a symbolic link", |layer| {
            layer.symlink("out", "/tmp")?;
            layer.file("out/escaped", 0o644, b"x")
        }),
        ("forged whiteout", |layer| layer.character_device("etc", 0, 0)),
    ];
    cases
        .into_iter()
        .map(|(what, write)| {
            let mut layer = LayerWriter::new();
            layer.file("before", 0o644, b"x")?;
            write(&mut layer)?;
            Ok((what, layer.into_tar()))
        })
        .collect()
}

fn host_architecture() -> &'static str {
    match ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    }
}

fn tree_layer(files: &[PathBuf], number: usize) -> anyhow::Result<LayerWriter> {
    let mut layer = LayerWriter::new();
    layer.directory("naru", 0o755)?;
    match number {
        0 => {
            layer.file("naru/hidden", 0o644, b"never seen")?;
            layer.directory("naru/emptied", 0o755)?;
            layer.file("naru/emptied/old", 0o644, b"never seen")?;
        }
        5 => {
            layer.file("naru/.wh.hidden", 0o644, b"")?;
            layer.directory("naru/emptied", 0o755)?;
            layer.file("naru/emptied/.wh..wh..opq", 0o644, b"")?;
            layer.file("naru/emptied/new", 0o644, b"seen")?;
        }
        _ => {}
    }
    let mut directories = BTreeSet::new();
    for path in files {
        let name = path.strip_prefix("/")?.to_str().context("Debian's names are UTF-8")?;
        for directory in
            path.strip_prefix("/")?.ancestors().skip(1).collect::<Vec<_>>().iter().rev()
        {
            if !directory.as_os_str().is_empty() && directories.insert(directory.to_path_buf()) {
                let directory = directory.to_str().context("Debian's names are UTF-8")?;
                layer.directory(directory, 0o755)?;
            }
        }
        add(&mut layer, path, Path::new(name))?;
    }
    Ok(layer)
}

/// The tree's files in order of name, as many as fill a layer.
fn chosen_files(tree: &Path) -> Vec<PathBuf> {
    let (mut chosen, mut bytes) = (Vec::new(), 0);
    let mut waiting = vec![tree.to_owned()];
    while let Some(path) = waiting.pop() {
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        if metadata.is_dir() {
            let mut inner: Vec<PathBuf> = fs::read_dir(&path)
                .into_iter()
                .flatten()
                .filter_map(|entry| Some(entry.ok()?.path()))
                .collect();
            inner.sort_by(|left, right| right.cmp(left));
            waiting.extend(inner);
        } else if metadata.is_symlink()
            || (metadata.is_file() && bytes + metadata.len() <= LAYER_BYTES)
        {
            bytes += if metadata.is_file() { metadata.len() } else { 0 };
            chosen.push(path);
        }
    }
    chosen
}

/// What the layer is made of: names, sizes and times.
fn listing(files: &[PathBuf], number: usize, compression: Compression) -> String {
    let mut listing = format!("{CACHE_VERSION} {number} {compression:?}\n");
    for path in files {
        if let Ok(metadata) = fs::symlink_metadata(path) {
            let modified = metadata.modified().ok();
            // Writing to a string cannot fail.
            let _written = writeln!(listing, "{} {} {modified:?}", path.display(), metadata.len());
        }
    }
    listing
}

/// A layer made before from the same files, or a new one: compressing takes its time.
fn cached(
    listing: &str,
    compression: Compression,
    make: impl FnOnce() -> anyhow::Result<LayerWriter>,
) -> anyhow::Result<Layer> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-images");
    fs::create_dir_all(&directory)?;
    let key = digest(listing.as_bytes()).split_off("sha256:".len());
    let path = directory.join(key);
    // The tar's digest on the first line, the blob after it.
    if let Ok(content) = fs::read(&path)
        && let Some(end) = content.iter().position(|&byte| byte == b'\n')
    {
        let diff_id = String::from_utf8(content[..end].to_vec())?;
        return Ok(Layer { blob: content[end + 1..].to_vec(), diff_id, compression });
    }
    let layer = make()?.finish(compression)?;
    let half = tempfile::NamedTempFile::new_in(&directory)?;
    fs::write(half.path(), [layer.diff_id.as_bytes(), b"\n", &layer.blob].concat())?;
    half.persist(&path)?;
    Ok(layer)
}
