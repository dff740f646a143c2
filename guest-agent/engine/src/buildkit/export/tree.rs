//! All files of a result, into a directory of the client's.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use naru_buildkit::fsutil::{self, Entry, Kind};
use naru_buildkit::{BuildContext, BuildError};
use naru_error::ErrorKind;
use rustix::fs::{major, minor};
use tokio::fs::File;
use tokio::runtime::Handle;

use super::Told;
use crate::build::{Built, Context};
use crate::buildkit::drawing::OwnStep;
use crate::buildkit::failure::of_engine;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::files::{Node, NodeKind, SortedWalk, Tree};
use crate::image_files::merged;

pub(super) async fn export(
    engine: &Engine,
    context: &BuildContext,
    built: &[Arc<Built>],
    number: usize,
) -> Result<Told, BuildError> {
    let step = OwnStep::begin(context, "exporting to client directory");
    let sent = send(engine, context, built, number).await;
    step.end(sent)?;
    Ok(Told::new())
}

/// Sends on a thread that may block, until the build is cancelled.
async fn send(
    engine: &Engine,
    context: &BuildContext,
    built: &[Arc<Built>],
    number: usize,
) -> Result<(), BuildError> {
    let session = context.session().await?;
    let mut parts = Vec::with_capacity(built.len());
    for part in built {
        // As BuildKit names them.
        let name = (built.len() > 1).then(|| part.platform.to_string().replace('/', "_"));
        parts.push((name, files_of(engine, part).await?));
    }
    // In the order of a walk.
    parts.sort_by(|(one, _), (other, _)| one.cmp(other));
    let (runtime, cancelled) = (Handle::current(), context.cancelled().clone());
    let sent = engine.run_blocking(move || {
        let opened = parts.into_iter().map(|(name, files)| Part::new(name, files));
        let parts: io::Result<Vec<Part>> = opened.collect();
        let parts = parts.map_err(EngineError::io("reading", "what was built"))?;
        let mut tree = SentTree { parts, current: 0 };
        let sending = session.send_tree(number, &mut tree);
        Ok(runtime.block_on(cancelled.run_until_cancelled_owned(sending)))
    });
    match sent.await.map_err(of_engine)? {
        Some(sent) => Ok(sent?),
        None => Err(BuildError::new(ErrorKind::Cancelled, "the build was cancelled")),
    }
}

/// The files of a result, all layers together.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) tree: Tree,
    /// Empty directories, which the mount is made with.
    _scratch: Context,
}

/// Puts them together, as mounts that are nowhere. They are good as long as the result is held.
pub(super) async fn files_of(engine: &Engine, built: &Built) -> Result<Files, BuildError> {
    let layers: Vec<PathBuf> = built.layers.iter().map(|layer| layer.path().to_owned()).collect();
    let place = engine.paths().builds().join("contexts");
    let made = engine.run_blocking(move || {
        let (tree, scratch) = merged(&place, layers, "a build's result")?;
        Ok(Files { tree, _scratch: scratch })
    });
    made.await.map_err(of_engine)
}

/// The files of each platform, one after the other.
struct SentTree {
    parts: Vec<Part>,
    current: usize,
}

/// The files of one platform, which have a directory of their own if there are several.
struct Part {
    name: Option<String>,
    files: Files,
    walk: SortedWalk,
    is_told: bool,
}

impl Part {
    fn new(name: Option<String>, files: Files) -> io::Result<Self> {
        let walk = SortedWalk::new(files.tree.root()?)?;
        let is_told = name.is_none();
        Ok(Self { name, files, walk, is_told })
    }

    fn next(&mut self) -> io::Result<Option<Entry>> {
        let name = self.name.clone().unwrap_or_default();
        if !self.is_told {
            self.is_told = true;
            return Ok(Some(entry(name.into(), Kind::Directory, &self.files.tree.root()?)));
        }
        while let Some((path, node)) = self.walk.step()? {
            if let Some(kind) = kind(&node)? {
                let path = Path::new(&name).join(OsString::from_vec(path));
                return Ok(Some(entry(path, kind, &node)));
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl fsutil::Tree for SentTree {
    type File = File;

    async fn next(&mut self) -> io::Result<Option<Entry>> {
        while let Some(part) = self.parts.get_mut(self.current) {
            if let Some(entry) = part.next()? {
                return Ok(Some(entry));
            }
            self.current += 1;
        }
        Ok(None)
    }

    async fn open(&mut self, path: &Path) -> io::Result<File> {
        let inside = |part: &Part| match &part.name {
            Some(name) => path.strip_prefix(name).ok().map(Path::to_owned),
            None => Some(path.to_owned()),
        };
        let found = self.parts.iter().find_map(|part| Some((part, inside(part)?)));
        let (part, path) = found.ok_or(io::ErrorKind::NotFound)?;
        let node = part.files.tree.look(path.as_os_str().as_bytes())?;
        Ok(File::from_std(node.open_file()?))
    }
}

/// None of what is of no use to anyone else.
fn kind(node: &Node) -> io::Result<Option<Kind>> {
    let device = node.metadata().rdev();
    let (major, minor) = (major(device), minor(device));
    Ok(Some(match node.kind() {
        NodeKind::Directory => Kind::Directory,
        NodeKind::File => Kind::File,
        NodeKind::Symlink => Kind::Symlink(OsString::from_vec(node.link()?)),
        NodeKind::Fifo => Kind::Fifo,
        NodeKind::CharDevice => Kind::CharacterDevice { major, minor },
        NodeKind::BlockDevice => Kind::BlockDevice { major, minor },
        NodeKind::Socket => return Ok(None),
    }))
}

fn entry(path: PathBuf, kind: Kind, node: &Node) -> Entry {
    const NS: i64 = 1_000_000_000;
    let metadata = node.metadata();
    let size = if kind == Kind::File { metadata.size() } else { 0 };
    Entry {
        path,
        kind,
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        size,
        modified_ns: metadata.mtime().saturating_mul(NS).saturating_add(metadata.mtime_nsec()),
        xattrs: BTreeMap::new(),
    }
}
