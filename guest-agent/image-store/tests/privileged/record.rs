//! A layer's tar is given back byte for byte, whoever wrote it and however oddly.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use std::process::Command;

use naru_image_store::{Digest, ImageError, ImageStore, RegistryConfig, Removal};
use naru_test_framework::images::of_layers;
use naru_test_framework::oci::{Compression, Layer, LayerWriter};
use tar::EntryType;
use tempfile::TempDir;

struct Store {
    directory: TempDir,
    store: ImageStore,
}

impl Store {
    async fn open() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let store = ImageStore::open(directory.path(), RegistryConfig::default()).await?;
        Ok(Self { directory, store })
    }

    /// Loads an image with this layer.
    async fn load(&self, tar: &[u8]) -> anyhow::Result<Digest> {
        let image = of_layers(vec![Layer::from_tar(tar, Compression::Zstd)?])?;
        let archive = image.docker_archive("layer:1")?;
        self.store.load(archive.as_slice(), None, &|_| {}).await?;
        Ok(Digest::of(tar))
    }

    fn read(&self, diff_id: &Digest) -> anyhow::Result<Vec<u8>> {
        let mut archive = self.store.layer_archive(diff_id)?;
        let mut content = Vec::new();
        archive.read_to_end(&mut content)?;
        assert_eq!(archive.size(), content.len() as u64);
        Ok(content)
    }

    /// Loads the layer and compares what is given back.
    async fn round_trip(&self, what: &str, tar: &[u8]) -> anyhow::Result<()> {
        let diff_id = self.load(tar).await?;
        assert!(self.read(&diff_id)? == tar, "{what}: the bytes differ");
        Ok(())
    }

    fn only_entry(&self, of: &str) -> anyhow::Result<std::path::PathBuf> {
        let mut entries = fs::read_dir(self.directory.path().join(of))?;
        Ok(entries.next().ok_or_else(|| anyhow::anyhow!("{of} is empty"))??.path())
    }
}

/// Files of every sort that tar knows.
fn tree(root: &Path) -> anyhow::Result<()> {
    fs::write(root.join("plain"), b"plain")?;
    fs::write(root.join("empty"), b"")?;
    fs::write(root.join("block"), [7; 512])?;
    fs::hard_link(root.join("plain"), root.join("other name"))?;
    symlink("plain", root.join("link"))?;
    let deep = root.join("d".repeat(90)).join("e".repeat(90)).join("f".repeat(90));
    fs::create_dir_all(&deep)?;
    fs::write(deep.join("g".repeat(200)), vec![1; 100_000])?;
    symlink("t".repeat(300), deep.join("long link"))?;
    let sparse = fs::File::create(root.join("sparse"))?;
    sparse.set_len(8 << 20)?;
    for part in 0..40 {
        sparse.write_all_at(b"island", part * 150_000)?;
    }
    Ok(())
}

fn gnu_tar(options: &[&str], root: &Path) -> anyhow::Result<Vec<u8>> {
    let arguments = [options, &["-cf", "-", "-C"]].concat();
    let made = Command::new("tar").args(arguments).arg(root).arg(".").output()?;
    anyhow::ensure!(made.status.success(), "tar: {made:?}");
    Ok(made.stdout)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gnu_tar_writes_is_given_back() -> anyhow::Result<()> {
    let source = tempfile::tempdir()?;
    tree(source.path())?;
    let store = Store::open().await?;
    for options in [
        &["--format=gnu"][..],
        &["--format=gnu", "--sparse", "--blocking-factor=1"],
        &["--format=oldgnu", "--sparse"],
        &["--format=posix", "--xattrs", "--acls"],
        &["--format=posix", "--sparse", "--sparse-version=0.0"],
        &["--format=posix", "--sparse", "--sparse-version=0.1"],
        &["--format=posix", "--sparse", "--sparse-version=1.0", "--blocking-factor=64"],
        &["--format=posix", "--pax-option=globexthdr.comment=hello"],
        &["--format=ustar", "--exclude=*eee*"],
        &["--format=v7", "--exclude=*eee*"],
        &["--format=gnu", "--hard-dereference"],
    ] {
        let tar = gnu_tar(options, source.path())?;
        store.round_trip(&format!("{options:?}"), &tar).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_ends_and_padding_are_given_back() -> anyhow::Result<()> {
    let store = Store::open().await?;
    let mut layer = LayerWriter::new();
    layer.file("a", 0o644, &[1; 700])?;
    layer.file("b/.wh.gone", 0o644, b"content that no file has")?;
    layer.file("b/.wh..wh..opq", 0o644, b"")?;
    layer.entry("hard", EntryType::Link, 0o644, Some("a"), b"a link with content")?;
    layer.entry("dir/", EntryType::Directory, 0o755, None, b"a directory with content")?;
    let tar = layer.into_tar();
    let end = tar.len() - 1024;
    let mut cases = vec![
        ("no end", tar[..end].to_vec()),
        ("half an end", tar[..end + 512].to_vec()),
        ("zeros", [&tar[..], &[0; 10_240]].concat()),
        ("garbage", [&tar[..], &b"garbage".repeat(100_000)].concat()),
        ("another archive", [&tar[..], &tar[..]].concat()),
        ("nothing", vec![0; 1024]),
    ];
    let mut padded = tar.clone();
    padded[512 + 700..1536].fill(b'#');
    cases.push(("padding that is not zero", padded));
    for (what, tar) in cases {
        store.round_trip(what, &tar).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_later_members_replace_is_given_back() -> anyhow::Result<()> {
    let store = Store::open().await?;
    let mut layer = LayerWriter::new();
    layer.directory("usr", 0o755)?;
    layer.directory("usr/lib", 0o755)?;
    layer.file("tree/inner/file", 0o644, b"1")?;
    layer.file("tree/inner/file", 0o644, b"22")?;
    layer.hard_link("tree/hard", "tree/inner/file")?;
    layer.file("tree", 0o644, b"333")?;
    layer.directory("tree", 0o755)?;
    layer.file("tree/inner/file", 0o644, b"4444")?;
    layer.symlink("tree", "elsewhere")?;
    layer.directory("elsewhere", 0o755)?;
    // Through the link, which then leads to another place, and then is a directory.
    layer.file("tree/file", 0o644, b"55555")?;
    layer.symlink("tree", "/usr/lib")?;
    layer.file("tree/file", 0o644, b"666666")?;
    layer.directory("tree", 0o755)?;
    layer.file("tree/file", 0o644, b"7777777")?;
    layer.symlink("elsewhere/file", "gone")?;
    layer.file(".wh.tree", 0o644, b"")?;
    layer.file("usr", 0o644, b"")?;
    layer.character_device("usr", 1, 3)?;
    let tar = layer.into_tar();
    store.round_trip("replaced members", &tar).await
}

/// Small numbers, the same ones each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % limit
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.below(of.len() as u64)).unwrap_or(0)]
    }
}

/// Members that fall over each other.
fn scramble(seed: u64) -> anyhow::Result<Vec<u8>> {
    let mut numbers = Numbers(seed);
    let mut layer = LayerWriter::new();
    let mut link = "a";
    for _ in 0..60 {
        // A directory takes the place of whatever was there, so that there is a way.
        let above = match numbers.pick(&["a", "a/b", "c", "link", ""]) {
            "a/b" => {
                layer.directory("a", 0o755)?;
                "a/b"
            }
            above => above,
        };
        match above {
            "" => {}
            "link" => {
                layer.directory(link, 0o755)?;
                layer.symlink("link", link)?;
            }
            above => layer.directory(above, 0o755)?,
        }
        let name = format!("{above}/{}", numbers.pick(&["a", "b", "c", "x"]));
        match numbers.below(8) {
            0 => layer.directory(&name, 0o755)?,
            1 => layer.symlink(&name, "/nowhere")?,
            2 => layer.character_device(&name, 1, 3)?,
            3 => link = numbers.pick(&["a", "c"]),
            4 => layer.file(&format!("{above}/.wh.b"), 0, b"")?,
            _ => {
                let length = usize::try_from(numbers.below(2000))?;
                let byte = u8::try_from(numbers.below(256))?;
                layer.file(&name, 0o644, &vec![byte; length])?;
                if numbers.below(2) == 0 {
                    layer.hard_link("hard", &name)?;
                }
            }
        }
    }
    let mut tar = layer.into_tar();
    tar.resize(tar.len() + usize::try_from(numbers.below(3000))?, b'!');
    Ok(tar)
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_fall_over_each_other_are_given_back() -> anyhow::Result<()> {
    let store = Store::open().await?;
    for seed in 0..40 {
        store.round_trip(&format!("seed {seed}"), &scramble(seed)?).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_layer_is_not_given_out_as_whole() -> anyhow::Result<()> {
    let store = Store::open().await?;
    let mut layer = LayerWriter::new();
    layer.file("file", 0o644, &[1; 5000])?;
    layer.file("other", 0o644, &[1; 5000])?;
    let diff_id = store.load(&layer.into_tar()).await?;
    let files = store.only_entry("layers")?;
    fs::write(files.join("file"), [2; 5000])?;
    let error = store.read(&diff_id).expect_err("its digest is another");
    assert!(error.to_string().contains("is damaged"), "{error}");
    fs::write(files.join("file"), [1; 4999])?;
    store.read(&diff_id).expect_err("it is shorter");
    // Whatever stands there instead, it is not read through a link.
    fs::remove_file(files.join("file"))?;
    symlink("other", files.join("file"))?;
    store.read(&diff_id).expect_err("it is a link");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_without_a_record_gets_one_with_the_next_load() -> anyhow::Result<()> {
    let store = Store::open().await?;
    let mut layer = LayerWriter::new();
    layer.file("file", 0o644, b"1")?;
    layer.file("file", 0o644, b"2")?;
    let tar = layer.into_tar();
    let diff_id = store.load(&tar).await?;
    let files = store.only_entry("layers")?;
    fs::remove_dir_all(store.only_entry("records")?)?;
    let error = store.store.layer_archive(&diff_id).expect_err("there is no record");
    assert!(matches!(error, ImageError::NoRecord { .. }), "{error}");
    store.round_trip("after the next load", &tar).await?;
    assert_eq!(store.only_entry("layers")?, files, "the files stay, they may be in use");
    assert_eq!(fs::read_dir(store.directory.path().join("ingest"))?.count(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_goes_with_its_layer() -> anyhow::Result<()> {
    let store = Store::open().await?;
    let mut layer = LayerWriter::new();
    layer.file("file", 0o644, b"1")?;
    let diff_id = store.load(&layer.into_tar()).await?;
    let archive = store.store.layer_archive(&diff_id)?;
    store.store.remove("layer:1", Removal::default(), &|_| None).await?;
    store.only_entry("records")?;
    drop(archive);
    store.store.prune(&|image| image.tags.is_empty(), &|_| None).await?;
    for directory in ["layers", "records", "ingest"] {
        let left = fs::read_dir(store.directory.path().join(directory))?.count();
        assert_eq!(left, 0, "{directory}");
    }
    Ok(())
}
