//! The images that a build stands on and takes files from.

use std::collections::HashMap;
use std::sync::Arc;

use naru_image_store::{Digest, Image, ImageReference, MadeLayer, Platform, PullEvent};

use super::error::BuildError;
use super::progress::Progress;
use super::request::BuildRequest;
use super::result::Material;
use super::stage::Stage;
use crate::engine::Engine;

/// Those that were looked for, each for one platform.
#[derive(Debug, Default)]
pub(super) struct BaseImages(HashMap<(String, String), BaseImage>);

/// One that was found.
#[derive(Debug)]
pub(super) struct BaseImage {
    /// A stage that is this image.
    pub(super) stage: Stage,
    /// Its manifest, if it came with one.
    digest: Option<Digest>,
}

/// An image that is needed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) platform: Platform,
}

impl BaseImages {
    pub(super) fn has(&self, wanted: &Wanted) -> bool {
        self.0.contains_key(&(wanted.name.clone(), wanted.platform.to_string()))
    }

    pub(super) fn add(&mut self, wanted: &Wanted, image: BaseImage) {
        self.0.insert((wanted.name.clone(), wanted.platform.to_string()), image);
    }

    /// All of them, in the order of their names.
    pub(super) fn materials(&self) -> Vec<Material> {
        let named = |((name, _), image): (&(String, String), &BaseImage)| {
            let reference = name.parse::<ImageReference>().ok();
            let url = reference.map(|reference| reference.package_url(&image.stage.platform));
            Material { name: url.unwrap_or_else(|| name.clone()), digest: image.digest.clone() }
        };
        let mut materials: Vec<Material> = self.0.iter().map(named).collect();
        materials.sort();
        materials
    }

    /// A stage that is this image.
    pub(super) fn stage(&self, name: &str, platform: &Platform) -> Result<Stage, BuildError> {
        let found = self.0.get(&(name.to_owned(), platform.to_string()));
        let unknown = || BuildError::NotFound(format!("image {name} was not looked for"));
        found.map(|image| image.stage.clone()).ok_or_else(unknown)
    }
}

/// What is read of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it: it is pulled if it is not here.
    Whole,
    /// What it says of itself.
    Configuration,
}

/// Finds an image, here or at its registry.
pub(super) async fn find(
    engine: &Engine,
    request: &BuildRequest,
    wanted: &Wanted,
    progress: &Arc<dyn Progress>,
    extent: Extent,
) -> Result<BaseImage, BuildError> {
    let here = match engine.images().resolve_for(&wanted.name, &wanted.platform) {
        Ok(image) if fits(&image, &wanted.platform) => Some(image),
        // Nothing is there, or it is for another platform.
        _ => None,
    };
    if extent == Extent::Configuration {
        let config = match here {
            Some(image) => image.raw_config,
            None => configuration(engine, request, wanted).await?,
        };
        let stage = Stage::on_image(wanted.platform.clone(), &config, Vec::new())?;
        return Ok(BaseImage { stage, digest: None });
    }
    let is_id = here.as_ref().is_some_and(|image| is_id(image, &wanted.name));
    let image = match here {
        Some(image) if !request.options.pull || is_id => image,
        _ => pull(engine, request, wanted, progress).await?,
    };
    let layers = hold(engine, &image)?;
    let stage = Stage::on_image(image.platform(), &image.raw_config, layers)?;
    Ok(BaseImage { stage, digest: image.manifest_digest })
}

async fn pull(
    engine: &Engine,
    request: &BuildRequest,
    wanted: &Wanted,
    progress: &Arc<dyn Progress>,
) -> Result<Image, BuildError> {
    let reference = reference(wanted)?;
    let credentials = request.secrets.credentials(reference.domain()).await?;
    let tell = |event: PullEvent| progress.pulling(&wanted.name, &event);
    let platform = Some(&wanted.platform);
    let pulled = engine.images().pull(&reference, platform, credentials.as_ref(), &tell).await?;
    let name = reference.familiar();
    engine.image_event("pull", &name, &name);
    Ok(pulled.image)
}

async fn configuration(
    engine: &Engine,
    request: &BuildRequest,
    wanted: &Wanted,
) -> Result<Vec<u8>, BuildError> {
    let reference = reference(wanted)?;
    let credentials = request.secrets.credentials(reference.domain()).await?;
    let images = engine.images();
    Ok(images.configuration(&reference, &wanted.platform, credentials.as_ref()).await?)
}

fn reference(wanted: &Wanted) -> Result<ImageReference, BuildError> {
    wanted.name.parse().map_err(|error| {
        let reason = naru_error::chain(&error);
        BuildError::Invalid(format!("failed to parse stage name {:?}: {reason}", wanted.name))
    })
}

/// Its layers, which stay from here on.
fn hold(engine: &Engine, image: &Image) -> Result<Vec<Arc<MadeLayer>>, BuildError> {
    let mut layers = Vec::new();
    for layer in &image.layers {
        let gone = || BuildError::NotFound(format!("image {} was removed", image.id));
        layers.push(Arc::new(engine.images().hold_layer(&layer.diff_id)?.ok_or_else(gone)?));
    }
    Ok(layers)
}

fn fits(image: &Image, wanted: &Platform) -> bool {
    wanted.rank(&image.platform()).is_some()
}

/// Whether the name is the image's id or the beginning of it: no registry knows it so.
fn is_id(image: &Image, name: &str) -> bool {
    let digits = name.strip_prefix("sha256:").unwrap_or(name);
    let id = image.id.to_string();
    let is_tag = image.tags.iter().any(|tag| tag.familiar() == name || tag.to_string() == name);
    !is_tag && id.strip_prefix("sha256:").is_some_and(|id| id.starts_with(digits))
}
