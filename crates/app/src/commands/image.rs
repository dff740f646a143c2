//! `image.*`.

use std::collections::HashMap;

use bollard::models::CreateImageInfo;
use bollard::query_parameters::{
    CreateImageOptionsBuilder, ListContainersOptionsBuilder, ListImagesOptionsBuilder,
    RemoveImageOptionsBuilder, TagImageOptionsBuilder,
};
use futures::StreamExt;
use hyper::Method;
use naru_ipc::{
    ImagePull, ImagePullCancel, ImageRemove, ImageSummary, ImageTag, ImageUser, IpcError,
    PullProgress,
};
use naru_protocol::platforms::{self, ImagePlatforms};

use super::{check_image, container_name, runs};
use crate::{App, AppError, credentials, http};

/// What Docker says in the place of a name that an image does not have.
const NO_NAME: &str = "<none>:<none>";

impl App {
    /// `image.list`: all images that are not merely layers of others.
    pub async fn image_list(&self, (): ()) -> Result<Vec<ImageSummary>, IpcError> {
        Ok(self.images().await?)
    }

    async fn images(&self) -> Result<Vec<ImageSummary>, AppError> {
        let docker = self.inner.docker()?;
        let images = ListImagesOptionsBuilder::new().all(false).build();
        let containers = ListContainersOptionsBuilder::new().all(true).build();
        let listed = async {
            let listed = tokio::try_join!(
                docker.list_images(Some(images)),
                docker.list_containers(Some(containers))
            );
            listed.map_err(AppError::from)
        };
        let ((images, containers), mut platforms) = tokio::try_join!(listed, self.platforms())?;
        let mut users: HashMap<String, Vec<ImageUser>> = HashMap::new();
        for container in containers {
            let (container_name, running) = (container_name(&container), runs(&container));
            let (Some(container_id), Some(image_id)) = (container.id, container.image_id) else {
                continue;
            };
            let user = ImageUser { container_id, container_name, running };
            users.entry(image_id).or_default().push(user);
        }
        let mut summary = |image: bollard::models::ImageSummary| ImageSummary {
            users: users.remove(&image.id).unwrap_or_default(),
            // None of what came between the two requests.
            platforms: platforms.remove(&image.id).unwrap_or_default(),
            id: image.id,
            tags: image.repo_tags.into_iter().filter(|tag| tag != NO_NAME).collect(),
            size: u64::try_from(image.size).unwrap_or_default(),
            created: image.created,
        };
        Ok(images.into_iter().map(&mut summary).collect())
    }

    /// What images run on, by their ids.
    async fn platforms(&self) -> Result<HashMap<String, Vec<String>>, AppError> {
        let asked = http::request(Method::GET, platforms::PATH, None, Vec::new())?;
        let told: Vec<ImagePlatforms> =
            self.inner.ask_json("what the images run on", asked).await?;
        Ok(told.into_iter().map(|image| (image.id, image.platforms)).collect())
    }

    /// `image.pull`: returns when the image is there. Dropping it ends the pull, as
    /// `image.pull_cancel` does.
    pub async fn image_pull(
        &self,
        request: ImagePull,
        sink: impl Fn(PullProgress) -> bool + Send + Sync + 'static,
    ) -> Result<(), IpcError> {
        Ok(self.pull(request, sink).await.map_err(AppError::at_registry)?)
    }

    async fn pull(
        &self,
        request: ImagePull,
        sink: impl Fn(PullProgress) -> bool + Send + Sync,
    ) -> Result<(), AppError> {
        check_image(&request.reference)?;
        let docker = self.inner.docker()?;
        let pull = self.inner.pulls.open(&request.pull_id, None)?;
        let mut options = CreateImageOptionsBuilder::new().from_image(&request.reference);
        if is_untagged(&request.reference) {
            // Without it the API pulls every tag there is.
            options = options.tag("latest");
        }
        let registry = credentials::registry_of(&request.reference);
        let directory = &self.inner.directories.docker_config;
        let proven = credentials::find(directory, registry).await;
        let proven = proven.map(|proven| proven.for_bollard(registry));
        let mut lines = Box::pin(docker.create_image(Some(options.build()), None, proven));
        loop {
            let line = tokio::select! {
                () = pull.closed() => return Err(AppError::PullCancelled),
                line = lines.next() => line,
            };
            match line {
                Some(line) => {
                    if !sink(progress(line?)) {
                        return Err(AppError::PullCancelled);
                    }
                }
                None => return Ok(()),
            }
        }
    }

    /// `image.pull_cancel`: the pull's own call fails with `cancelled`.
    #[expect(clippy::unused_async, reason = "every row of the command table is async")]
    pub async fn image_pull_cancel(&self, request: ImagePullCancel) -> Result<(), IpcError> {
        self.inner.pulls.close(&request.pull_id);
        Ok(())
    }

    /// `image.remove`.
    pub async fn image_remove(&self, request: ImageRemove) -> Result<(), IpcError> {
        check_image(&request.image)?;
        let options = RemoveImageOptionsBuilder::new().force(request.force).build();
        let docker = self.inner.docker()?;
        docker.remove_image(&request.image, Some(options), None).await.map_err(AppError::from)?;
        Ok(())
    }

    /// `image.tag`.
    pub async fn image_tag(&self, request: ImageTag) -> Result<(), IpcError> {
        check_image(&request.image)?;
        check_image(&request.name)?;
        let (name, tag) = name_and_tag(&request.name);
        let options = TagImageOptionsBuilder::new().repo(name).tag(tag).build();
        let docker = self.inner.docker()?;
        Ok(docker.tag_image(&request.image, Some(options)).await.map_err(AppError::from)?)
    }
}

/// Whether the reference names neither tag nor digest.
fn is_untagged(reference: &str) -> bool {
    let name = reference.rsplit('/').next().unwrap_or(reference);
    !reference.contains('@') && !name.contains(':')
}

/// The name without its tag, and the tag, which is `latest` where none is said.
pub(super) fn name_and_tag(reference: &str) -> (&str, &str) {
    match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (reference, "latest"),
    }
}

fn progress(info: CreateImageInfo) -> PullProgress {
    let detail = info.progress_detail.unwrap_or_default();
    let bytes = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok());
    PullProgress {
        layer: info.id.filter(|id| !id.is_empty()),
        status: info.status.unwrap_or_default(),
        current: bytes(detail.current),
        total: bytes(detail.total),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registrys_port_is_no_tag() {
        assert!(is_untagged("localhost:5000/a"));
        assert!(is_untagged("busybox"));
        assert!(!is_untagged("localhost:5000/a:1"));
        assert_eq!(name_and_tag("localhost:5000/a"), ("localhost:5000/a", "latest"));
        assert_eq!(name_and_tag("localhost:5000/a:1"), ("localhost:5000/a", "1"));
        assert!(!is_untagged("a@sha256:00"));
    }
}
