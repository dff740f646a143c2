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
    /// A directory of the client's.
    Directory(Arc<Directory>),
    /// A stage or an image, by its layers and the key of them.
    Layers(Vec<Arc<MadeLayer>>, Fingerprint),
}

impl Source {
    /// Its files. Blocks.
    pub(super) fn tree(&self, workspace: &Workspace) -> Result<Tree> {
        match self {
            Self::Directory(directory) => {
                let path = &directory.path;
                Tree::at(path).map_err(EngineError::io("opening", path))
            }
            Self::Layers(layers, _) => workspace.readable(layers),
        }
    }

    /// The directories of which an overlay shows them, bottom first.
    pub(super) fn directories(&self, workspace: &Workspace) -> Vec<PathBuf> {
        match self {
            Self::Directory(directory) => vec![directory.path.clone()],
            Self::Layers(layers, _) if layers.is_empty() => vec![workspace.nothing()],
            Self::Layers(layers, _) => layers.iter().map(|layer| layer.path().to_owned()).collect(),
        }
    }

    /// What all its files are, where that is known without a look at them.
    pub(super) fn key(&self) -> Option<Fingerprint> {
        match self {
            Self::Directory(_) => None,
            Self::Layers(_, key) => Some(*key),
        }
    }
}

impl From<&Stage> for Source {
    fn from(stage: &Stage) -> Self {
        Self::Layers(stage.layers.clone(), stage.key())
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
        let Some(used) = used else {
            return Ok(Source::Directory(self.directory(None).await?));
        };
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
                _ => Ok(Source::Directory(self.directory(Some(name)).await?)),
            },
        }
    }

    fn image_source(&self, name: &str) -> Result<Source, BuildError> {
        let stage = self.images.stage(name, &self.platform)?;
        Ok(Source::from(&stage))
    }
}
