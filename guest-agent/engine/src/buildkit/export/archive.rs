//! Archives: of an image, or of the files in it.

use std::io;

use futures::StreamExt as _;
use naru_buildkit::wire::control::Exporter;
use naru_buildkit::{BuildContext, BuildError};
use naru_image_store::{Digest, Outgoing};
use tokio_util::io::StreamReader;

use super::tree::files_of;
use super::{Told, names};
use crate::build::Built;
use crate::buildkit::drawing::OwnStep;
use crate::buildkit::failure::of_engine;
use crate::engine::Engine;
use crate::files::pack_content;
use crate::written::written;

/// An image as `docker load` and OCI's tools take it: one archive is both, but for one of several
/// platforms, which is OCI's alone.
pub(super) async fn image(
    engine: &Engine,
    context: &BuildContext,
    images: Vec<Outgoing>,
    exporter: &Exporter,
    number: usize,
) -> Result<Told, BuildError> {
    let step = OwnStep::begin(context, &format!("exporting to {} image format", exporter.r#type));
    let names = names(exporter)?;
    let mut told = Told::new();
    if let [image] = images.as_slice() {
        let id = Digest::of(&image.config).to_string();
        // One of which something is said is behind an index.
        if image.attestation.is_none() {
            told.insert("containerimage.digest".to_owned(), id.clone());
        }
        told.insert("containerimage.config.digest".to_owned(), id);
    }
    if !names.is_empty() {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        told.insert("image.name".to_owned(), names.join(","));
    }
    let saved = engine.images().save_made(images, names).await;
    let sent = match saved {
        Ok(saved) => send(context, number, &told, move |out| saved.write(out)).await,
        Err(error) => Err(of_engine(error)),
    };
    step.end(sent)?;
    Ok(told)
}

/// All files.
pub(super) async fn files(
    engine: &Engine,
    context: &BuildContext,
    built: &Built,
    number: usize,
) -> Result<Told, BuildError> {
    let step = OwnStep::begin(context, "sending tarball");
    let sent = match files_of(engine, built).await {
        Ok(files) => {
            let pack = move |out: &mut dyn io::Write| pack_content(out, &files.tree.root()?);
            send(context, number, &Told::new(), pack).await
        }
        Err(error) => Err(error),
    };
    step.end(sent)?;
    Ok(Told::new())
}

async fn send(
    context: &BuildContext,
    number: usize,
    told: &Told,
    write: impl FnOnce(&mut dyn io::Write) -> io::Result<()> + Send + 'static,
) -> Result<(), BuildError> {
    let session = context.session().await?;
    let archive = StreamReader::new(written(write).map_err(of_engine)?.fuse());
    Ok(session.send_archive(number, told, archive).await?)
}
