//! What the browser loads: the built pages, and the app behind one socket.
//!
//! On the loopback only, below a path that nobody can guess. The page is built with the mode
//! `loopback`, in which `ui/src/lib/host/loopback.ts` speaks to the socket: it sends calls, and
//! gets answers, items of streams and events, each a JSON object.

mod call;

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path as Route, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use naru_app::App;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use call::{Call, events_of_everything};

/// The window's own policy, but that the app is reached over the page's own address.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// Drops that a page may not have heard of yet.
const DROPS: usize = 16;

/// A running server.
#[derive(Debug)]
pub(crate) struct Host {
    url: String,
    shell: Shell,
    _ends: DropGuard,
}

/// What the shell would do for the page, and what it is told to answer.
#[derive(Clone, Debug)]
pub(super) struct Shell {
    opened: Arc<Mutex<Vec<String>>>,
    chosen: Arc<Mutex<VecDeque<PathBuf>>>,
    dropped: broadcast::Sender<Vec<PathBuf>>,
}

#[derive(Clone)]
struct Served {
    files: Arc<HashMap<String, (&'static str, Vec<u8>)>>,
    app: App,
    shell: Shell,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

impl Host {
    /// Serves the pages with `app` behind them.
    pub(crate) async fn serve(app: App) -> anyhow::Result<Self> {
        let token = format!("{:032x}", rand::random::<u128>());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}/{token}/", listener.local_addr()?);
        let shell = Shell {
            opened: Arc::default(),
            chosen: Arc::default(),
            dropped: broadcast::channel(DROPS).0,
        };
        let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
        let served = Served {
            files: Arc::new(pages()?),
            app,
            shell: shell.clone(),
            tasks: tasks.clone(),
            cancel: cancel.clone(),
        };
        let router = Router::new()
            .route(&format!("/{token}/"), get(index))
            .route(&format!("/{token}/app"), get(connect))
            .route(&format!("/{token}/{{*file}}"), get(file))
            .with_state(served);
        let end = cancel.clone();
        tasks.spawn(async move {
            end.run_until_cancelled(axum::serve(listener, router).into_future()).await
        });
        Ok(Self { url, shell, _ends: cancel.drop_guard() })
    }

    /// Where the pages are.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The addresses that the page had opened elsewhere.
    pub(crate) fn opened(&self) -> Vec<String> {
        self.shell.opened.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the next questions for a file are answered with.
    pub(crate) fn will_choose(&self, paths: impl IntoIterator<Item = PathBuf>) {
        self.shell.chosen.lock().unwrap_or_else(PoisonError::into_inner).extend(paths);
    }

    /// Drops these files on the page.
    pub(crate) fn drop_files(&self, paths: Vec<PathBuf>) -> anyhow::Result<()> {
        self.shell.dropped.send(paths).map(drop).context("no page is there")
    }
}

/// The built pages by path, read once: what is not among them is not there.
fn pages() -> anyhow::Result<HashMap<String, (&'static str, Vec<u8>)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/dist-loopback");
    let mut files = HashMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder)
            .with_context(|| format!("npm run build:loopback makes {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&root)?.display().to_string();
            files.insert(name, (content_type(&path), fs::read(&path)?));
        }
    }
    Ok(files)
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript",
        Some("css") => "text/css",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

async fn index(State(served): State<Served>) -> Response {
    page(&served, "index.html")
}

async fn file(State(served): State<Served>, Route(path): Route<String>) -> Response {
    page(&served, &path)
}

fn page(served: &Served, path: &str) -> Response {
    let Some((kind, content)) = served.files.get(path) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let head =
        [(CONTENT_TYPE, *kind), (CONTENT_SECURITY_POLICY, POLICY), (CACHE_CONTROL, "no-store")];
    (head, content.clone()).into_response()
}

async fn connect(State(served): State<Served>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |socket| {
        let cancel = served.cancel.clone();
        cancel.run_until_cancelled(converse(socket, served)).await;
    })
}

/// Carries calls in, and answers, items and events out, until the page is gone.
async fn converse(mut socket: WebSocket, served: Served) {
    let mut events = served.app.subscribe();
    let mut drops = served.shell.dropped.subscribe();
    let (sender, mut outgoing) = unbounded_channel();
    loop {
        tokio::select! {
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => take(text.as_str(), &served, &sender),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            Some(message) = outgoing.recv() => {
                let message: Value = message;
                if socket.send(Message::Text(message.to_string().into())).await.is_err() {
                    return;
                }
            }
            Ok(paths) = drops.recv() => drop(sender.send(json!({ "drop": paths }))),
            event = events.recv() => match event {
                Ok(event) => drop(sender.send(json!({ "event": event }))),
                // What was lost may have been any of them: the page reads all anew.
                Err(RecvError::Lagged(_)) => {
                    for event in events_of_everything(&served.app).await {
                        drop(sender.send(json!({ "event": event })));
                    }
                }
                Err(RecvError::Closed) => return,
            },
        }
    }
}

/// Begins what the page asks for.
fn take(text: &str, served: &Served, sender: &UnboundedSender<Value>) {
    let call: Call = match serde_json::from_str(text) {
        Ok(call) => call,
        Err(error) => {
            let message = format!("no call: {error}");
            return drop(sender.send(json!({ "broken": message })));
        }
    };
    let (app, shell, sender) = (served.app.clone(), served.shell.clone(), sender.clone());
    let cancel = served.cancel.clone();
    served.tasks.spawn(async move {
        cancel.run_until_cancelled(call.answer(&app, &shell, &sender)).await;
    });
}
