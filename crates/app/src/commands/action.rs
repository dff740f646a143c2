//! What is done to one container beyond its start and end.

use std::path::Path;

use bollard::models::ContainerConfig;
use bollard::query_parameters::{
    CommitContainerOptionsBuilder, KillContainerOptions, RenameContainerOptionsBuilder,
};
use futures::TryStreamExt;
use naru_ipc::{ContainerCommit, ContainerExport, ContainerRef, ContainerRename, IpcError};

use super::image::name_and_tag;
use super::{check_container, check_image, check_name};
use crate::local_file::receive;
use crate::{App, AppError};

impl App {
    /// `container.pause`.
    pub async fn container_pause(&self, request: ContainerRef) -> Result<(), IpcError> {
        check_container(&request.id)?;
        let docker = self.inner.docker()?;
        Ok(docker.pause_container(&request.id).await.map_err(AppError::from)?)
    }

    /// `container.unpause`.
    pub async fn container_unpause(&self, request: ContainerRef) -> Result<(), IpcError> {
        check_container(&request.id)?;
        let docker = self.inner.docker()?;
        Ok(docker.unpause_container(&request.id).await.map_err(AppError::from)?)
    }

    /// `container.kill`: at once, whatever it does.
    pub async fn container_kill(&self, request: ContainerRef) -> Result<(), IpcError> {
        check_container(&request.id)?;
        let docker = self.inner.docker()?;
        let killed = docker.kill_container(&request.id, None::<KillContainerOptions>).await;
        Ok(killed.map_err(AppError::from)?)
    }

    /// `container.rename`.
    pub async fn container_rename(&self, request: ContainerRename) -> Result<(), IpcError> {
        check_container(&request.id)?;
        check_name("container name", &request.name)?;
        let options = RenameContainerOptionsBuilder::new().name(&request.name).build();
        let docker = self.inner.docker()?;
        let renamed = docker.rename_container(&request.id, options).await;
        Ok(renamed.map_err(AppError::from)?)
    }

    /// `container.commit`: the container stands still meanwhile.
    pub async fn container_commit(&self, request: ContainerCommit) -> Result<(), IpcError> {
        check_container(&request.id)?;
        let mut options = CommitContainerOptionsBuilder::new().container(&request.id).pause(true);
        if !request.reference.is_empty() {
            check_image(&request.reference)?;
            let (name, tag) = name_and_tag(&request.reference);
            options = options.repo(name).tag(tag);
        }
        let docker = self.inner.docker()?;
        let made = docker.commit_container(options.build(), ContainerConfig::default()).await;
        Ok(made.map(drop).map_err(AppError::from)?)
    }

    /// `container.export`.
    pub async fn container_export(&self, request: ContainerExport) -> Result<(), IpcError> {
        check_container(&request.id)?;
        let docker = self.inner.docker()?;
        let archive = docker.export_container(&request.id).map_err(AppError::from);
        Ok(receive(Path::new(&request.path), archive).await?)
    }
}
