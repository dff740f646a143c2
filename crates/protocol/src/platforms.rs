//! What images run on, which Docker's list of images does not tell.

use serde::{Deserialize, Serialize};

/// Path of `GET`; answers an [`ImagePlatforms`] for each image of `GET /images/json`.
pub const PATH: &str = "/naru/images/platforms";

/// What an image, and whatever else its names stand for, runs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImagePlatforms {
    /// `sha256:…`.
    pub id: String,
    /// Such as `linux/arm64/v8`: the image's own first.
    pub platforms: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_keep_their_form() {
        let platforms = ImagePlatforms {
            id: "sha256:ab".to_owned(),
            platforms: vec!["linux/amd64".to_owned(), "linux/arm64/v8".to_owned()],
        };
        let golden = r#"{"id":"sha256:ab","platforms":["linux/amd64","linux/arm64/v8"]}"#;
        assert_eq!(serde_json::to_string(&platforms).unwrap(), golden);
        assert_eq!(serde_json::from_str::<ImagePlatforms>(golden).unwrap(), platforms);
    }
}
