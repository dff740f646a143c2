//! `--mount`: mounts as the API has them.

use std::path::{Component, Path};

use bollard_stubs::models::{Mount, MountType};

use super::memory::tmpfs;
use super::{
    Bind, ImageMount, MountKind, MountPoint, VolumeMount, WantedMount, cleaned, destination,
    not_absolute,
};
use crate::error::{EngineError, Result};
use crate::volume::VolumeRequest;

/// Whether a read-only bind is so with all that is mounted below it. Clients that know of no
/// such choice get what there was before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recursion {
    pub(crate) read_only_by_default: bool,
}

/// Reads one of `Mounts`; what makes no sense is refused in Docker's words.
pub(super) fn mount_point(mount: &Mount, recursion: Recursion) -> Result<WantedMount> {
    read(mount, recursion).map_err(|error| match error {
        EngineError::Invalid(why) => {
            let kind = mount.typ.map(|kind| kind.to_string()).unwrap_or_default();
            EngineError::Invalid(format!("invalid mount config for type \"{kind}\": {why}"))
        }
        error => error,
    })
}

fn read(mount: &Mount, recursion: Recursion) -> Result<WantedMount> {
    let target = mount.target.as_deref().unwrap_or_default();
    if target.is_empty() {
        return Err(missing("Target"));
    }
    let destination = destination(target)?;
    let source = mount.source.as_deref().unwrap_or_default();
    let extra = [
        (mount.bind_options.is_some(), MountType::BIND, "BindOptions"),
        (mount.volume_options.is_some(), MountType::VOLUME, "VolumeOptions"),
        (mount.image_options.is_some(), MountType::IMAGE, "ImageOptions"),
    ];
    // Docker takes no offence at options of volumes here.
    let is_harmless = |kind| mount.typ == Some(MountType::TMPFS) && kind == MountType::VOLUME;
    let strange = extra
        .iter()
        .find(|(is_given, kind, _)| *is_given && mount.typ != Some(*kind) && !is_harmless(*kind));
    let is_known = matches!(
        mount.typ,
        Some(MountType::BIND | MountType::VOLUME | MountType::TMPFS | MountType::IMAGE)
    );
    if let Some((.., field)) = strange.filter(|_| is_known) {
        return Err(must_not_be(field));
    }
    let read_only = mount.read_only.unwrap_or_default();
    let (kind, volume) = match mount.typ {
        Some(MountType::BIND) => (bind(mount, source, recursion)?, None),
        Some(MountType::VOLUME) => {
            let (kind, request) = volume(mount, source)?;
            (kind, Some(request))
        }
        Some(MountType::TMPFS) if !source.is_empty() => return Err(must_not_be("Source")),
        Some(MountType::TMPFS) => {
            (MountKind::Tmpfs(tmpfs(mount.tmpfs_options.as_ref(), read_only)?), None)
        }
        Some(MountType::IMAGE) => (image(mount, source)?, None),
        _ => return Err(EngineError::Invalid("mount type unknown".to_owned())),
    };
    let read_only = read_only || matches!(kind, MountKind::Image(_));
    Ok(WantedMount {
        point: MountPoint { destination, read_only, mode: String::new(), kind },
        volume,
    })
}

fn bind(mount: &Mount, source: &str, recursion: Recursion) -> Result<MountKind> {
    if source.is_empty() {
        return Err(missing("Source"));
    }
    let options = mount.bind_options.clone().unwrap_or_default();
    if !source.starts_with('/') {
        return Err(not_absolute(source));
    }
    let forced = options.read_only_force_recursive.unwrap_or_default();
    let top_only = options.read_only_non_recursive.unwrap_or_default();
    if (forced || top_only) && !mount.read_only.unwrap_or_default() {
        let option = if forced { "ReadOnlyForceRecursive" } else { "ReadOnlyNonRecursive" };
        let message = format!("mount options conflict: !ReadOnly && BindOptions.{option}");
        return Err(EngineError::Invalid(message));
    }
    if forced && top_only {
        return Err(EngineError::Invalid(
            "mount options conflict: ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive"
                .to_owned(),
        ));
    }
    let propagation = options.propagation.map(|propagation| propagation.to_string());
    let propagation = propagation.filter(|propagation| !propagation.is_empty());
    Ok(MountKind::Bind(Bind {
        source: cleaned(source),
        propagation: propagation.unwrap_or_else(|| "rprivate".to_owned()),
        create_source: options.create_mountpoint.unwrap_or_default(),
        recursive: !options.non_recursive.unwrap_or_default(),
        recursively_read_only: forced || (recursion.read_only_by_default && !top_only),
    }))
}

fn volume(mount: &Mount, source: &str) -> Result<(MountKind, VolumeRequest)> {
    let anonymous = source.is_empty();
    let options = mount.volume_options.clone().unwrap_or_default();
    let subpath = options.subpath.filter(|subpath| !subpath.is_empty());
    if anonymous && subpath.is_some() {
        return Err(EngineError::Invalid(
            "must not set Subpath when using anonymous volumes".to_owned(),
        ));
    }
    if anonymous && mount.read_only.unwrap_or_default() {
        return Err(EngineError::Invalid(
            "must not set ReadOnly mode when using anonymous volumes".to_owned(),
        ));
    }
    check_subpath(subpath.as_deref(), "volume")?;
    let driver = options.driver_config.unwrap_or_default();
    let request = VolumeRequest {
        name: source.to_owned(),
        driver: driver.name.unwrap_or_default(),
        options: driver.options.map(|options| options.into_iter().collect()),
        labels: options.labels.map(|labels| labels.into_iter().collect()),
        is_anothers: false,
    }
    .named();
    let mounted = VolumeMount {
        name: request.name.clone(),
        subpath,
        populate: !options.no_copy.unwrap_or_default(),
        anonymous,
        declared: false,
    };
    Ok((MountKind::Volume(mounted), request))
}

fn image(mount: &Mount, source: &str) -> Result<MountKind> {
    if source.is_empty() {
        return Err(missing("Source"));
    }
    let subpath = mount.image_options.as_ref().and_then(|options| options.subpath.clone());
    let subpath = subpath.filter(|subpath| !subpath.is_empty());
    check_subpath(subpath.as_deref(), "image")?;
    // Which image that is now is looked up when the container is made.
    let (reference, image_id) = (source.to_owned(), String::new());
    Ok(MountKind::Image(ImageMount { reference, image_id, subpath }))
}

/// A path that stays where it is.
fn check_subpath(subpath: Option<&str>, of: &str) -> Result<()> {
    let Some(subpath) = subpath else { return Ok(()) };
    let mut depth = 0_i32;
    let stays = Path::new(subpath).components().all(|part| {
        depth += match part {
            Component::Normal(_) => 1,
            Component::CurDir => 0,
            Component::ParentDir => -1,
            Component::RootDir | Component::Prefix(_) => return false,
        };
        depth >= 0
    });
    if stays && !subpath.contains('\0') {
        return Ok(());
    }
    Err(EngineError::Invalid(format!("subpath must be a relative path within the {of}")))
}

fn missing(field: &str) -> EngineError {
    EngineError::Invalid(format!("field {field} must not be empty"))
}

fn must_not_be(field: &str) -> EngineError {
    EngineError::Invalid(format!("field {field} must not be specified"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<WantedMount> {
        mount_point(&serde_json::from_str(text).unwrap(), Recursion { read_only_by_default: true })
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_dockers_words() {
        for (text, kind, said) in [
            (r#"{"Type":"bind","Source":"/tmp"}"#, "bind", "field Target must not be empty"),
            (r#"{"Target":"/x"}"#, "", "mount type unknown"),
            (r#"{"Type":"npipe","Target":"/x"}"#, "npipe", "mount type unknown"),
            (
                r#"{"Type":"volume","Source":"ab","Target":"x"}"#,
                "volume",
                "invalid mount path: 'x' mount path must be absolute",
            ),
            (
                r#"{"Type":"volume","Target":"/x","ReadOnly":true}"#,
                "volume",
                "must not set ReadOnly mode when using anonymous volumes",
            ),
            (
                r#"{"Type":"volume","Source":"ab","Target":"/x","BindOptions":{}}"#,
                "volume",
                "field BindOptions must not be specified",
            ),
            (
                r#"{"Type":"volume","Source":"ab","Target":"/x","VolumeOptions":{"Subpath":"a/../../b"}}"#,
                "volume",
                "subpath must be a relative path within the volume",
            ),
            (
                r#"{"Type":"volume","Target":"/x","VolumeOptions":{"Subpath":"a"}}"#,
                "volume",
                "must not set Subpath when using anonymous volumes",
            ),
            (r#"{"Type":"bind","Target":"/x"}"#, "bind", "field Source must not be empty"),
            (
                r#"{"Type":"bind","Source":"/tmp","Target":"/x","VolumeOptions":{}}"#,
                "bind",
                "field VolumeOptions must not be specified",
            ),
            (
                r#"{"Type":"bind","Source":"/tmp","Target":"/x","BindOptions":{"ReadOnlyForceRecursive":true}}"#,
                "bind",
                "mount options conflict: !ReadOnly && BindOptions.ReadOnlyForceRecursive",
            ),
            (
                r#"{"Type":"tmpfs","Source":"/tmp","Target":"/x"}"#,
                "tmpfs",
                "field Source must not be specified",
            ),
            (
                r#"{"Type":"tmpfs","Target":"/x","TmpfsOptions":{"Options":[["uid","7"]]}}"#,
                "tmpfs",
                "invalid option: \"uid\"",
            ),
            (r#"{"Type":"image","Target":"/x"}"#, "image", "field Source must not be empty"),
            (
                r#"{"Type":"image","Source":"a","Target":"/x","ImageOptions":{"Subpath":"/etc"}}"#,
                "image",
                "subpath must be a relative path within the image",
            ),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert_eq!(error, format!("invalid mount config for type \"{kind}\": {said}"));
        }
    }

    #[test]
    fn a_read_only_bind_is_so_all_the_way_unless_told_otherwise() {
        for (options, recursive, read_only) in [
            ("{}", true, true),
            (r#"{"NonRecursive":true}"#, false, true),
            (r#"{"ReadOnlyNonRecursive":true}"#, true, false),
        ] {
            let text = format!(
                r#"{{"Type":"bind","Source":"/a","Target":"/x","ReadOnly":true,"BindOptions":{options}}}"#
            );
            let MountKind::Bind(bind) = parse(&text).unwrap().point.kind else { panic!("{text}") };
            assert_eq!((bind.recursive, bind.recursively_read_only), (recursive, read_only));
        }
    }
}
