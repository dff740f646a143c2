//! Archives that lie about what is in them are refused.

use naru_image_store::Removal;
use naru_test_framework::oci::{LayerWriter, digest};
use serde_json::{Value, json};

use crate::archive_attacks::Store;

/// An archive of these files.
fn archive(files: &[(&str, &[u8])]) -> anyhow::Result<Vec<u8>> {
    let mut tar = LayerWriter::new();
    for (name, content) in files {
        tar.file(name, 0o644, content)?;
    }
    Ok(tar.into_tar())
}

/// The layer and the configuration of an image.
fn image_of_one_file() -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let mut layer = LayerWriter::new();
    layer.file("file", 0o644, b"file")?;
    let layer = layer.into_tar();
    let config = serde_json::to_vec(&json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
    }))?;
    Ok((layer, config))
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_that_lie_about_their_files_are_refused() -> anyhow::Result<()> {
    let store = Store::open().await?;
    let (layer, config) = image_of_one_file()?;
    let rows = |config: &str, layers: &[&str]| {
        json!([{ "Config": config, "RepoTags": ["x:1"], "Layers": layers }]).to_string()
    };
    let good = rows("c.json", &["layer.tar"]);
    let named = format!("{}.json", "0".repeat(64));
    let wrong_name = rows(&named, &["layer.tar"]);
    let none = rows("c.json", &[]);
    let outside = rows("../../../../../etc/passwd", &["layer.tar"]);
    let large = vec![b' '; 9 << 20];
    for (what, files, said) in [
        ("no such layer", vec![("manifest.json", good.as_bytes()), ("c.json", &config)], "lacks"),
        ("no layers", vec![("manifest.json", none.as_bytes()), ("c.json", &config)], "manifest 0"),
        (
            "another layer",
            vec![
                ("manifest.json", good.as_bytes()),
                ("c.json", &config),
                ("layer.tar", &layer),
                // Of two of one name the last counts.
                ("layer.tar", &layer[..512]),
            ],
            "",
        ),
        (
            "another configuration",
            vec![("manifest.json", wrong_name.as_bytes()), (&named, &config)],
            "does not have the digest",
        ),
        ("a path outside", vec![("manifest.json", outside.as_bytes())], "lacks"),
        ("a huge manifest", vec![("manifest.json", &large)], "too large"),
        ("no JSON", vec![("manifest.json", b"[{]")], "is invalid"),
        ("nothing", vec![], "neither manifest.json nor index.json"),
    ] {
        let error = store.load(&archive(&files)?).await.expect_err(what).to_string();
        assert!(error.contains(said), "{what}: {error}");
        store.is_well(what).await?;
    }
    // What comes between must not take the place of a name that comes twice.
    let files: [(&str, &[u8]); 4] = [
        ("c.json", b"first"),
        ("c.json", &config),
        ("layer.tar", &layer),
        ("manifest.json", good.as_bytes()),
    ];
    store.load(&archive(&files)?).await?;
    store.images.remove("x:1", Removal { force: true, ..Removal::default() }, &|_| None).await?;
    store.is_well("twice").await
}

#[tokio::test(flavor = "multi_thread")]
async fn links_in_an_archive_lead_only_to_its_own_files() -> anyhow::Result<()> {
    let store = Store::open().await?;
    for target in ["/etc/passwd", "manifest.json", "../../etc/passwd", "other"] {
        let mut tar = LayerWriter::new();
        tar.symlink("manifest.json", target)?;
        tar.symlink("other", "manifest.json")?;
        store.load(&tar.into_tar()).await.expect_err(target);
        store.is_well(target).await?;
    }
    Ok(())
}

type Change = fn(&mut Value);

/// An OCI layout whose one descriptor of a layer is changed.
fn layout(change: Change) -> anyhow::Result<Vec<u8>> {
    let (layer, config) = image_of_one_file()?;
    let describe = |kind: &str, content: &[u8]| {
        json!({
            "mediaType": format!("application/vnd.oci.image.{kind}"),
            "digest": digest(content), "size": content.len(),
        })
    };
    let mut described = describe("layer.v1.tar", &layer);
    change(&mut described);
    let manifest = serde_json::to_vec(&json!({
        "schemaVersion": 2,
        "config": describe("config.v1+json", &config),
        "layers": [described],
    }))?;
    let index =
        json!({ "schemaVersion": 2, "manifests": [describe("manifest.v1+json", &manifest)] });
    let path = |content: &[u8]| format!("blobs/{}", digest(content).replace(':', "/"));
    archive(&[
        ("index.json", index.to_string().as_bytes()),
        (&path(&manifest), &manifest),
        (&path(&config), &config),
        (&path(&layer), &layer),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn descriptors_that_lie_are_refused() -> anyhow::Result<()> {
    let store = Store::open().await?;
    let cases: [(&str, Change); 4] = [
        ("a smaller size", |layer| layer["size"] = 1.into()),
        ("a larger size", |layer| layer["size"] = u64::MAX.into()),
        ("a missing blob", |layer| layer["digest"] = digest(b"x").into()),
        ("a digest that is a path", |layer| layer["digest"] = "sha256:../../../etc/passwd".into()),
    ];
    for (what, change) in cases {
        store.load(&layout(change)?).await.expect_err(what);
        store.is_well(what).await?;
    }
    store.load(&layout(|_| {})?).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_named_again_and_again_is_read_once() -> anyhow::Result<()> {
    /// As large as one may be: reading it for each name would take the better part of an hour.
    const MANIFEST_LEN: usize = 8 << 20;
    const MANIFESTS: usize = 8;
    const INDEXES: usize = 1000;
    const TIMES: usize = 40;

    let store = Store::open().await?;
    let (layer, config) = image_of_one_file()?;
    let described = |kind: &str, content: &[u8]| {
        json!({
            "mediaType": format!("application/vnd.oci.image.{kind}.v1+json"),
            "digest": digest(content), "size": content.len(),
            "platform": { "architecture": "amd64", "os": "linux" },
        })
    };
    let manifests: Vec<Vec<u8>> = (0..MANIFESTS)
        .map(|number| {
            let missing = described("config", number.to_string().as_bytes());
            let manifest = json!({ "schemaVersion": 2, "config": missing, "layers": [] });
            let mut manifest = manifest.to_string().into_bytes();
            manifest.resize(MANIFEST_LEN, b' ');
            manifest
        })
        .collect();
    let all: Vec<Value> = manifests.iter().map(|content| described("manifest", content)).collect();
    let indexes: Vec<Vec<u8>> = (0..INDEXES)
        .map(|number| {
            let index = json!({
                "schemaVersion": 2, "manifests": all,
                "annotations": { "number": number.to_string() },
            });
            index.to_string().into_bytes()
        })
        .collect();
    let listed: Vec<Value> = indexes
        .iter()
        .map(|index| {
            let media_type = "application/vnd.oci.image.index.v1+json";
            json!({ "mediaType": media_type, "digest": digest(index), "size": index.len() })
        })
        .collect();
    let listed: Vec<&Value> = listed.iter().cycle().take(INDEXES * TIMES).collect();
    let listed = json!({ "schemaVersion": 2, "manifests": listed }).to_string();
    let rows = json!([{ "Config": "c.json", "RepoTags": ["x:1"], "Layers": ["layer.tar"] }]);

    let mut tar = LayerWriter::new();
    tar.file("manifest.json", 0o644, rows.to_string().as_bytes())?;
    tar.file("c.json", 0o644, &config)?;
    tar.file("layer.tar", 0o644, &layer)?;
    tar.file("index.json", 0o644, listed.as_bytes())?;
    for content in indexes.iter().chain(&manifests) {
        let path = format!("blobs/{}", digest(content).replace(':', "/"));
        tar.file(&path, 0o644, content)?;
    }
    store.load(&tar.into_tar()).await?;
    Ok(())
}
