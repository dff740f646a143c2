//! The busybox image: Debian's static busybox and a few files, the same bytes every time.
//!
//! The tests pull it from a registry, and `cargo xtask image` bundles it as the demo image.

use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::oci::{Compression, Layer, LayerWriter, OciImage};

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
    daemon:x:1:1:daemon:/usr/sbin:/bin/false\n\
    www-data:x:33:33:www-data:/www:/bin/false\n\
    nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n";
const GROUP: &str = "root:x:0:\ndaemon:x:1:\nadm:x:4:daemon\nwww-data:x:33:\nnogroup:x:65534:\n";
const PAGE: &str = "<!doctype html>\n<title>Naru</title>\n<p>Served from a container by Naru.\n";

/// The image made from the busybox program at `busybox`; `architecture` in Go's words.
pub fn busybox_image(busybox: &Path, architecture: &str) -> anyhow::Result<OciImage> {
    busybox_image_with(busybox, architecture, &json!({}))
}

/// The same with more container settings.
pub(crate) fn busybox_image_with(
    busybox: &Path,
    architecture: &str,
    settings: &Value,
) -> anyhow::Result<OciImage> {
    let layer = busybox_layer(busybox)?;
    let mut config = json!({
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        "Cmd": ["sh"],
    });
    for (name, value) in settings.as_object().into_iter().flatten() {
        config[name] = value.clone();
    }
    OciImage::new(architecture, &config, vec![layer])
}

/// The same as one OCI archive (a tar), whose image is called `name`; deterministic.
pub fn busybox_oci_archive(
    busybox: &Path,
    architecture: &str,
    name: &str,
) -> anyhow::Result<Vec<u8>> {
    busybox_image(busybox, architecture)?.archive(name)
}

/// Its one layer.
pub(crate) fn busybox_layer(busybox: &Path) -> anyhow::Result<Layer> {
    let program = std::fs::read(busybox).with_context(|| format!("read {}", busybox.display()))?;
    let applets = applets(&program)?;
    let mut layer = LayerWriter::new();
    for directory in ["bin", "dev", "etc", "home", "proc", "sys", "usr", "usr/bin", "var", "www"] {
        layer.directory(directory, 0o755)?;
    }
    layer.directory("root", 0o700)?;
    layer.directory("tmp", 0o1777)?;
    layer.file("bin/busybox", 0o755, &program)?;
    for applet in applets.iter().filter(|applet| **applet != "busybox") {
        layer.symlink(&format!("bin/{applet}"), "busybox")?;
    }
    layer.symlink("usr/bin/env", "../../bin/busybox")?;
    layer.file("etc/passwd", 0o644, PASSWD.as_bytes())?;
    layer.file("etc/group", 0o644, GROUP.as_bytes())?;
    layer.file("www/index.html", 0o644, PAGE.as_bytes())?;
    layer.finish(Compression::Gzip)
}

/// The applets' names, from the table inside the program: it need not run here.
fn applets(program: &[u8]) -> anyhow::Result<Vec<&str>> {
    const FIRST_TWO: &[u8] = b"[\0[[\0";
    let start = program
        .windows(FIRST_TWO.len())
        .position(|window| window == FIRST_TWO)
        .context("the busybox program has no table of applets")?;
    let names: Vec<&str> = program[start..]
        .split(|&byte| byte == 0)
        .map_while(|name| std::str::from_utf8(name).ok().filter(|name| !name.is_empty()))
        .collect();
    ensure!(names.contains(&"sh"), "the busybox program's table of applets lacks sh");
    Ok(names)
}
