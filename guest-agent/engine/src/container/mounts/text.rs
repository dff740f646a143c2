//! `-v` and `--volumes-from`: mounts as one word.

use bollard_stubs::models::{
    Mount, MountBindOptions, MountType, MountVolumeOptions, MountVolumeOptionsDriverConfig,
};

use super::asked::{Recursion, mount_point};
use super::{MountKind, WantedMount};
use crate::error::{EngineError, Result};

const ACCESS: [&str; 2] = ["rw", "ro"];
/// They mean nothing without `SELinux`.
const LABELS: [&str; 2] = ["z", "Z"];
const PROPAGATION: [&str; 6] = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];
const COPY: [&str; 1] = ["nocopy"];
const CONSISTENCY: [&str; 4] = ["consistent", "cached", "delegated", "default"];

/// At most one word of each kind.
fn is_mode(mode: &str) -> bool {
    let kinds: [&[&str]; 5] = [&ACCESS, &LABELS, &PROPAGATION, &COPY, &CONSISTENCY];
    let words: Vec<&str> = mode.split(',').collect();
    mode.is_empty()
        || words.iter().all(|word| kinds.iter().any(|kind| kind.contains(word)))
            && kinds.iter().all(|kind| words.iter().filter(|word| kind.contains(word)).count() <= 1)
}

fn invalid_mode(mode: &str) -> EngineError {
    EngineError::Invalid(format!("invalid mode: {mode}"))
}

/// `[source:]destination[:mode]`; a source that is no path names a volume.
pub(super) fn parse_bind(
    text: &str,
    volume_driver: &str,
    recursion: Recursion,
) -> Result<WantedMount> {
    let invalid = || EngineError::Invalid(format!("invalid volume specification: '{text}'"));
    let parts: Vec<&str> = text.splitn(4, ':').collect();
    let (source, target, mode) = match parts[..] {
        [target] => ("", target, ""),
        // A mode needs a source.
        [_, mode] if is_mode(mode) && !mode.is_empty() => return Err(invalid()),
        [source, target] => (source, target, ""),
        [source, target, mode] => (source, target, mode),
        _ => return Err(invalid()),
    };
    if parts[0].is_empty() {
        return Err(invalid());
    }
    if !is_mode(mode) {
        return Err(invalid_mode(mode));
    }
    let words: Vec<&str> = mode.split(',').collect();
    let propagation = words.iter().find(|word| PROPAGATION.contains(word));
    let is_path = source.starts_with('/');
    let driver = Some(volume_driver).filter(|driver| !driver.is_empty() && !is_path);
    let no_copy = words.contains(&"nocopy");
    let mount = Mount {
        typ: Some(if is_path { MountType::BIND } else { MountType::VOLUME }),
        source: Some(source.to_owned()),
        target: Some(target.to_owned()),
        read_only: Some(words.contains(&"ro")),
        bind_options: propagation
            .map(|propagation| -> Result<_> {
                let propagation = Some(propagation.parse().map_err(|_| invalid_mode(mode))?);
                Ok(MountBindOptions { propagation, ..MountBindOptions::default() })
            })
            .transpose()?,
        volume_options: (driver.is_some() || no_copy).then(|| MountVolumeOptions {
            no_copy: Some(no_copy),
            driver_config: driver.map(|driver| MountVolumeOptionsDriverConfig {
                name: Some(driver.to_owned()),
                options: None,
            }),
            ..MountVolumeOptions::default()
        }),
        ..Mount::default()
    };
    let mut wanted = mount_point(&mount, recursion).map_err(|error| match error {
        EngineError::Invalid(why) => EngineError::Invalid(format!("{}: {why}", invalid())),
        error => error,
    })?;
    mode.clone_into(&mut wanted.point.mode);
    if let MountKind::Bind(bind) = &mut wanted.point.kind {
        bind.create_source = true;
    }
    Ok(wanted)
}

/// `container[:ro|rw]`: the container, and whether all is to be read-only.
pub(super) fn parse_volumes_from(text: &str) -> Result<(&str, bool)> {
    if text.is_empty() {
        return Err(EngineError::Invalid(
            "volumes-from specification cannot be an empty string".to_owned(),
        ));
    }
    let (container, mode) = text.split_once(':').unwrap_or((text, ""));
    let words: Vec<&str> = mode.split(',').collect();
    // Where its mounts are, and what they are, is the other container's choice.
    let is_its_own = |word: &&str| PROPAGATION.contains(word) || COPY.contains(word);
    if !is_mode(mode) || words.iter().any(is_its_own) {
        return Err(invalid_mode(mode));
    }
    Ok((container, words.contains(&"ro")))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn parse(text: &str) -> Result<WantedMount> {
        parse_bind(text, "", Recursion::default())
    }

    #[test]
    fn binds_and_volumes_are_told_by_the_slash() {
        let bind = parse("/src/../src:/dst/:ro,rshared").unwrap().point;
        let MountKind::Bind(kind) = &bind.kind else { panic!("{bind:?}") };
        assert_eq!(
            (kind.source.as_path(), kind.propagation.as_str()),
            (Path::new("/src"), "rshared")
        );
        assert!(bind.read_only && kind.create_source);
        assert_eq!(
            (bind.destination.as_path(), bind.mode.as_str()),
            (Path::new("/dst"), "ro,rshared")
        );

        let volume = parse("data:/dst:nocopy").unwrap();
        let MountKind::Volume(kind) = &volume.point.kind else { panic!("{volume:?}") };
        assert_eq!((kind.name.as_str(), kind.populate, kind.anonymous), ("data", false, false));
        let volume = parse("/dst").unwrap();
        let MountKind::Volume(kind) = &volume.point.kind else { panic!("{volume:?}") };
        assert!(kind.anonymous && kind.name.len() == 64);
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_dockers_words() {
        let volume = "invalid mount config for type \"volume\":";
        for (text, said) in [
            ("/x:rw", "invalid volume specification: '/x:rw'".to_owned()),
            (":/x", "invalid volume specification: ':/x'".to_owned()),
            ("a:b:c:d", "invalid volume specification: 'a:b:c:d'".to_owned()),
            ("name:/x:odd", "invalid mode: odd".to_owned()),
            ("name:/x:ro,rw", "invalid mode: ro,rw".to_owned()),
            (
                "name:rel",
                format!(
                    "invalid volume specification: 'name:rel': {volume} invalid mount path: \
                     'rel' mount path must be absolute"
                ),
            ),
            (
                "name:/",
                format!(
                    "invalid volume specification: 'name:/': {volume} invalid specification: \
                     destination can't be '/'"
                ),
            ),
            (
                "name:/x:rshared",
                format!(
                    "invalid volume specification: 'name:/x:rshared': {volume} field BindOptions \
                     must not be specified"
                ),
            ),
            (
                "/tmp:/x:nocopy",
                "invalid volume specification: '/tmp:/x:nocopy': invalid mount config for type \
                 \"bind\": field VolumeOptions must not be specified"
                    .to_owned(),
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), said);
        }
    }

    #[test]
    fn another_containers_volumes_are_taken_whole() {
        assert_eq!(parse_volumes_from("one").unwrap(), ("one", false));
        assert_eq!(parse_volumes_from("one:ro").unwrap(), ("one", true));
        for (text, said) in [
            ("", "volumes-from specification cannot be an empty string"),
            ("one:odd", "invalid mode: odd"),
            ("one:rshared", "invalid mode: rshared"),
        ] {
            assert_eq!(parse_volumes_from(text).unwrap_err().to_string(), said);
        }
    }
}
