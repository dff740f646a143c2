//! `image.prune`, and the look at what it would remove.

use std::collections::HashMap;

use bollard::query_parameters::PruneImagesOptionsBuilder;
use hyper::Method;
use naru_ipc::{ImagePrune, ImagePrunePlan, IpcError};
use naru_protocol::prune;

use super::find::encoded;
use crate::{App, AppError, http};

impl App {
    /// `image.prune_plan`: removes nothing.
    pub async fn image_prune_plan(&self, request: ImagePrune) -> Result<ImagePrunePlan, IpcError> {
        let filters = serde_json::json!({ "dangling": [(!request.all).to_string()] });
        let path = format!("{}?filters={}", prune::IMAGES_PATH, encoded(&filters.to_string()));
        let asked = http::request(Method::GET, &path, None, Vec::new())?;
        let plan: prune::ImagePrunePlan =
            self.inner.ask_json("what a prune removes", asked).await?;
        let shown = |image: prune::PlannedImage| {
            if image.tags.is_empty() { short(&image.id) } else { image.tags.join(", ") }
        };
        Ok(ImagePrunePlan {
            images: plan.images.into_iter().map(shown).collect(),
            bytes: plan.reclaimed_bytes,
        })
    }

    /// `image.prune`.
    pub async fn image_prune(&self, request: ImagePrune) -> Result<ImagePrunePlan, IpcError> {
        let dangling = HashMap::from([("dangling", vec![(!request.all).to_string()])]);
        let options = PruneImagesOptionsBuilder::new().filters(&dangling).build();
        let docker = self.inner.docker()?;
        let pruned = docker.prune_images(Some(options)).await.map_err(AppError::from)?;
        let rows = pruned.images_deleted.unwrap_or_default().into_iter();
        Ok(ImagePrunePlan {
            images: rows.filter_map(|row| row.untagged).collect(),
            bytes: pruned.space_reclaimed.and_then(|n| u64::try_from(n).ok()).unwrap_or_default(),
        })
    }
}

/// What a person calls an image without a name.
fn short(id: &str) -> String {
    let digits = id.strip_prefix("sha256:").unwrap_or(id);
    digits.chars().take(12).collect()
}
