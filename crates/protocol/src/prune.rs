//! What a prune of images would remove, named before anything is removed.

use serde::{Deserialize, Serialize};

/// Path of `GET`, with the `filters` of `POST /images/prune` → [`ImagePrunePlan`]: Docker's, and
/// `size=100MB` for what is so large, or larger.
pub const IMAGES_PATH: &str = "/naru/images/prune";

/// The images that would go, and the bytes that would be free.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImagePrunePlan {
    /// Newest first.
    pub images: Vec<PlannedImage>,
    /// Bytes of the layers that no other image has: what the prune would report as reclaimed,
    /// unless something comes or goes until then.
    pub reclaimed_bytes: u64,
}

/// An image that would go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedImage {
    /// `sha256:…`.
    pub id: String,
    /// Its tags, as people write them.
    pub tags: Vec<String>,
    /// Bytes of all its files, also of those that other images have.
    pub size_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_keeps_its_form() {
        let plan = ImagePrunePlan {
            images: vec![PlannedImage {
                id: "sha256:ab".to_owned(),
                tags: vec!["busybox:latest".to_owned()],
                size_bytes: 7,
            }],
            reclaimed_bytes: 5,
        };
        let golden = r#"{"images":[{"id":"sha256:ab","tags":["busybox:latest"],"size_bytes":7}],"reclaimed_bytes":5}"#;
        assert_eq!(serde_json::to_string(&plan).unwrap(), golden);
        assert_eq!(serde_json::from_str::<ImagePrunePlan>(golden).unwrap(), plan);
    }
}
