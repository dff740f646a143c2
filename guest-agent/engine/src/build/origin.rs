//! Files that an instruction takes from elsewhere than its own stage.

use std::path::PathBuf;
use std::sync::Arc;

use naru_dockerfile::{Fingerprint, Origin, image_key};
use naru_image_store::MadeLayer;

use super::building::Building;
use super::error::BuildError;
use super::files::Directory;
use super::request::NamedContext;
use super::stage::Stage;
use super::workspace::Workspace;
use crate::error::{EngineError, Result};
use crate::files::Tree;

/// Where files come from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// A directory of the client's, by the name of its context; none is the build's own.
    Context(Option<String>),
    /// A stage or an image, by its layers and the key of them.
    Layers(Vec<Arc<MadeLayer>>, Fingerprint),
}

/// The same once its files are there.
#[derive(Clone, Debug)]
pub(super) enum Opened {
    Directory(Arc<Directory>),
    Layers(Vec<Arc<MadeLayer>>),
}

impl From<&Stage> for Source {
    fn from(stage: &Stage) -> Self {
        Self::Layers(stage.layers.clone(), stage.key())
    }
}

impl Opened {
    /// Its files. Blocks.
    pub(super) fn tree(&self, workspace: &Workspace) -> Result<Tree> {
        match self {
            Self::Directory(directory) => {
                let path = &directory.path;
                Tree::at(path).map_err(EngineError::io("opening", path))
            }
            Self::Layers(layers) => workspace.readable(layers),
        }
    }

    /// The directories of which an overlay shows them, bottom first.
    pub(super) fn directories(&self, workspace: &Workspace) -> Vec<PathBuf> {
        match self {
            Self::Directory(directory) => vec![directory.path.clone()],
            Self::Layers(layers) if layers.is_empty() => vec![workspace.nothing()],
            Self::Layers(layers) => layers.iter().map(|layer| layer.path().to_owned()).collect(),
        }
    }
}

impl Building {
    /// Where an instruction takes its files from; the build's own directory if it does not say.
    pub(super) async fn source(
        &self,
        stage: usize,
        instruction: usize,
        mount: Option<usize>,
    ) -> Result<Source, BuildError> {
        let uses = &self.graph.nodes[stage].uses;
        let used = uses.iter().find(|used| {
            let number = used.mount.as_ref().map(|(number, _)| *number);
            used.instruction == instruction && number == mount
        });
        let Some(used) = used else { return Ok(Source::Context(None)) };
        match &used.origin {
            Origin::Scratch => {
                Ok(Source::Layers(Vec::new(), image_key(&self.platform.to_string(), &[])))
            }
            Origin::Stage(number) => Ok(Source::from(&*self.stage(*number).await?)),
            Origin::Image(name) => self.image_source(name),
            Origin::Context(name) => match self.request.options.contexts.get(name) {
                Some(NamedContext::Image(image)) => self.image_source(image),
                Some(NamedContext::Built(built)) => {
                    let diff_ids: Vec<String> =
                        built.layers.iter().map(|layer| layer.diff_id().to_string()).collect();
                    let key = image_key(&built.platform.to_string(), &diff_ids);
                    Ok(Source::Layers(built.layers.clone(), key))
                }
                _ => Ok(Source::Context(Some(name.clone()))),
            },
        }
    }

    /// Has the files of a source brought, if they are not here.
    pub(super) async fn open(&self, source: &Source) -> Result<Opened, BuildError> {
        match source {
            Source::Context(name) => Ok(Opened::Directory(self.directory(name.as_deref()).await?)),
            Source::Layers(layers, _) => Ok(Opened::Layers(layers.clone())),
        }
    }

    /// What all files of a source are, where that is known without a look at them.
    pub(super) async fn key_of(&self, source: &Source) -> Result<Option<Fingerprint>, BuildError> {
        let name = match source {
            Source::Context(name) => name.as_deref(),
            Source::Layers(_, key) => return Ok(Some(*key)),
        };
        match self.request.files.identity(name).await {
            // Some are known once they are here.
            None => Ok(self.directory(name).await?.identity),
            known => Ok(known),
        }
    }

    fn image_source(&self, name: &str) -> Result<Source, BuildError> {
        let stage = self.images.stage(name, &self.platform)?;
        Ok(Source::from(&stage))
    }
}
