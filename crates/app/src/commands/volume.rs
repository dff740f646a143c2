//! `volume.*`.

use std::collections::HashMap;

use bollard::models::{BollardDate, ContainerSummary, Volume, VolumeCreateRequest};
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListVolumesOptions, RemoveVolumeOptions,
};
use hyper::Method;
use naru_ipc::{
    Inspection, IpcError, VolumeCreate, VolumeRef, VolumeSize, VolumeSummary, VolumeUser,
};
use serde::Deserialize;

use super::{check_name, container_name, inspection, runs};
use crate::{App, AppError, http, local};

/// By hand: bollard knows the shape of this answer in newer versions of the API only.
const SIZES_PATH: &str = "/v1.51/system/df?type=volume";

/// The type of a mount that is a volume.
const VOLUME_MOUNT: &str = "volume";

/// What there is at [`SIZES_PATH`].
#[derive(Debug, Deserialize)]
struct DiskUsage {
    #[serde(rename = "Volumes")]
    volumes: Option<Vec<Volume>>,
}

impl App {
    /// `volume.list`: all of them, with the containers that have them.
    pub async fn volume_list(&self, (): ()) -> Result<Vec<VolumeSummary>, IpcError> {
        Ok(self.volumes().await?)
    }

    async fn volumes(&self) -> Result<Vec<VolumeSummary>, AppError> {
        let docker = self.inner.docker()?;
        let containers = ListContainersOptionsBuilder::new().all(true).build();
        let (volumes, containers) = tokio::try_join!(
            docker.list_volumes(None::<ListVolumesOptions>),
            docker.list_containers(Some(containers))
        )?;
        let mut users = users_of(&containers);
        let volumes = volumes.volumes.unwrap_or_default();
        Ok(volumes
            .into_iter()
            .map(|volume| {
                let users = users.remove(&volume.name).unwrap_or_default();
                summary(volume, users)
            })
            .collect())
    }

    /// `volume.sizes`: apart from the list, because every file has to be looked at.
    pub async fn volume_sizes(&self, (): ()) -> Result<Vec<VolumeSize>, IpcError> {
        Ok(self.sizes().await?)
    }

    async fn sizes(&self) -> Result<Vec<VolumeSize>, AppError> {
        let inner = &self.inner;
        let connection = local::connect(&inner.directories.docker_socket()).await;
        let connection = connection.map_err(|source| AppError::OwnerSilent { source })?;
        let request = http::request(Method::GET, SIZES_PATH, None, Vec::new())?;
        let response = http::send(connection, &inner.tasks, request).await?;
        let body = http::read_whole(SIZES_PATH, response).await?;
        let usage: DiskUsage = serde_json::from_slice(&body)
            .map_err(|source| AppError::Garbled { what: "the disk usage", source })?;
        let volumes = usage.volumes.unwrap_or_default();
        Ok(volumes.into_iter().filter_map(size_of).collect())
    }

    /// `volume.inspect`.
    pub async fn volume_inspect(&self, request: VolumeRef) -> Result<Inspection, IpcError> {
        check_name("volume name", &request.name)?;
        let docker = self.inner.docker()?;
        let volume = docker.inspect_volume(&request.name).await.map_err(AppError::from)?;
        Ok(inspection(&volume)?)
    }

    /// `volume.create`.
    pub async fn volume_create(&self, request: VolumeCreate) -> Result<VolumeRef, IpcError> {
        if !request.name.is_empty() {
            check_name("volume name", &request.name)?;
        }
        let docker = self.inner.docker()?;
        let name = (!request.name.is_empty()).then_some(request.name);
        let request = VolumeCreateRequest { name, ..VolumeCreateRequest::default() };
        let volume = docker.create_volume(request).await.map_err(AppError::from)?;
        Ok(VolumeRef { name: volume.name })
    }

    /// `volume.remove`: one that a container has is refused.
    pub async fn volume_remove(&self, request: VolumeRef) -> Result<(), IpcError> {
        check_name("volume name", &request.name)?;
        let docker = self.inner.docker()?;
        let options = None::<RemoveVolumeOptions>;
        Ok(docker.remove_volume(&request.name, options).await.map_err(AppError::from)?)
    }
}

/// The containers of each volume, by the volume's name.
fn users_of(containers: &[ContainerSummary]) -> HashMap<String, Vec<VolumeUser>> {
    let mut users: HashMap<String, Vec<VolumeUser>> = HashMap::new();
    for container in containers {
        for mount in container.mounts.iter().flatten() {
            let (Some(VOLUME_MOUNT), Some(name)) = (mount.typ.as_deref(), &mount.name) else {
                continue;
            };
            users.entry(name.clone()).or_default().push(VolumeUser {
                container_id: container.id.clone().unwrap_or_default(),
                container_name: container_name(container),
                running: runs(container),
                destination: mount.destination.clone().unwrap_or_default(),
                read_only: mount.rw == Some(false),
            });
        }
    }
    users
}

fn summary(volume: Volume, users: Vec<VolumeUser>) -> VolumeSummary {
    VolumeSummary {
        name: volume.name,
        driver: volume.driver,
        mountpoint: volume.mountpoint,
        created: volume.created_at.map_or(0, BollardDate::unix_timestamp),
        labels: volume.labels.into_iter().collect(),
        users,
    }
}

/// None when the engine could not measure it: it says -1 then.
fn size_of(volume: Volume) -> Option<VolumeSize> {
    let bytes = u64::try_from(volume.usage_data?.size).ok()?;
    Some(VolumeSize { name: volume.name, bytes })
}

#[cfg(test)]
mod tests {
    use bollard::models::{ContainerSummaryStateEnum, MountPoint, VolumeUsageData};

    use super::*;

    #[test]
    fn a_volume_knows_who_has_it_and_a_bind_mount_is_no_volume() {
        let mount = |typ: &str, name: &str, rw| MountPoint {
            typ: Some(typ.to_owned()),
            name: Some(name.to_owned()),
            destination: Some("/data".to_owned()),
            rw: Some(rw),
            ..MountPoint::default()
        };
        let container = ContainerSummary {
            id: Some("c1".to_owned()),
            names: Some(vec!["/db".to_owned()]),
            state: Some(ContainerSummaryStateEnum::RUNNING),
            mounts: Some(vec![mount(VOLUME_MOUNT, "data", false), mount("bind", "data", true)]),
            ..ContainerSummary::default()
        };
        let users = users_of(&[container]);
        let expected = VolumeUser {
            container_id: "c1".to_owned(),
            container_name: "db".to_owned(),
            running: true,
            destination: "/data".to_owned(),
            read_only: true,
        };
        assert_eq!(users["data"], [expected]);
    }

    #[test]
    fn a_size_that_nobody_measured_is_left_out() {
        let volume = |size| Volume {
            name: "data".to_owned(),
            usage_data: Some(VolumeUsageData { size, ref_count: 0 }),
            ..Volume::default()
        };
        assert_eq!(size_of(volume(-1)), None);
        assert_eq!(size_of(volume(7)).map(|size| size.bytes), Some(7));
    }
}
