//! An image in the store, and from there at its registry.

use std::sync::{Arc, Mutex, PoisonError};

use naru_buildkit::wire::control::{CacheOptionsEntry, Exporter};
use naru_buildkit::{BuildContext, BuildError};
use naru_error::ErrorKind;
use naru_image_store::{ImageReference, PushEvent, PushRequest};

use super::{Told, id, names, reference};
use crate::build::{BuildSecrets as _, Built, DockerfileText};
use crate::buildkit::drawing::OwnStep;
use crate::buildkit::failure;
use crate::buildkit::failure::of_engine;
use crate::buildkit::secrets::SessionSecrets;
use crate::engine::Engine;

pub(super) async fn export(
    engine: &Engine,
    context: &BuildContext,
    built: &Built,
    exporter: &Exporter,
) -> Result<Told, BuildError> {
    let names = names(exporter)?;
    let step = OwnStep::begin(context, "exporting to image");
    step.part("exporting layers", 0);
    let kept = engine.keep_built(built, &names).await;
    if kept.is_ok() {
        step.part(&format!("writing image {}", id(built)), 0);
        for name in &names {
            step.part(&format!("naming to {name}"), 0);
        }
    }
    let kept = kept.map_err(|error| failure::told(&error.into(), &DockerfileText::default()));
    step.end(kept)?;
    let mut told = Told::from([
        ("containerimage.config.digest".to_owned(), id(built).to_string()),
        ("containerimage.digest".to_owned(), id(built).to_string()),
    ]);
    if !names.is_empty() {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        told.insert("image.name".to_owned(), names.join(","));
    }
    // Of the other kind the client has the engine push them when the build is over.
    let is_pushed =
        exporter.r#type == "image" && exporter.attrs.get("push").is_some_and(|push| push == "true");
    if is_pushed {
        for name in &names {
            let digest = push(engine, context, name).await?;
            told.insert("containerimage.digest".to_owned(), digest);
        }
    }
    Ok(told)
}

/// The result as a cache for builds elsewhere, which is an image under another name.
pub(super) async fn export_cache(
    engine: &Engine,
    context: &BuildContext,
    built: &[Arc<Built>],
    cache: &CacheOptionsEntry,
) -> Result<(), BuildError> {
    let [built] = built else {
        return Err(super::unsupported("the cache export registry for several platforms"));
    };
    let missing =
        || BuildError::new(ErrorKind::InvalidArgument, "registry cache exporter requires ref");
    let name = reference(cache.attrs.get("ref").ok_or_else(missing)?)?;
    let kept = engine.keep_built(built, std::slice::from_ref(&name)).await;
    kept.map_err(|error| failure::told(&error.into(), &DockerfileText::default()))?;
    push(engine, context, &name).await.map(drop)
}

/// Pushes a tag; the digest of what the registry has then.
async fn push(
    engine: &Engine,
    context: &BuildContext,
    name: &ImageReference,
) -> Result<String, BuildError> {
    let step = OwnStep::begin(context, &format!("pushing {name}"));
    let pushed = async {
        let credentials = SessionSecrets::new(context.clone()).credentials(name.domain()).await;
        let credentials =
            credentials.map_err(|error| failure::told(&error, &DockerfileText::default()))?;
        let digest = Mutex::new(String::new());
        let progress = |event: PushEvent| {
            if let PushEvent::Pushed { digest: pushed, .. } = event {
                *digest.lock().unwrap_or_else(PoisonError::into_inner) = pushed.to_string();
            }
        };
        let request = PushRequest {
            reference: name,
            all_tags: false,
            platform: None,
            credentials: credentials.as_ref(),
        };
        engine.images().push(request, &progress).await.map_err(of_engine)?;
        let familiar = name.familiar();
        engine.image_event("push", &familiar, &familiar);
        Ok(digest.into_inner().unwrap_or_else(PoisonError::into_inner))
    };
    let pushed = pushed.await;
    step.end(pushed)
}
