//! A registry double: answers from a table, and misbehaves as it is told.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use naru_test_framework::oci::{OciImage, digest};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// What one path answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The body comes again and again, with no end to it.
    pub(crate) endless: bool,
    /// Nothing comes until this is changed.
    pub(crate) held: bool,
    /// The connection breaks after this many bytes, for so many requests.
    pub(crate) cut: Option<(usize, u32)>,
    pub(crate) ranges: bool,
    /// Another status with its `Retry-After`, for so many requests.
    pub(crate) busy: Option<(u16, String, u32)>,
    /// The `Authorization` header without which the answer is the challenge.
    pub(crate) needs: Option<(String, String)>,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// What the path is from: whoever takes it for a proxy asks for a whole URL.
    pub(crate) target: String,
    pub(crate) headers: HashMap<String, String>,
}

#[derive(Debug, Default)]
struct State {
    answers: HashMap<String, Answer>,
    requests: Vec<Request>,
    changed: Arc<Notify>,
}

/// A registry that ends with its handle.
#[derive(Debug)]
pub(crate) struct Double {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Drop for Double {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Double {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        let task = spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Ok(Self { address, state, task })
    }

    /// Serves an image under `/v2/app`, tagged `1`.
    pub(crate) fn publish(&self, image: &OciImage) {
        let manifest = Answer {
            status: 200,
            headers: vec![("Content-Type".to_owned(), image.media_type.clone())],
            body: image.document.clone(),
            ..Answer::default()
        };
        self.set("manifests/1", manifest.clone());
        self.set(&format!("manifests/{}", image.digest()), manifest);
        for blob in &image.blobs {
            let answer =
                Answer { status: 200, body: blob.clone(), ranges: true, ..Answer::default() };
            self.set(&format!("blobs/{}", digest(blob)), answer);
        }
        for manifest in &image.manifests {
            self.publish_child(manifest);
        }
    }

    fn publish_child(&self, image: &OciImage) {
        let tagged = self.answer("manifests/1");
        self.publish(image);
        if let Some(tagged) = tagged {
            self.set("manifests/1", tagged);
        }
    }

    pub(crate) fn set(&self, path: &str, answer: Answer) {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/v2/app/{path}") };
        self.lock().answers.insert(path, answer);
    }

    pub(crate) fn change(&self, path: &str, change: impl FnOnce(&mut Answer)) {
        let mut state = self.lock();
        if let Some(answer) = state.answers.get_mut(&format!("/v2/app/{path}")) {
            change(answer);
        }
        state.changed.notify_waiters();
    }

    fn answer(&self, path: &str) -> Option<Answer> {
        self.lock().answers.get(&format!("/v2/app/{path}")).cloned()
    }

    pub(crate) fn requests(&self, path: &str) -> Vec<Request> {
        let requests = &self.lock().requests;
        requests.iter().filter(|request| request.path.contains(path)).cloned().collect()
    }

    pub(crate) fn reference(&self) -> String {
        format!("{}/app:1", self.address)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::disallowed_methods, reason = "the double aborts its one task when dropped")]
fn spawn(future: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(future)
}

/// Answers requests on one connection until it is closed, by us after a cut.
async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let request = read(&mut stream).await?;
        let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
        lock().requests.push(request.clone());
        released(&state, &request.path).await;
        let mut answer = {
            let mut state = lock();
            let known = state.answers.get_mut(&request.path);
            let answer = known.as_ref().map(|answer| (**answer).clone());
            let busy = known.and_then(|answer| {
                if let Some((_, times)) = &mut answer.cut {
                    *times = times.saturating_sub(1);
                }
                let (status, after, times) = answer.busy.as_mut()?;
                *times = times.checked_sub(1)?;
                let headers = vec![("Retry-After".to_owned(), after.clone())];
                Some(Answer { status: *status, headers, ..Answer::default() })
            });
            busy.or(answer).unwrap_or_else(|| Answer { status: 404, ..Answer::default() })
        };
        if let Some((value, challenge)) = &answer.needs
            && request.headers.get("authorization") != Some(value)
        {
            let header = ("WWW-Authenticate".to_owned(), challenge.clone());
            answer = Answer { status: 401, headers: vec![header], ..Answer::default() };
        }
        if let Some(range) = request.headers.get("range").filter(|_| answer.ranges) {
            let from: usize = range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()?;
            let total = answer.body.len();
            if from >= total {
                answer = Answer { status: 416, ..Answer::default() };
            } else {
                answer.body.drain(..from);
                answer.status = 206;
                let value = format!("bytes {from}-{}/{total}", total - 1);
                answer.headers.push(("Content-Range".to_owned(), value));
            }
        }
        if answer.endless {
            return without_end(&mut stream, &answer).await;
        }
        let mut head = format!(
            "HTTP/1.1 {} Status\r\nContent-Length: {}\r\n",
            answer.status,
            answer.body.len()
        );
        for (name, value) in &answer.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).await.ok()?;
        match answer.cut {
            Some((at, times)) if times > 0 && at < answer.body.len() => {
                stream.write_all(&answer.body[..at]).await.ok()?;
                stream.flush().await.ok()?;
                return None;
            }
            _ => stream.write_all(&answer.body).await.ok()?,
        }
    }
}

/// Waits while the answer of `path` is held.
async fn released(state: &Mutex<State>, path: &str) {
    loop {
        let changed = {
            let state = state.lock().unwrap_or_else(PoisonError::into_inner);
            if !state.answers.get(path).is_some_and(|answer| answer.held) {
                return;
            }
            // Under the lock, so that no change is missed.
            Arc::clone(&state.changed).notified_owned()
        };
        changed.await;
    }
}

/// Ends with the connection, when who asked has had enough.
async fn without_end(stream: &mut BufReader<TcpStream>, answer: &Answer) -> Option<()> {
    let head = format!("HTTP/1.1 {} Status\r\nTransfer-Encoding: chunked\r\n\r\n", answer.status);
    stream.write_all(head.as_bytes()).await.ok()?;
    let size = format!("{:x}\r\n", answer.body.len());
    let chunk = [size.as_bytes(), &answer.body, b"\r\n"].concat();
    loop {
        stream.write_all(&chunk).await.ok()?;
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let target = line.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => {
                headers.insert(name.to_ascii_lowercase(), value.to_owned());
            }
            None => break,
        }
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    let path = match target.split_once("://") {
        Some((_, rest)) => &rest[rest.find('/').unwrap_or(rest.len())..],
        None => target.as_str(),
    };
    let path = path.split('?').next()?.to_owned();
    // The query is kept where the tests look at it.
    if let Some((_, query)) = target.split_once('?') {
        headers.insert("query".to_owned(), query.to_owned());
    }
    Some(Request { path, target, headers })
}
