//! What a registry does wrong, and what a pull makes of it.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use naru_image_store::{
    Credentials, ImageError, ImageStore, LayerState, PullEvent, Pulled, RegistryConfig,
    RegistryError,
};
use naru_test_framework::images::of_layers;
use naru_test_framework::oci::{Compression, LayerWriter, OciImage, digest};
use rustix::process::{getgid, getuid};
use tar::{Builder, Header};
use tempfile::TempDir;

use crate::registry::{Answer, Double};

/// Enough that it comes in many pieces.
const CONTENT: usize = 3 << 20;

/// An image of one uncompressed layer whose file belongs to whoever runs the test.
fn image() -> anyhow::Result<OciImage> {
    let content: Vec<u8> = (0..251_u8).cycle().take(CONTENT).collect();
    let mut tar = Builder::new(Vec::new());
    let mut header = Header::new_ustar();
    header.set_mode(0o644);
    header.set_uid(getuid().as_raw().into());
    header.set_gid(getgid().as_raw().into());
    header.set_size(content.len() as u64);
    tar.append_data(&mut header, "file", content.as_slice())?;
    let layer = naru_test_framework::oci::Layer::from_tar(&tar.into_inner()?, Compression::None)?;
    of_layers(vec![layer])
}

struct Bench {
    double: Double,
    store: ImageStore,
    directory: TempDir,
}

impl Bench {
    async fn new() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let store = ImageStore::open(directory.path(), RegistryConfig::default()).await?;
        Ok(Self { double: Double::start().await?, store, directory })
    }

    async fn with_image() -> anyhow::Result<(Self, String)> {
        let bench = Self::new().await?;
        let image = image()?;
        bench.double.publish(&image);
        Ok((bench, format!("blobs/{}", digest(&image.blobs[1]))))
    }

    async fn pull(&self, credentials: Option<&Credentials>) -> Result<Pulled, ImageError> {
        let reference = self.double.reference().parse()?;
        self.store.pull(&reference, None, credentials, &|_| {}).await
    }

    async fn refused(&self) -> anyhow::Result<ImageError> {
        match self.pull(None).await {
            Ok(pulled) => anyhow::bail!("it was pulled: {pulled:?}"),
            Err(error) => Ok(error),
        }
    }

    /// Neither a layer nor half of one.
    fn is_empty(&self) -> anyhow::Result<bool> {
        let count =
            |name| Ok::<_, std::io::Error>(fs::read_dir(self.directory.path().join(name))?.count());
        // The thread that cleans up may be at it still.
        while count("ingest")? > 0 {
            std::thread::yield_now();
        }
        Ok(count("layers")? == 0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_layer_goes_on_where_it_stopped() -> anyhow::Result<()> {
    let (bench, layer) = Bench::with_image().await?;
    bench.double.change(&layer, |answer| answer.cut = Some((1_000_000, 2)));
    let retried = AtomicUsize::new(0);
    let progress = |event| {
        if matches!(event, PullEvent::Layer { state: LayerState::Retrying { .. }, .. }) {
            retried.fetch_add(1, Ordering::Relaxed);
        }
    };
    let reference = bench.double.reference().parse()?;
    let pulled = bench.store.pull(&reference, None, None, &progress).await?;
    assert_eq!(pulled.image.size, CONTENT as u64);
    let requests = bench.double.requests(&layer);
    assert_eq!(requests.len(), 3);
    let ranges: Vec<_> = requests.iter().map(|request| request.headers.get("range")).collect();
    assert_eq!(ranges[0], None);
    assert_eq!(ranges[1].map(String::as_str), Some("bytes=1000000-"));
    assert_eq!(ranges[2].map(String::as_str), Some("bytes=2000000-"));
    assert_eq!(retried.into_inner(), 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_without_ranges_begins_the_layer_anew() -> anyhow::Result<()> {
    let (bench, layer) = Bench::with_image().await?;
    bench.double.change(&layer, |answer| {
        answer.ranges = false;
        answer.cut = Some((1_000_000, 1));
    });
    assert_eq!(bench.pull(None).await?.image.size, CONTENT as u64);
    assert_eq!(bench.double.requests(&layer).len(), 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_never_comes_whole_is_given_up() -> anyhow::Result<()> {
    let (bench, layer) = Bench::with_image().await?;
    bench.double.change(&layer, |answer| {
        answer.ranges = false;
        answer.cut = Some((1_000_000, u32::MAX));
    });
    let error = bench.refused().await?;
    assert!(matches!(error, ImageError::Registry(RegistryError::Unreachable { .. })), "{error}");
    assert!(bench.is_empty()?);
    Ok(())
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_named_with_the_cause_alone() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    // Freed at once: nobody listens on it.
    let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let reference = format!("{address}/busybox:1").parse()?;
    let error = bench.store.pull(&reference, None, None, &|_| {}).await.unwrap_err();
    let said = naru_error::chain(&error);
    let expected = format!("{address} cannot be reached: Connection refused (os error 111)");
    assert_eq!(said, expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_layer_is_refused_by_its_digest() -> anyhow::Result<()> {
    let (bench, layer) = Bench::with_image().await?;
    bench.double.change(&layer, |answer| answer.body[2_000_000] ^= 1);
    let error = bench.refused().await?;
    let expected = layer.trim_start_matches("blobs/");
    assert!(matches!(error, ImageError::Registry(RegistryError::DigestMismatch { .. })), "{error}");
    assert!(error.to_string().contains(expected), "{error}");
    assert!(bench.is_empty()?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_of_another_size_is_refused() -> anyhow::Result<()> {
    let (bench, layer) = Bench::with_image().await?;
    bench.double.change(&layer, |answer| answer.body.extend([0; 4096]));
    let error = bench.refused().await?;
    assert!(matches!(error, ImageError::Registry(RegistryError::SizeMismatch { .. })), "{error}");
    assert!(bench.is_empty()?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_lies_about_its_layer_is_refused() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let mut layer = naru_test_framework::oci::Layer::from_tar(&[0; 1024], Compression::Gzip)?;
    layer.diff_id = digest(b"something else");
    bench.double.publish(&of_layers(vec![layer])?);
    let error = bench.refused().await?;
    assert!(matches!(error, ImageError::DiffId { .. }), "{error}");
    assert!(bench.is_empty()?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_layer_fails_the_pull_and_is_named() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let mut layer = LayerWriter::new();
    layer.file("../../escaped", 0o644, b"x")?;
    bench.double.publish(&of_layers(vec![layer.finish(Compression::Gzip)?])?);
    let error = naru_error::chain(&bench.refused().await?);
    assert!(error.contains("\"../../escaped\" is outside of the layer"), "{error}");
    assert!(bench.is_empty()?);
    assert!(bench.store.list()?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_fetched_and_sent_to_nobody_else() -> anyhow::Result<()> {
    let (bench, layer) = Bench::with_image().await?;
    let (tokens, storage) = (Double::start().await?, Double::start().await?);
    let challenge =
        format!("Bearer realm=\"http://{}/token\",service=\"here\",scope=\"evil\"", tokens.address);
    let answer = br#"{"token":"secret"}"#.to_vec();
    tokens.set("/token", Answer { status: 200, body: answer, ..Answer::default() });
    // The layer lies elsewhere: a redirect leaves the registry.
    let body = image()?.blobs.remove(1);
    storage.set("/layer", Answer { status: 200, body, ranges: true, ..Answer::default() });
    let location = ("Location".to_owned(), format!("http://{}/layer", storage.address));
    bench.double.set(&layer, Answer { status: 307, headers: vec![location], ..Answer::default() });
    for path in ["manifests/1", &layer] {
        let needs = ("Bearer secret".to_owned(), challenge.clone());
        bench.double.change(path, |answer| answer.needs = Some(needs));
    }
    let credentials = Credentials {
        username: "me".to_owned(),
        password: "word".to_owned(),
        ..Credentials::default()
    };
    bench.pull(Some(&credentials)).await?;
    let token = &tokens.requests("/token")[0];
    assert_eq!(token.headers.get("authorization").map(String::as_str), Some("Basic bWU6d29yZA=="));
    let query = token.headers.get("query").map(String::as_str).unwrap_or_default();
    assert!(query.contains("scope=repository%3Aapp%3Apull"), "{query}");
    assert_eq!(storage.requests("/layer")[0].headers.get("authorization"), None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_a_registry_redirects_to_is_told_no_password() -> anyhow::Result<()> {
    let (bench, _) = Bench::with_image().await?;
    let (storage, tokens) = (Double::start().await?, Double::start().await?);
    let challenge = format!("Bearer realm=\"http://{}/token\"", tokens.address);
    let needs = Some(("nothing".to_owned(), challenge));
    storage.set("/manifest", Answer { status: 200, needs, ..Answer::default() });
    let location = ("Location".to_owned(), format!("http://{}/manifest", storage.address));
    bench
        .double
        .set("manifests/1", Answer { status: 307, headers: vec![location], ..Answer::default() });
    let credentials = Credentials {
        username: "me".to_owned(),
        password: "word".to_owned(),
        ..Credentials::default()
    };
    bench.pull(Some(&credentials)).await.expect_err("the challenge is not the registry's");
    assert_eq!(storage.requests("/manifest").len(), 1);
    assert!(tokens.requests("").is_empty(), "nobody else is asked for a token");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_leads_to_itself_by_name_alone_is_refused() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let platform = naru_image_store::Platform::host();
    let (claimed, mut body) = (digest(b"itself"), Vec::new());
    for _ in 0..2 {
        body = serde_json::to_vec(&serde_json::json!({
            "schemaVersion": 2,
            "manifests": [{
                "mediaType": "application/vnd.oci.image.index.v1+json",
                "digest": claimed, "size": body.len(),
                "platform": { "os": platform.os, "architecture": platform.architecture },
            }],
        }))?;
    }
    let answer = Answer { status: 200, body, ..Answer::default() };
    bench.double.set("manifests/1", answer.clone());
    bench.double.set(&format!("manifests/{claimed}"), answer);
    let error = bench.refused().await?;
    assert!(matches!(error, ImageError::Registry(RegistryError::DigestMismatch { .. })), "{error}");
    assert!(bench.is_empty()?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn basic_credentials_are_used_only_when_asked_for() -> anyhow::Result<()> {
    let (bench, _) = Bench::with_image().await?;
    let needs = ("Basic bWU6d29yZA==".to_owned(), "Basic realm=\"x\"".to_owned());
    bench.double.change("manifests/1", |answer| answer.needs = Some(needs));
    let mut credentials = Credentials {
        username: "me".to_owned(),
        password: "wrong".to_owned(),
        ..Credentials::default()
    };
    let error = bench.pull(Some(&credentials)).await.expect_err("the password is wrong");
    assert!(matches!(error, ImageError::Registry(RegistryError::Unauthorized { .. })), "{error}");
    "word".clone_into(&mut credentials.password);
    bench.pull(Some(&credentials)).await?;
    let first = &bench.double.requests("manifests/1")[0];
    assert_eq!(first.headers.get("authorization"), None, "it was not asked yet");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_said_in_dockers_words() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let name = format!("{}/app", bench.double.address);
    let errors = |code: &str, message: &str| {
        format!(r#"{{"errors":[{{"code":"{code}","message":"{message}"}}]}}"#).into_bytes()
    };
    for (status, body, expected) in [
        (
            403,
            errors("DENIED", "requested access to the resource is denied"),
            format!(
                "pull access denied for {name}, repository does not exist or may require \
                 'docker login': denied: requested access to the resource is denied"
            ),
        ),
        (
            404,
            errors("MANIFEST_UNKNOWN", "manifest unknown"),
            format!("manifest for {name}:1 not found: manifest unknown: manifest unknown"),
        ),
        (
            429,
            errors("TOOMANYREQUESTS", "slow \\u001b[31mdown"),
            "toomanyrequests: slow [31mdown".to_owned(),
        ),
    ] {
        bench.double.set("manifests/1", Answer { status, body, ..Answer::default() });
        assert_eq!(bench.refused().await?.to_string(), expected);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_that_are_old_large_or_something_else_are_refused() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    for (body, expected) in [
        (br#"{"schemaVersion":1,"fsLayers":[]}"#.to_vec(), "obsolete schema 1"),
        (vec![b' '; (4 << 20) + 1], "larger than 4194304 bytes"),
        (b"<html>".to_vec(), "is invalid"),
        (br#"{"schemaVersion":2,"manifests":[]}"#.to_vec(), "no matching manifest"),
        (br#"{"schemaVersion":2,"mediaType":"text/x"}"#.to_vec(), "unsupported media type text/x"),
    ] {
        bench.double.set("manifests/1", Answer { status: 200, body, ..Answer::default() });
        let error = bench.refused().await?.to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(bench.is_empty()?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_circle_of_redirects_ends() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let location = ("Location".to_owned(), "/v2/app/manifests/1".to_owned());
    bench
        .double
        .set("manifests/1", Answer { status: 302, headers: vec![location], ..Answer::default() });
    let error = bench.refused().await?.to_string();
    assert!(error.contains("circles"), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pulls_fetch_a_shared_layer_once() -> anyhow::Result<()> {
    let (bench, layer) = Bench::with_image().await?;
    let (first, second) = tokio::join!(bench.pull(None), bench.pull(None));
    assert_eq!(first?.image.id, second?.image.id);
    assert_eq!(bench.double.requests(&layer).len(), 1);
    Ok(())
}
