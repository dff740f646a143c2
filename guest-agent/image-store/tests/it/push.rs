//! Pushes to registries whose connections break, or which forget and lie.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use naru_image_store::{
    Credentials, Digest, ImageError, ImageReference, ImageStore, PushEvent, PushRequest, PushState,
    RegistryConfig,
};
use naru_test_framework::images::of_layers;
use naru_test_framework::oci::{Compression, LayerWriter};
use rustix::process::{getgid, getuid};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, Notify};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Layers that are uploaded at the same time.
const AT_ONCE: usize = 5;

/// Does not become smaller by packing.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(size).collect()
}

/// What the registry does wrong, and what it got.
#[derive(Debug, Default)]
struct State {
    /// Connections break after so many bytes of each upload.
    cut_after: Option<usize>,
    cuts_left: u32,
    /// An upload whose connection broke is not known any more.
    forgets: bool,
    /// What it says the manifest's digest is.
    lies: Option<String>,
    /// Where it sends all uploads.
    elsewhere: Option<String>,
    /// Takes nothing of an upload before so many others are there.
    together: Option<Arc<Barrier>>,
    /// The name and the password without which nothing can be written.
    needs: Option<String>,
    uploads: Vec<Vec<u8>>,
    blobs: Vec<Digest>,
    manifests: Vec<Vec<u8>>,
    /// Method, path and authorization of all.
    requests: Vec<(String, String, Option<String>)>,
}

/// A registry for uploads; its connections end with its handle.
struct Target {
    address: String,
    state: Arc<Mutex<State>>,
    _connections: JoinSet<()>,
}

impl Target {
    async fn start(state: State) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?.to_string();
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let mut served = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                served.spawn(async move { while_open(stream, &state).await.unwrap_or_default() });
            }
        });
        Ok(Self { address, state, _connections: connections })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, method: &str) -> usize {
        self.state().requests.iter().filter(|(found, ..)| found == method).count()
    }
}

async fn while_open(stream: TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let mut words = line.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let (mut length, mut chunked, mut authorization) = (0, false, None);
        loop {
            line.clear();
            stream.read_line(&mut line).await.ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().ok()?,
                "transfer-encoding" => chunked = true,
                "authorization" => authorization = Some(value.to_owned()),
                _ => {}
            }
        }
        let (needed, number, together) = {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.requests.push((method.clone(), target.clone(), authorization.clone()));
            let number = target.rsplit('/').next()?.split('?').next()?.parse::<usize>().ok();
            let needed = state.needs.clone().filter(|needs| Some(needs) != authorization.as_ref());
            (needed, number, state.together.clone())
        };
        if method == "PATCH" && chunked {
            if let Some(together) = together {
                together.wait().await;
            }
            receive(&mut stream, state, number?).await?;
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        let answer = match needed {
            Some(_) => "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"".to_owned(),
            None => answer(state, &method, &target, number, body)?,
        };
        let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

/// Takes a chunked body, and ends with the connection where it is to break.
async fn receive(
    stream: &mut BufReader<TcpStream>,
    state: &Mutex<State>,
    number: usize,
) -> Option<()> {
    let mut this_time = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let size = usize::from_str_radix(line.trim(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        stream.read_exact(&mut chunk).await.ok()?;
        if size == 0 {
            return Some(());
        }
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.uploads.get_mut(number)?.extend_from_slice(&chunk[..size]);
        this_time += size;
        if state.cuts_left > 0 && state.cut_after.is_some_and(|after| this_time >= after) {
            state.cuts_left -= 1;
            return None;
        }
    }
}

fn answer(
    state: &Mutex<State>,
    method: &str,
    target: &str,
    number: Option<usize>,
    body: Vec<u8>,
) -> Option<String> {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let at = |number: usize| format!("Location: /v2/app/blobs/uploads/{number}");
    let found = |found: bool| if found { "200 OK" } else { "404 Not Found" }.to_owned();
    Some(match method {
        "HEAD" => {
            let digest: Digest = target.rsplit('/').next()?.parse().ok()?;
            found(state.blobs.contains(&digest))
        }
        "POST" => {
            state.uploads.push(Vec::new());
            let number = state.uploads.len() - 1;
            match &state.elsewhere {
                Some(elsewhere) => format!("202 Accepted\r\nLocation: {elsewhere}/{number}"),
                None => format!("202 Accepted\r\n{}", at(number)),
            }
        }
        "GET" if target.contains("/uploads/") => {
            let number = number?;
            let last = state.uploads.get(number)?.len().saturating_sub(1);
            if state.forgets {
                found(false)
            } else {
                format!("204 No Content\r\n{}\r\nRange: 0-{last}", at(number))
            }
        }
        "GET" => found(true),
        "PATCH" => format!("202 Accepted\r\n{}", at(number?)),
        "PUT" if target.contains("/uploads/") => {
            let mut content = std::mem::take(state.uploads.get_mut(number?)?);
            content.extend(body);
            let digest = Digest::of(&content);
            let fits = target.contains(&digest.hex().to_owned());
            state.blobs.push(digest);
            if fits { "201 Created" } else { "400 Bad Request" }.to_owned()
        }
        "PUT" => {
            let lie = state.lies.as_ref().map(|lie| format!("\r\nDocker-Content-Digest: {lie}"));
            state.manifests.push(body);
            format!("201 Created{}", lie.unwrap_or_default())
        }
        _ => found(false),
    })
}

/// A store with an image of one layer that is named as the target wants it.
async fn store(target: &Target) -> anyhow::Result<(TempDir, ImageStore, ImageReference)> {
    store_of(target, &[3 << 20]).await
}

/// The same of layers of these sizes.
async fn store_of(
    target: &Target,
    sizes: &[usize],
) -> anyhow::Result<(TempDir, ImageStore, ImageReference)> {
    let directory = tempfile::tempdir()?;
    let store = ImageStore::open(directory.path(), RegistryConfig::default()).await?;
    let mut layers = Vec::new();
    for (number, size) in sizes.iter().enumerate() {
        let mut layer = LayerWriter::new();
        layer.owner(getuid().as_raw(), getgid().as_raw());
        layer.file(&format!("noise-{number}"), 0o644, &noise(*size))?;
        layers.push(layer.finish(Compression::Gzip)?);
    }
    let image = of_layers(layers)?;
    let name = format!("{}/app:1", target.address);
    store.load(image.docker_archive(&name)?.as_slice(), None, &|_| {}).await?;
    let reference = name.parse()?;
    Ok((directory, store, reference))
}

async fn push(
    store: &ImageStore,
    reference: &ImageReference,
    credentials: Option<&Credentials>,
) -> (Result<(), ImageError>, Vec<PushEvent>) {
    let events = Mutex::new(Vec::new());
    let progress = |event| events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    let request = PushRequest { reference, all_tags: false, platform: None, credentials };
    let outcome = store.push(request, &progress).await;
    (outcome, events.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn retries(events: &[PushEvent]) -> usize {
    let retrying = |event: &&PushEvent| {
        matches!(event, PushEvent::Layer { state: PushState::Retrying { .. }, .. })
    };
    events.iter().filter(retrying).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_upload_goes_on_where_the_registry_says() -> anyhow::Result<()> {
    let cut = State { cut_after: Some(1_000_000), cuts_left: 2, ..State::default() };
    let target = Target::start(cut).await?;
    let (_directory, store, reference) = store(&target).await?;
    let (outcome, events) = push(&store, &reference, None).await;
    outcome?;
    assert_eq!(retries(&events), 2, "{events:?}");
    assert_eq!(target.count("PATCH"), 3);
    // One for the layer, one for the configuration: none began anew.
    assert_eq!(target.count("POST"), 2);
    assert_eq!(target.state().manifests.len(), 1);
    let (again, events) = push(&store, &reference, None).await;
    again?;
    let exists = PushState::AlreadyExists;
    assert!(events.iter().any(|event| matches!(
        event,
        PushEvent::Layer { state, .. } if *state == exists
    )));
    let manifests = target.state().manifests.clone();
    assert_eq!(manifests[0], manifests[1]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_after_one_that_was_cancelled_skips_what_is_there() -> anyhow::Result<()> {
    // The large layer does not come through, and is tried again until nobody wants it any more.
    let cut = State { cut_after: Some(1_000_000), cuts_left: u32::MAX, ..State::default() };
    let target = Target::start(cut).await?;
    let (_directory, store, reference) = store_of(&target, &[1 << 10, 3 << 20]).await?;
    let pushed = Notify::new();
    let progress = |event| {
        if matches!(event, PushEvent::Layer { state: PushState::Pushed, .. }) {
            pushed.notify_one();
        }
    };
    let request =
        PushRequest { reference: &reference, all_tags: false, platform: None, credentials: None };
    tokio::select! {
        outcome = store.push(request, &progress) => panic!("it came through: {outcome:?}"),
        () = pushed.notified() => {}
    }
    target.state().cuts_left = 0;
    let (again, events) = push(&store, &reference, None).await;
    again?;
    let skipped = |event: &&PushEvent| {
        matches!(event, PushEvent::Layer { state: PushState::AlreadyExists, .. })
    };
    assert_eq!(events.iter().filter(skipped).count(), 1, "{events:?}");
    // Both layers and the configuration, each once.
    assert_eq!(target.state().blobs.len(), 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_are_uploaded_side_by_side() -> anyhow::Result<()> {
    let together = Some(Arc::new(Barrier::new(AT_ONCE)));
    let target = Target::start(State { together, ..State::default() }).await?;
    let (_directory, store, reference) = store_of(&target, &[1 << 20; 2 * AT_ONCE]).await?;
    // One after the other they would wait for each other for ever.
    let (outcome, _) = timeout(Duration::from_mins(1), push(&store, &reference, None)).await?;
    outcome?;
    assert_eq!(target.count("PATCH"), 2 * AT_ONCE);
    assert_eq!(target.state().manifests.len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_the_registry_forgot_begins_anew() -> anyhow::Result<()> {
    let cut = State { cut_after: Some(1_000_000), cuts_left: 1, forgets: true, ..State::default() };
    let target = Target::start(cut).await?;
    let (_directory, store, reference) = store(&target).await?;
    let (outcome, _) = push(&store, &reference, None).await;
    outcome?;
    assert_eq!(target.count("POST"), 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_breaks_again_and_again_is_given_up() -> anyhow::Result<()> {
    let cut = State { cut_after: Some(1000), cuts_left: u32::MAX, ..State::default() };
    let target = Target::start(cut).await?;
    let (_directory, store, reference) = store(&target).await?;
    let (outcome, events) = push(&store, &reference, None).await;
    outcome.expect_err("it never comes whole");
    assert_eq!(retries(&events), 5, "{events:?}");
    assert!(target.state().manifests.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_stored_as_another_one_is_noticed() -> anyhow::Result<()> {
    let lie = Digest::of(b"another").to_string();
    let target = Target::start(State { lies: Some(lie), ..State::default() }).await?;
    let (_directory, store, reference) = store(&target).await?;
    let (outcome, _) = push(&store, &reference, None).await;
    let error = outcome.expect_err("it lies").to_string();
    assert!(error.contains("another digest"), "{error}");
    let image = store.resolve(&reference.to_string())?;
    assert!(image.repo_digests.is_empty(), "{:?}", image.repo_digests);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_do_not_follow_an_upload_elsewhere() -> anyhow::Result<()> {
    let storage = Target::start(State::default()).await?;
    storage.state().uploads = vec![Vec::new(); 4];
    let target = Target::start(State {
        elsewhere: Some(format!("http://{}/v2/app/blobs/uploads", storage.address)),
        needs: Some("Basic bWU6d29yZA==".to_owned()),
        ..State::default()
    })
    .await?;
    let (_directory, store, reference) = store(&target).await?;
    let credentials = Credentials {
        username: "me".to_owned(),
        password: "word".to_owned(),
        ..Credentials::default()
    };
    let (outcome, _) = push(&store, &reference, Some(&credentials)).await;
    outcome?;
    let requests = storage.state().requests.clone();
    assert!(requests.iter().any(|(method, ..)| method == "PATCH"), "{requests:?}");
    assert!(requests.iter().all(|(_, _, authorization)| authorization.is_none()), "{requests:?}");
    Ok(())
}
