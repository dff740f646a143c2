//! `container.settings` and `container.remake`: a container's settings, changed by making it anew.
//!
//! ```text
//! create the new one, under a name of its own ─► stop the old one ─► start the new one
//!    └ refused: nothing was done                                        ├ fails: the new one goes,
//!                                                                       │ the old one starts again
//!                          give the new one the name ◄─ remove the old ◄┘
//! ```
//!
//! Until the new one has started the old one is there, under its name: whoever is killed in
//! between leaves it behind, with a second container beside it at the worst.

mod host;
mod made;

use bollard::Docker;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, RenameContainerOptionsBuilder,
    StartContainerOptions, StopContainerOptions,
};
use naru_ipc::{ContainerRef, ContainerRemake, ContainerSettings, IpcError};

use super::check_image;
use crate::{App, AppError};
use made::Made;

/// What the new container's name ends with until the old one is gone.
const NEW: &str = ".new";

impl App {
    /// `container.settings`.
    pub async fn container_settings(
        &self,
        request: ContainerRef,
    ) -> Result<ContainerSettings, IpcError> {
        let (_, made) = self.made(&request.id).await?;
        Ok(ContainerSettings { settings: made.settings(), image_moved: made.image_moved })
    }

    /// `container.remake`.
    pub async fn container_remake(
        &self,
        request: ContainerRemake,
    ) -> Result<ContainerRef, IpcError> {
        check_image(&request.settings.image)?;
        let (docker, made) = self.made(&request.id).await?;
        let name = made.name().to_owned();
        if made.goes_when_it_ends() {
            return Err(AppError::WouldBeGone { name }.into());
        }
        let (old, ran) = (made.id().to_owned(), made.is_live());
        let new_name = format!("{name}{NEW}");
        let options = CreateContainerOptionsBuilder::new().name(&new_name).build();
        let body = made.with(request.settings);
        let created = docker.create_container(Some(options), body).await.map_err(AppError::from)?;
        let new = created.id;
        if let Err(error) = take_over(&docker, &old, &new, ran).await {
            go_back(&docker, &old, &new, ran).await;
            return Err(error.into());
        }
        // Without its volumes, which the new one has.
        let options = RemoveContainerOptionsBuilder::new().force(true).build();
        docker.remove_container(&old, Some(options)).await.map_err(AppError::from)?;
        let options = RenameContainerOptionsBuilder::new().name(&name).build();
        docker.rename_container(&new, options).await.map_err(AppError::from)?;
        Ok(ContainerRef { id: new })
    }

    async fn made(&self, id: &str) -> Result<(Docker, Made), AppError> {
        let container = self.inspected(id).await?;
        let docker = self.inner.docker()?;
        let name = container.config.as_ref().and_then(|config| config.image.clone());
        // Either may be gone.
        let named = docker.inspect_image(name.as_deref().unwrap_or_default()).await.ok();
        let made_of = container.image.clone().unwrap_or_default();
        let image_moved = named.as_ref().is_some_and(|image| image.id.as_ref() != Some(&made_of));
        let image = if image_moved || named.is_none() {
            docker.inspect_image(&made_of).await.ok()
        } else {
            named
        };
        let image = image.and_then(|image| image.config).unwrap_or_default();
        Ok((docker, Made { container, image, image_moved }))
    }
}

/// Lets the new container run in the old one's place, whose ports and addresses it may have.
async fn take_over(docker: &Docker, old: &str, new: &str, ran: bool) -> Result<(), AppError> {
    if ran {
        docker.stop_container(old, None::<StopContainerOptions>).await?;
    }
    Ok(docker.start_container(new, None::<StartContainerOptions>).await?)
}

/// Everything as it was before. What cannot be undone is not what the person has to hear of.
async fn go_back(docker: &Docker, old: &str, new: &str, ran: bool) {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    if let Err(error) = docker.remove_container(new, Some(options)).await {
        tracing::warn!(container_id = new, %error, "unstarted container not removed");
    }
    if ran && let Err(error) = docker.start_container(old, None::<StartContainerOptions>).await {
        tracing::error!(container_id = old, %error, "container not started again");
    }
}
