//! What was built goes to where its client wants it.

mod archive;
mod image;
mod tree;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use naru_buildkit::wire::control::{CacheOptionsEntry, Exporter};
use naru_buildkit::{BuildContext, BuildError, ExportRequest};
use naru_error::{ErrorKind, chain};
use naru_image_store::{Attestation, Digest, ImageReference, Outgoing};

use super::provenance::Provenance;
use crate::build::Built;
use crate::engine::Engine;

/// Attributes that all exporters of images have, and what they are without being said.
const SAID_ANYWAY: [(&str, &[&str]); 9] = [
    ("load", &["true"]),
    ("unpack", &["true", "false"]),
    ("store", &["true"]),
    ("tar", &["true"]),
    ("push", &["true", "false"]),
    ("push-by-digest", &["false"]),
    ("registry.insecure", &["false"]),
    ("force-compression", &["false"]),
    // A build with a time has all its layers made so, wherever they go.
    ("rewrite-timestamp", &["true", "false"]),
];

/// What a client learns of a result.
pub(super) type Told = BTreeMap<String, String>;

/// Refuses what cannot be done before anything is built.
pub(super) fn check(
    request: &ExportRequest,
    provenance: Option<&Provenance>,
) -> Result<(), BuildError> {
    for exporter in &request.exporters {
        if provenance.is_some_and(|provenance| !provenance.is_inline_only)
            && !has_attestations(exporter)
        {
            let what = format!("the provenance of what the exporter {} makes", exporter.r#type);
            return Err(unsupported(&what));
        }
        let Exporter { r#type, attrs } = exporter;
        if !["moby", "image", "docker", "oci", "local", "tar"].contains(&r#type.as_str()) {
            return Err(unsupported(&format!("the exporter {type}")));
        }
        names(exporter)?;
        for (name, value) in attrs {
            let known = SAID_ANYWAY.iter().find(|(known, _)| known == name);
            let is_known = name == "name"
                || known.is_some_and(|(_, may)| may.contains(&value.as_str()))
                || is_how_it_is_made(exporter, name, value);
            if !is_known && !value.is_empty() {
                return Err(unsupported(&format!("{name}={value} of the exporter {type}")));
            }
        }
    }
    request.cache_exports.iter().try_for_each(check_cache)
}

/// A cache at a registry is an image there.
fn check_cache(cache: &CacheOptionsEntry) -> Result<(), BuildError> {
    let CacheOptionsEntry { r#type, attrs } = cache;
    match r#type.as_str() {
        "inline" => return Ok(()),
        "registry" => {}
        _ => return Err(unsupported(&format!("the cache export {type}"))),
    }
    for (name, value) in attrs {
        let is_done = match name.as_str() {
            "ref" => true,
            "mode" => ["min", "max"].contains(&value.as_str()),
            "oci-mediatypes" => ["true", "false"].contains(&value.as_str()),
            "image-manifest" => value == "true",
            "compression" => value == "gzip",
            "force-compression" | "ignore-error" | "registry.insecure" => value == "false",
            _ => false,
        };
        if !is_done && !value.is_empty() {
            return Err(unsupported(&format!("{name}={value} of the cache export {type}")));
        }
    }
    Ok(())
}

/// Whether an attribute says in which words and how small an image is written: archives are OCI's,
/// and not compressed; what is pushed has what a client asks for, and is compressed.
fn is_how_it_is_made(exporter: &Exporter, name: &str, value: &str) -> bool {
    let is_archive = ["docker", "oci"].contains(&exporter.r#type.as_str());
    let is_image = ["moby", "image"].contains(&exporter.r#type.as_str());
    match (name, value) {
        ("oci-mediatypes", "true") => is_archive || image::is_pushed(exporter),
        ("oci-mediatypes", "false") | ("compression", "gzip") => is_image,
        ("compression", "uncompressed") => is_archive,
        _ => false,
    }
}

/// Carries all of it out.
pub(super) async fn all(
    engine: &Engine,
    context: &BuildContext,
    (built, provenance): (&[Arc<Built>], Option<&Provenance>),
    request: &ExportRequest,
) -> Result<Told, BuildError> {
    let mut told = Told::new();
    let finished = Timestamp::now();
    let attestations: Vec<Option<Attestation>> = built
        .iter()
        .map(|built| Some(provenance?.of(built, context.reference(), finished)))
        .collect();
    for (number, exporter) in request.exporters.iter().enumerate() {
        let exported = match exporter.r#type.as_str() {
            "image" if image::is_pushed(exporter) => {
                image::export_and_push(engine, context, (built, &attestations), exporter).await?
            }
            "moby" | "image" => image::export(engine, context, built, exporter).await?,
            "oci" => {
                let outgoing = outgoing(built, &attestations);
                archive::image(engine, context, outgoing, exporter, number).await?
            }
            "docker" => {
                only(built, exporter)?;
                let outgoing = outgoing(built, &[]);
                archive::image(engine, context, outgoing, exporter, number).await?
            }
            "tar" => archive::files(engine, context, only(built, exporter)?, number).await?,
            _ => tree::export(engine, context, built, number).await?,
        };
        told.extend(exported);
    }
    for cache in &request.cache_exports {
        // The other kind is in the image itself.
        if cache.r#type == "registry" {
            image::export_cache(engine, context, built, cache).await?;
        }
    }
    Ok(told)
}

/// Whether it makes an index, which is where they stand.
fn has_attestations(exporter: &Exporter) -> bool {
    exporter.r#type == "oci" || image::is_pushed(exporter)
}

/// The results as they go elsewhere, with what is said of each.
fn outgoing(built: &[Arc<Built>], attestations: &[Option<Attestation>]) -> Vec<Outgoing> {
    let images = built.iter().enumerate().map(|(number, built)| Outgoing {
        config: built.config.clone(),
        attestation: attestations.get(number).cloned().flatten(),
    });
    images.collect()
}

/// The result for the one platform that there is.
fn only<'a>(built: &'a [Arc<Built>], exporter: &Exporter) -> Result<&'a Built, BuildError> {
    match built {
        [built] => Ok(built),
        _ => Err(unsupported(&format!("the exporter {} for several platforms", exporter.r#type))),
    }
}

/// The names that an image is to have.
fn names(exporter: &Exporter) -> Result<Vec<ImageReference>, BuildError> {
    let names = exporter.attrs.get("name").map(String::as_str).unwrap_or_default();
    let names = names.split(',').map(|name| name.trim().trim_matches('"'));
    names.filter(|name| !name.is_empty()).map(reference).collect()
}

fn reference(name: &str) -> Result<ImageReference, BuildError> {
    name.parse().map_err(|error| {
        let message = format!("failed to parse {name}: {}", chain(&error));
        BuildError::new(ErrorKind::InvalidArgument, message)
    })
}

/// The id that the image has, in the store or not.
fn id(built: &Built) -> Digest {
    Digest::of(&built.config)
}

fn unsupported(what: &str) -> BuildError {
    BuildError::new(ErrorKind::Unsupported, format!("{what} is not supported by this builder"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(r#type: &str, attrs: &[(&str, &str)]) -> Result<(), BuildError> {
        let attrs = attrs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let exporter = Exporter { r#type: r#type.to_owned(), attrs: attrs.collect() };
        let request = ExportRequest { exporters: vec![exporter], ..ExportRequest::default() };
        check(&request, None)
    }

    #[test]
    fn a_caches_attributes_are_done_or_refused() {
        let checked = |r#type: &str, name: &str, value: &str| {
            let attrs = [(name.to_owned(), value.to_owned())].into();
            check_cache(&CacheOptionsEntry { r#type: r#type.to_owned(), attrs })
        };
        for (name, value) in [("mode", "max"), ("mode", "min"), ("image-manifest", "true")] {
            checked("registry", name, value).unwrap();
        }
        checked("inline", "mode", "max").unwrap();
        for (name, value) in [("mode", "all"), ("image-manifest", "false"), ("compression", "zstd")]
        {
            let refused = checked("registry", name, value).unwrap_err();
            assert!(refused.to_string().contains(&format!("{name}={value}")), "{refused}");
        }
        checked("local", "dest", "a").unwrap_err();
    }

    #[test]
    fn what_would_be_dropped_in_silence_is_refused() {
        checked("moby", &[("name", "a,\"b:1\""), ("push", "true")]).unwrap();
        checked("image", &[("name", "a"), ("unpack", "true")]).unwrap();
        checked("oci", &[("rewrite-timestamp", "true")]).unwrap();
        checked("oci", &[("compression", "uncompressed"), ("oci-mediatypes", "true")]).unwrap();
        checked("image", &[("oci-mediatypes", "true"), ("push", "true")]).unwrap();
        checked("moby", &[("oci-mediatypes", "false"), ("compression", "gzip")]).unwrap();
        for (r#type, name, value) in [
            ("image", "push-by-digest", "true"),
            // Nothing of it is in the store, from where it may be pushed later on.
            ("moby", "oci-mediatypes", "true"),
            ("image", "compression", "uncompressed"),
            ("oci", "compression", "gzip"),
            ("docker", "oci-mediatypes", "false"),
            ("local", "compression", "gzip"),
            ("image", "annotation.a", "b"),
            ("oci", "tar", "false"),
            ("oci", "compression", "zstd"),
            ("other", "name", "a"),
            ("image", "name", "A"),
        ] {
            checked(r#type, &[(name, value)]).unwrap_err();
        }
    }
}
