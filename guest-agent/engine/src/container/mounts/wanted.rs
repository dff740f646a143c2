//! All that a container is to have mounted, from every part of its request.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use bollard_stubs::models::{ContainerConfig, HostConfig};

use super::asked::{Recursion, mount_point};
use super::text::{parse_bind, parse_volumes_from};
use super::{MountKind, MountPoint, VolumeMount, WantedMount, cleaned};
use crate::error::{EngineError, Result};
use crate::volume::VolumeRequest;

/// By destination, which also puts a parent before what is mounted in it.
type ByDestination = BTreeMap<PathBuf, WantedMount>;

/// Reads `VolumesFrom`, `Binds`, `Mounts` and `Volumes`, in Docker's order: what comes later takes
/// the place of another container's, and what was declared a volume makes way for all. What makes
/// no sense is refused. `mounts_of` knows the mount points of other containers.
pub(super) fn wanted_mounts(
    config: &ContainerConfig,
    host_config: &HostConfig,
    recursion: Recursion,
    mounts_of: impl Fn(&str) -> Result<Vec<MountPoint>>,
) -> Result<Vec<WantedMount>> {
    let mut all = ByDestination::new();
    for text in host_config.volumes_from.iter().flatten() {
        let (container, read_only) = parse_volumes_from(text)?;
        for point in mounts_of(container)? {
            let wanted = of_another(point, read_only);
            all.insert(wanted.point.destination.clone(), wanted);
        }
    }
    let driver = host_config.volume_driver.as_deref().unwrap_or_default();
    let mut own: BTreeSet<PathBuf> =
        host_config.tmpfs.iter().flatten().map(|(path, _)| cleaned(path)).collect();
    let binds = host_config.binds.iter().flatten();
    let binds = binds.map(|text| parse_bind(text, driver, recursion));
    let mounts = host_config.mounts.iter().flatten().map(|mount| mount_point(mount, recursion));
    for wanted in binds.chain(mounts) {
        let mut wanted = wanted?;
        let destination = wanted.point.destination.clone();
        if !own.insert(destination.clone()) {
            return Err(EngineError::Invalid(format!(
                "Duplicate mount point: {}",
                destination.display()
            )));
        }
        if wanted.volume.is_some() && wanted.point.mode.is_empty() {
            // As Docker has it: volumes may be shared.
            "z".clone_into(&mut wanted.point.mode);
        }
        all.insert(destination, wanted);
    }
    for path in config.volumes.iter().flatten() {
        let destination = cleaned(path);
        if destination.parent().is_none() {
            return Err(EngineError::Invalid(
                "invalid specification: destination can't be '/'".to_owned(),
            ));
        }
        if !own.contains(&destination) && !all.contains_key(&destination) {
            all.insert(destination.clone(), declared(destination, driver));
        }
    }
    let mut all: Vec<WantedMount> = all.into_values().collect();
    all.sort_by_key(|wanted| wanted.point.destination.components().count());
    Ok(all)
}

/// What another container has mounted; what is in it, that one's start has seen to.
fn of_another(mut point: MountPoint, read_only: bool) -> WantedMount {
    point.read_only |= read_only;
    point.mode = String::new();
    let volume = match &mut point.kind {
        MountKind::Volume(volume) => {
            volume.populate = false;
            let name = volume.name.clone();
            Some(VolumeRequest { name, is_anothers: true, ..VolumeRequest::default() })
        }
        _ => None,
    };
    WantedMount { point, volume }
}

/// A directory that the image or its user has declared to be a volume.
fn declared(destination: PathBuf, driver: &str) -> WantedMount {
    let request = VolumeRequest { driver: driver.to_owned(), ..VolumeRequest::default() }.named();
    let volume = VolumeMount {
        name: request.name.clone(),
        subpath: None,
        populate: true,
        anonymous: true,
        declared: true,
    };
    let kind = MountKind::Volume(volume);
    let point = MountPoint { destination, read_only: false, mode: String::new(), kind };
    WantedMount { point, volume: Some(request) }
}

/// The mount points of a container that an engine has made which knew of no volumes.
pub(in crate::container) fn older(host_config: &HostConfig) -> Result<Vec<MountPoint>> {
    let nobodys = |name: &str| Err(EngineError::NoSuchContainer(name.to_owned()));
    let config = ContainerConfig::default();
    let wanted = wanted_mounts(&config, host_config, Recursion::default(), nobodys)?;
    Ok(wanted.into_iter().map(|wanted| wanted.point).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(host_config: &HostConfig, declared: &[&str]) -> Result<Vec<WantedMount>> {
        let volumes = declared.iter().map(|path| (*path).to_owned()).collect();
        let config = ContainerConfig { volumes: Some(volumes), ..ContainerConfig::default() };
        let of_one = |_: &str| older(&of_binds(&["/host:/here", "/other:/there"]));
        wanted_mounts(&config, host_config, Recursion::default(), of_one)
    }

    fn of_binds(binds: &[&str]) -> HostConfig {
        let binds = Some(binds.iter().map(|bind| (*bind).to_owned()).collect());
        HostConfig { binds, ..HostConfig::default() }
    }

    #[test]
    fn what_is_asked_for_goes_before_what_is_another_containers_or_declared() {
        let mut host_config = of_binds(&["data:/here"]);
        host_config.volumes_from = Some(vec!["one:ro".to_owned()]);
        host_config.tmpfs = Some([("/memory".to_owned(), String::new())].into());
        let all = wanted(&host_config, &["/there", "/memory", "/a/b", "rel"]).unwrap();
        let shown: Vec<_> = all
            .iter()
            .map(|wanted| {
                let point = &wanted.point;
                let kind = match &point.kind {
                    MountKind::Bind(_) => "bind",
                    MountKind::Volume(volume) if volume.anonymous => "anonymous",
                    _ => "volume",
                };
                (point.destination.to_str().unwrap(), kind, point.mode.as_str(), point.read_only)
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("/here", "volume", "z", false),
                ("/rel", "anonymous", "", false),
                ("/there", "bind", "", true),
                ("/a/b", "anonymous", "", false),
            ]
        );
    }

    #[test]
    fn a_mount_point_is_given_once() {
        let error = wanted(&of_binds(&["/a:/x", "data:/x/"]), &[]).unwrap_err();
        assert_eq!(error.to_string(), "Duplicate mount point: /x");
        let mut host_config = of_binds(&["/a:/x"]);
        host_config.tmpfs = Some([("/x".to_owned(), String::new())].into());
        let error = wanted(&host_config, &[]).unwrap_err();
        assert_eq!(error.to_string(), "Duplicate mount point: /x");
        wanted(&of_binds(&[]), &["/"]).unwrap_err();
    }
}
