//! Where a step is done: a directory of its own, with an overlay over the layers so far.

use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use naru_image_store::MadeLayer;
use naru_shim::{ViewRequest, ViewRoot, view};

use crate::container::{random_id, remove_or_tell};
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::files::{Tree, pack_and_tidy, pack_layer};
use crate::spec::{RootParts, outside};

/// The directory of one step, removed with all that is in it when this goes.
#[derive(Debug)]
pub(super) struct Workspace {
    engine: Engine,
    pub(super) id: String,
    path: PathBuf,
    /// Below the step, bottom first.
    layers: Vec<Arc<MadeLayer>>,
    /// Their files, once they were looked at.
    below: OnceLock<Arc<Tree>>,
}

impl Workspace {
    pub(super) fn new(engine: &Engine, layers: &[Arc<MadeLayer>]) -> Result<Arc<Self>> {
        let id = random_id();
        let path = engine.paths().builds().join(&id);
        let workspace = Self {
            engine: engine.clone(),
            id,
            path,
            layers: layers.to_vec(),
            below: OnceLock::new(),
        };
        let memory = workspace.memory();
        for directory in [&memory, &workspace.path] {
            let mut builder = std::fs::DirBuilder::new();
            // What is put into it for a process may be secret.
            let made = builder.recursive(true).mode(0o700).create(directory);
            made.map_err(EngineError::io("creating", directory))?;
        }
        for part in ["upper", "work", "empty", "nothing", "scratch"] {
            workspace.directory(part)?;
        }
        Ok(Arc::new(workspace))
    }

    /// One more directory of it.
    pub(super) fn directory(&self, name: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        std::fs::create_dir(&path).map_err(EngineError::io("creating", &path))?;
        Ok(path)
    }

    /// Its directory that is in memory, or at least gone after a reboot.
    pub(super) fn memory(&self) -> PathBuf {
        self.engine.sandbox_directory(&self.id)
    }

    /// What the step has written.
    pub(super) fn upper(&self) -> PathBuf {
        self.path.join("upper")
    }

    pub(super) fn work(&self) -> PathBuf {
        self.path.join("work")
    }

    /// A directory without anything in it.
    pub(super) fn empty(&self) -> PathBuf {
        self.path.join("empty")
    }

    /// Another one, which stands for no layers: an overlay takes no directory twice.
    pub(super) fn nothing(&self) -> PathBuf {
        self.path.join("nothing")
    }

    /// The layers below, at least one, since an overlay wants that.
    pub(super) fn lower(&self) -> Vec<PathBuf> {
        directories(&self.layers, &self.nothing())
    }

    /// The files as the step finds them, to be changed. Blocks.
    pub(super) fn writable(&self) -> Result<Tree> {
        let (lower, upper, work) = (self.lower(), self.upper(), self.work());
        let parts = RootParts { layers: &lower, upper: &upper, work: &work, directory: &self.path };
        self.view(&outside::build_overlay(parts)?)
    }

    /// The files as the step finds them. Blocks the first time.
    pub(super) fn below(&self) -> Result<Arc<Tree>> {
        if let Some(below) = self.below.get() {
            return Ok(Arc::clone(below));
        }
        let below = Arc::new(self.readable(&self.layers)?);
        Ok(Arc::clone(self.below.get_or_init(|| below)))
    }

    /// The files of other layers. Blocks.
    pub(super) fn readable(&self, layers: &[Arc<MadeLayer>]) -> Result<Tree> {
        let lower = directories(layers, &self.nothing());
        self.view(&outside::read_overlay(None, &lower, &self.empty())?)
    }

    fn view(&self, overlay: &oci_spec::runtime::Mount) -> Result<Tree> {
        let scratch = self.path.join("scratch");
        let root = ViewRoot::Overlay(overlay);
        let made = view(&ViewRequest { root, binds: &[], scratch: &scratch });
        let container_id = self.id.clone();
        Ok(Tree::new(made.map_err(|source| EngineError::View { container_id, source })?))
    }

    /// Makes a layer of what was written, in which nothing is younger than `epoch`; none of
    /// nothing.
    pub(super) async fn layer(
        self: &Arc<Self>,
        epoch: Option<Timestamp>,
    ) -> Result<Option<Arc<MadeLayer>>> {
        let images = self.engine.images();
        if epoch.is_none() {
            let (upper, below) = self.opened().await?;
            let is_whole = Arc::new(AtomicBool::new(true));
            let told = Arc::clone(&is_whole);
            let pack = move |out: &mut dyn Write| {
                if pack_and_tidy(out, &upper, &below)? {
                    return Ok(());
                }
                told.store(false, Ordering::Release);
                Err(io::ErrorKind::Unsupported.into())
            };
            match images.adopt_layer(self.upper(), pack).await {
                Ok(layer) => return Ok(layer.map(Arc::new)),
                // Some of it is not to be in the layer, which is made apart then.
                Err(_) if !is_whole.load(Ordering::Acquire) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let (upper, below) = self.opened().await?;
        let latest = epoch.map(Timestamp::as_second);
        let pack = move |out: &mut dyn Write| pack_layer(out, &upper, &below, latest);
        Ok(images.make_layer(pack).await?.map(Arc::new))
    }

    /// What was written, and what lies below.
    async fn opened(self: &Arc<Self>) -> Result<(Tree, Arc<Tree>)> {
        let workspace = Arc::clone(self);
        let opened = self.engine.run_blocking(move || {
            let upper = workspace.upper();
            let tree = Tree::at(&upper).map_err(EngineError::io("opening", upper))?;
            Ok((tree, workspace.below()?))
        });
        opened.await
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let directories = [self.memory(), self.path.clone()];
        self.engine.tasks().spawn_blocking(move || {
            for directory in &directories {
                remove_or_tell(directory);
            }
        });
    }
}

fn directories(layers: &[Arc<MadeLayer>], nothing: &Path) -> Vec<PathBuf> {
    if layers.is_empty() {
        return vec![nothing.to_owned()];
    }
    layers.iter().map(|layer| layer.path().to_owned()).collect()
}
