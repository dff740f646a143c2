//! An image in the store, and from there at its registry.

use std::collections::BTreeMap;
use std::sync::Arc;

use naru_buildkit::wire::control::{CacheOptionsEntry, Exporter};
use naru_buildkit::{BuildContext, BuildError};
use naru_error::ErrorKind;
use naru_image_store::{Attestation, ImageReference, MediaTypes, Outgoing, PushEvent};

use super::{Told, id, names, outgoing, reference};
use crate::build::{BuildSecrets as _, Built, CacheMode, DockerfileText};
use crate::buildkit::drawing::OwnStep;
use crate::buildkit::failure;
use crate::buildkit::failure::of_engine;
use crate::buildkit::secrets::SessionSecrets;
use crate::engine::Engine;
use crate::error::EngineError;

/// Whether it goes to its registry when it is done. Of the other kind of images the client has
/// the engine push them when the build is over.
pub(super) fn is_pushed(exporter: &Exporter) -> bool {
    exporter.r#type == "image" && exporter.attrs.get("push").is_some_and(|push| push == "true")
}

/// An image in the store, for one platform or several.
pub(super) async fn export(
    engine: &Engine,
    context: &BuildContext,
    built: &[Arc<Built>],
    exporter: &Exporter,
) -> Result<Told, BuildError> {
    let names = names(exporter)?;
    let step = OwnStep::begin(context, "exporting to image");
    step.part("exporting layers", 0);
    let parts: Vec<&Built> = built.iter().map(Arc::as_ref).collect();
    let kept = engine.keep_built(&parts, &names).await;
    if kept.is_ok() {
        for built in parts {
            step.part(&format!("writing image {}", id(built)), 0);
        }
        for name in &names {
            step.part(&format!("naming to {name}"), 0);
        }
    }
    let id = step.end(kept.map_err(of_engine))?.to_string();
    let mut told = Told::from([
        ("containerimage.config.digest".to_owned(), id.clone()),
        ("containerimage.digest".to_owned(), id),
    ]);
    if !names.is_empty() {
        told.insert("image.name".to_owned(), joined(&names));
    }
    Ok(told)
}

/// An image in the store and at its registry.
pub(super) async fn export_and_push(
    engine: &Engine,
    context: &BuildContext,
    (built, attestations): (&[Arc<Built>], &[Option<Attestation>]),
    exporter: &Exporter,
) -> Result<Told, BuildError> {
    let mut told = export(engine, context, built, exporter).await?;
    let types = media_types(&exporter.attrs);
    for name in &names(exporter)? {
        let images = (outgoing(built, attestations), types);
        let digest = push(engine, context, images, name).await?;
        told.insert("containerimage.digest".to_owned(), digest);
    }
    Ok(told)
}

/// The steps of the result as a cache for builds elsewhere, which is an image that is only at its
/// registry.
pub(super) async fn export_cache(
    engine: &Engine,
    context: &BuildContext,
    built: &[Arc<Built>],
    cache: &CacheOptionsEntry,
) -> Result<(), BuildError> {
    let missing =
        || BuildError::new(ErrorKind::InvalidArgument, "registry cache exporter requires ref");
    let name = reference(cache.attrs.get("ref").ok_or_else(missing)?)?;
    let is_whole = cache.attrs.get("mode").is_some_and(|mode| mode == "max");
    let mode = if is_whole { CacheMode::Max } else { CacheMode::Min };
    let images = built
        .iter()
        .map(|built| Ok(Outgoing { config: built.cache(mode)?, attestation: None }))
        .collect::<Result<_, EngineError>>()
        .map_err(of_engine)?;
    push(engine, context, (images, media_types(&cache.attrs)), &name).await.map(drop)
}

fn media_types(attributes: &BTreeMap<String, String>) -> MediaTypes {
    match attributes.get("oci-mediatypes").map(String::as_str) {
        Some("true") => MediaTypes::Oci,
        _ => MediaTypes::Any,
    }
}

/// Pushes the result; the digest of what the registry has then.
async fn push(
    engine: &Engine,
    context: &BuildContext,
    (images, types): (Vec<Outgoing>, MediaTypes),
    name: &ImageReference,
) -> Result<String, BuildError> {
    let step = OwnStep::begin(context, &format!("pushing {name}"));
    let pushed = async {
        let credentials = SessionSecrets::new(context.clone()).credentials(name.domain()).await;
        let credentials =
            credentials.map_err(|error| failure::told(&error, &DockerfileText::default()))?;
        let progress = |_: PushEvent| {};
        let store = engine.images();
        let pushing = store.push_made(name, images, types, credentials.as_ref(), &progress);
        let digest = pushing.await.map_err(of_engine)?;
        let familiar = name.familiar();
        engine.image_event("push", &familiar, &familiar);
        Ok(digest.to_string())
    };
    let pushed = pushed.await;
    step.end(pushed)
}

fn joined(names: &[ImageReference]) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    names.join(",")
}
