//! The files of an image, for as long as somebody looks at them: those of all its layers, as a
//! container finds them, or those of one layer as it lies.

use std::fs;
use std::path::{Path, PathBuf};

use naru_image_store::{Image, ImageHold};
use naru_shim::{ViewRequest, ViewRoot, view};

use crate::build::{BuildError, Context};
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::files::Tree;
use crate::spec::outside;

/// An image's files.
#[derive(Debug)]
pub(crate) struct ImageFiles {
    pub(crate) tree: Tree,
    _scratch: Option<Context>,
    /// Its layers stay as long as it does.
    _held: ImageHold,
}

impl Engine {
    /// The files of `image`, or of one of its layers; the lowest is 0.
    pub(crate) async fn files_of_image(
        &self,
        image: Image,
        layer: Option<usize>,
    ) -> Result<ImageFiles> {
        let held = self.images().hold(&image.id)?;
        let place = self.paths().builds().join("contexts");
        self.run_blocking(move || {
            let (tree, scratch) = match layer {
                None => {
                    let layers = image.layers.into_iter().map(|layer| layer.path).collect();
                    let (tree, scratch) = merged(&place, layers, "an image")?;
                    (tree, Some(scratch))
                }
                Some(number) => {
                    let layer = image.layers.into_iter().nth(number);
                    let none = || EngineError::NoSuchLayer { image: image.id.to_string(), number };
                    let path = layer.ok_or_else(none)?.path;
                    (Tree::at(&path).map_err(EngineError::io("opening", path))?, None)
                }
            };
            Ok(ImageFiles { tree, _scratch: scratch, _held: held })
        })
        .await
    }
}

/// What layers, the lowest first, are together, as mounts that are nowhere; and the empty
/// directories that these are made with, which are in `place`. Blocks.
pub(crate) fn merged(
    place: &Path,
    mut layers: Vec<PathBuf>,
    what: &'static str,
) -> Result<(Tree, Context)> {
    let scratch = Context::new(place).map_err(BuildError::from)?;
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
    let made =
        made.map_err(|source| EngineError::View { container_id: what.to_owned(), source })?;
    Ok((Tree::new(made), scratch))
}
