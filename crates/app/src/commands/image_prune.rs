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
        let filters = serde_json::json!(filters(request));
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
        let options = PruneImagesOptionsBuilder::new().filters(&filters(request)).build();
        let docker = self.inner.docker()?;
        let pruned = docker.prune_images(Some(options)).await.map_err(AppError::from)?;
        let rows = pruned.images_deleted.unwrap_or_default().into_iter();
        Ok(ImagePrunePlan {
            images: rows.filter_map(|row| row.untagged).collect(),
            bytes: pruned.space_reclaimed.and_then(|n| u64::try_from(n).ok()).unwrap_or_default(),
        })
    }
}

/// Docker's, and the engine's own of a size.
fn filters(request: ImagePrune) -> HashMap<&'static str, Vec<String>> {
    let ImagePrune { all, older_days, least_mb } = request;
    let mut filters = HashMap::from([("dangling", vec![(!all).to_string()])]);
    if older_days > 0 {
        filters.insert("until", vec![format!("{}h", u64::from(older_days) * 24)]);
    }
    if least_mb > 0 {
        filters.insert("size", vec![format!("{least_mb}MB")]);
    }
    filters
}

/// What a person calls an image without a name.
fn short(id: &str) -> String {
    let digits = id.strip_prefix("sha256:").unwrap_or(id);
    digits.chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_and_size_are_filters_where_they_are_chosen() {
        let plain = filters(ImagePrune { all: false, older_days: 0, least_mb: 0 });
        assert_eq!(plain, HashMap::from([("dangling", vec!["true".to_owned()])]));
        let chosen = filters(ImagePrune { all: true, older_days: 30, least_mb: 100 });
        assert_eq!(chosen["dangling"], ["false"]);
        assert_eq!((&chosen["until"][0], &chosen["size"][0]), (&"720h".into(), &"100MB".into()));
    }
}
