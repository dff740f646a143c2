//! All files of a result, into a directory of the client's.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use naru_buildkit::fsutil::{self, Entry, Kind};
use naru_buildkit::{BuildContext, BuildError};
use naru_error::ErrorKind;
use naru_shim::{ViewRequest, ViewRoot, view};
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
use crate::spec::outside;

pub(super) async fn export(
    engine: &Engine,
    context: &BuildContext,
    built: &Built,
    number: usize,
) -> Result<Told, BuildError> {
    let step = OwnStep::begin(context, "exporting to client directory");
    let sent = match files_of(engine, built).await {
        Ok(files) => send(engine, context, files, number).await,
        Err(error) => Err(error),
    };
    step.end(sent)?;
    Ok(Told::new())
}

/// Sends on a thread that may block, until the build is cancelled.
async fn send(
    engine: &Engine,
    context: &BuildContext,
    files: Files,
    number: usize,
) -> Result<(), BuildError> {
    let session = context.session().await?;
    let (runtime, cancelled) = (Handle::current(), context.cancelled().clone());
    let sent = engine.run_blocking(move || {
        let opened = files.tree.root().and_then(SortedWalk::new);
        let walk = opened.map_err(EngineError::io("reading", "what was built"))?;
        let mut tree = SentTree { files, walk };
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
    let mut layers: Vec<PathBuf> =
        built.layers.iter().map(|layer| layer.path().to_owned()).collect();
    let place = engine.paths().builds().join("contexts");
    let made = engine.run_blocking(move || {
        let scratch = Context::new(&place).map_err(crate::build::BuildError::from)?;
        let [empty, nothing] = ["empty", "nothing"].map(|name| scratch.path().join(name));
        for directory in [&empty, &nothing] {
            fs::create_dir(directory).map_err(EngineError::io("creating", directory))?;
        }
        // An overlay wants two directories that are not the same.
        if layers.is_empty() {
            layers.push(nothing);
        }
        let overlay = outside::read_overlay(None, &layers, &empty)?;
        let root = ViewRoot::Overlay(&overlay);
        let made = view(&ViewRequest { root, binds: &[], scratch: &empty });
        let container_id = "a build's result".to_owned();
        let made = made.map_err(|source| EngineError::View { container_id, source })?;
        Ok(Files { tree: Tree::new(made), _scratch: scratch })
    });
    made.await.map_err(of_engine)
}

struct SentTree {
    files: Files,
    walk: SortedWalk,
}

#[async_trait]
impl fsutil::Tree for SentTree {
    type File = File;

    async fn next(&mut self) -> io::Result<Option<Entry>> {
        while let Some((path, node)) = self.walk.step()? {
            if let Some(kind) = kind(&node)? {
                return Ok(Some(entry(OsString::from_vec(path), kind, &node)));
            }
        }
        Ok(None)
    }

    async fn open(&mut self, path: &Path) -> io::Result<File> {
        let node = self.files.tree.look(OsStr::as_bytes(path.as_os_str()))?;
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

fn entry(path: OsString, kind: Kind, node: &Node) -> Entry {
    const NS: i64 = 1_000_000_000;
    let metadata = node.metadata();
    let size = if kind == Kind::File { metadata.size() } else { 0 };
    Entry {
        path: path.into(),
        kind,
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        size,
        modified_ns: metadata.mtime().saturating_mul(NS).saturating_add(metadata.mtime_nsec()),
        xattrs: BTreeMap::new(),
    }
}
