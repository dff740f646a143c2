//! A builder that shows what it is given, as a Dockerfile's comments tell it.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use naru_buildkit::fsutil::{Entry, Kind, Sink, Tree};
use naru_buildkit::wire::control::{DiskUsageRequest, PruneRequest, UsageRecord, Vertex};
use naru_buildkit::wire::google::Timestamp;
use naru_buildkit::wire::ops::Platform;
use naru_buildkit::wire::worker::{BuildkitVersion, WorkerRecord};
use naru_buildkit::{
    BuildContext, BuildError, Builder, ContextRequest, ExportRequest, SNAPSHOTTER_LABEL, Session,
    Solved, Target,
};
use tokio::sync::{Semaphore, mpsc};

const IMAGE: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The one step of a build: others of the same digest would be the same to buildx.
fn vertex(context: &BuildContext) -> String {
    let mut hasher = DefaultHasher::new();
    context.reference().hash(&mut hasher);
    format!("sha256:{:064x}", hasher.finish())
}

/// The builder.
#[derive(Debug)]
pub(crate) struct Shower {
    waiting: Semaphore,
    tidied: Semaphore,
    exports: Mutex<Vec<ExportRequest>>,
}

/// A Dockerfile, and what it is built on.
#[derive(Debug)]
pub(crate) struct Solution {
    dockerfile: Vec<u8>,
    upload: Option<usize>,
    inputs: Vec<String>,
}

impl Default for Shower {
    fn default() -> Self {
        let exports = Mutex::default();
        Self { waiting: Semaphore::new(0), tidied: Semaphore::new(0), exports }
    }
}

impl Shower {
    pub(crate) fn exports(&self) -> Vec<ExportRequest> {
        self.exports.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A build has begun to wait.
    pub(crate) async fn waiting(&self) -> anyhow::Result<()> {
        self.waiting.acquire().await?.forget();
        Ok(())
    }

    /// It was cancelled.
    pub(crate) async fn tidied(&self) -> anyhow::Result<()> {
        self.tidied.acquire().await?.forget();
        Ok(())
    }

    /// Shows the context, and gives it.
    async fn show(
        &self,
        context: &BuildContext,
        solution: &Solution,
    ) -> Result<Collected, BuildError> {
        let session = context.session().await?;
        let mut files = Collected::default();
        let say = |text: String| context.progress().log(&vertex(context), 1, (text + "\n").into());
        if let Some(length) = solution.upload {
            say(format!("an upload of {length} bytes"));
        } else {
            let request = ContextRequest {
                name: "context".to_owned(),
                exclude: vec!["*.log".to_owned()],
                ..ContextRequest::default()
            };
            session.receive_context(&request, &mut files).await?;
        }
        for entry in &files.entries {
            let path = entry.path.display();
            match &entry.kind {
                Kind::File => {
                    let length = files.contents.get(&entry.path).map_or(0, Vec::len);
                    say(format!("{path} {length}"));
                }
                Kind::Symlink(target) => say(format!("{path} -> {}", target.display())),
                _ => say(path.to_string()),
            }
        }
        for input in &solution.inputs {
            say(format!("on top of {input}: another build"));
        }
        for line in String::from_utf8_lossy(&solution.dockerfile).lines() {
            if let Some(id) = line.strip_prefix("# secret ") {
                match session.secret(id).await? {
                    Some(secret) => say(format!("secret {id} has {} bytes", secret.reveal().len())),
                    None => say(format!("secret {id} is not there")),
                }
            }
            if line == "# wait" {
                self.waiting.add_permits(1);
                context.cancelled().cancelled().await;
                self.tidied.add_permits(1);
            }
        }
        Ok(files)
    }
}

#[async_trait]
impl Builder for Shower {
    type Solution = Solution;

    fn version(&self) -> BuildkitVersion {
        BuildkitVersion { version: "v0.13.0".to_owned(), ..BuildkitVersion::default() }
    }

    fn capabilities(&self) -> Vec<&'static str> {
        vec!["exporter.multiple"]
    }

    async fn workers(&self) -> Result<Vec<WorkerRecord>, BuildError> {
        let platform = Platform {
            architecture: "amd64".to_owned(),
            os: "linux".to_owned(),
            ..Platform::default()
        };
        Ok(vec![WorkerRecord {
            id: "one".to_owned(),
            labels: BTreeMap::from([(SNAPSHOTTER_LABEL.to_owned(), "naru".to_owned())]),
            platforms: vec![platform],
            ..WorkerRecord::default()
        }])
    }

    async fn solve(
        &self,
        context: &BuildContext,
        target: Target<Solution>,
    ) -> Result<Solved<Solution>, BuildError> {
        let session = context.session().await?;
        let mut solution = Solution { dockerfile: Vec::new(), upload: None, inputs: Vec::new() };
        if let Some(address) = target.attributes.get("context")
            && let Some(path) = Session::upload_path(address)
        {
            let mut archive = Vec::new();
            session.receive_upload(path, &mut archive).await?;
            solution.upload = Some(archive.len());
        } else {
            let request = ContextRequest {
                name: "dockerfile".to_owned(),
                follow: vec!["Dockerfile".to_owned()],
                ..ContextRequest::default()
            };
            let mut files = Collected::default();
            session.receive_context(&request, &mut files).await?;
            solution.dockerfile =
                files.contents.remove(Path::new("Dockerfile")).unwrap_or_default();
        }
        let text = String::from_utf8_lossy(&solution.dockerfile).into_owned();
        if let Some(line) = text.lines().position(|line| line.starts_with("FRM")) {
            let line = i32::try_from(line + 1).unwrap_or(0);
            let kind = naru_error::ErrorKind::InvalidArgument;
            return Err(BuildError::new(kind, "unknown instruction: FRM").in_source(
                "Dockerfile",
                text.as_bytes(),
                &[(line, line)],
            ));
        }
        // `context:base` is `input:NAME`, and NAME the key of an input.
        for (name, value) in &target.attributes {
            if let Some(name) = name.strip_prefix("context:")
                && let Some(input) = value.strip_prefix("input:")
                && target.inputs.contains_key(input)
            {
                solution.inputs.push(name.to_owned());
            }
        }
        Ok(Solved { solution: Some(solution), metadata: BTreeMap::new() })
    }

    async fn evaluate(
        &self,
        context: &BuildContext,
        solution: Arc<Solution>,
    ) -> Result<(), BuildError> {
        self.show(context, &solution).await.map(drop)
    }

    async fn export(
        &self,
        context: &BuildContext,
        solution: Arc<Solution>,
        request: ExportRequest,
    ) -> Result<BTreeMap<String, String>, BuildError> {
        let mut vertex = Vertex {
            digest: vertex(context),
            name: "[1/1] show the context".to_owned(),
            started: Some(Timestamp::now()),
            ..Vertex::default()
        };
        context.progress().vertex(vertex.clone());
        let files = self.show(context, &solution).await?;
        vertex.completed = Some(Timestamp::now());
        context.progress().vertex(vertex);
        let session = context.session().await?;
        for (number, exporter) in request.exporters.iter().enumerate() {
            match exporter.r#type.as_str() {
                "local" => {
                    let entries = files.entries.clone().into();
                    let mut tree = Sent { entries, contents: files.contents.clone() };
                    session.send_tree(number, &mut tree).await?;
                }
                "tar" => {
                    let archive = vec![b'a'; 1 << 20];
                    session.send_archive(number, &BTreeMap::new(), archive.as_slice()).await?;
                }
                _ => {}
            }
        }
        self.exports.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        Ok(BTreeMap::from([("containerimage.digest".to_owned(), IMAGE.to_owned())]))
    }

    async fn disk_usage(&self, _: DiskUsageRequest) -> Result<Vec<UsageRecord>, BuildError> {
        Ok(vec![UsageRecord { id: "piece".to_owned(), size: 7, ..UsageRecord::default() }])
    }

    async fn prune(
        &self,
        _: PruneRequest,
        removed: mpsc::Sender<UsageRecord>,
    ) -> Result<(), BuildError> {
        let record = UsageRecord { id: "piece".to_owned(), size: 7, ..UsageRecord::default() };
        // A client that is gone does not need to know.
        drop(removed.send(record).await);
        Ok(())
    }
}

/// Files in memory.
#[derive(Debug, Default)]
struct Collected {
    entries: Vec<Entry>,
    contents: BTreeMap<PathBuf, Vec<u8>>,
}

#[async_trait]
impl Sink for Collected {
    type File = (PathBuf, Vec<u8>);

    async fn entry(&mut self, entry: &Entry) -> io::Result<bool> {
        self.entries.push(entry.clone());
        Ok(true)
    }

    async fn open(&mut self, path: &Path) -> io::Result<Self::File> {
        Ok((path.to_owned(), Vec::new()))
    }

    async fn write(&mut self, file: &mut Self::File, data: Bytes) -> io::Result<()> {
        file.1.extend_from_slice(&data);
        Ok(())
    }

    async fn close(&mut self, (path, contents): Self::File) -> io::Result<()> {
        self.contents.insert(path, contents);
        Ok(())
    }
}

/// The same on their way back.
struct Sent {
    entries: VecDeque<Entry>,
    contents: BTreeMap<PathBuf, Vec<u8>>,
}

#[async_trait]
impl Tree for Sent {
    type File = Cursor<Vec<u8>>;

    async fn next(&mut self) -> io::Result<Option<Entry>> {
        Ok(self.entries.pop_front())
    }

    async fn open(&mut self, path: &Path) -> io::Result<Self::File> {
        let contents = self.contents.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Cursor::new(contents.clone()))
    }
}
