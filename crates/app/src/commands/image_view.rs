//! What there is to know of one image.

use std::collections::BTreeMap;

use hyper::Method;
use naru_ipc::{ImageConfig, ImageDetails, ImageRef, ImageStep, IpcError};
use serde::Deserialize;
use serde_json::Value;

use super::{check_image, inspection};
use crate::{App, AppError, http};

/// `GET /images/{name}/json`, as far as it is shown by itself. By hand, because the rest of
/// it is shown as the engine said it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Inspected {
    id: String,
    repo_tags: Option<Vec<String>>,
    repo_digests: Option<Vec<String>>,
    os: String,
    architecture: String,
    variant: Option<String>,
    size: u64,
    created: Option<String>,
    author: Option<String>,
    config: Option<Config>,
    #[serde(rename = "RootFS")]
    root_fs: RootFs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RootFs {
    layers: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Config {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    working_dir: Option<String>,
    user: Option<String>,
    env: Option<Vec<String>>,
    exposed_ports: Option<BTreeMap<String, Value>>,
    volumes: Option<BTreeMap<String, Value>>,
    labels: Option<BTreeMap<String, String>>,
    stop_signal: Option<String>,
}

/// One row of `GET /images/{name}/history`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Step {
    created: i64,
    created_by: Option<String>,
    size: u64,
    comment: Option<String>,
}

impl App {
    /// `image.inspect`.
    pub async fn image_inspect(&self, request: ImageRef) -> Result<ImageDetails, IpcError> {
        Ok(self.image_details(&request.image).await?)
    }

    async fn image_details(&self, image: &str) -> Result<ImageDetails, AppError> {
        const WHAT: &str = "the engine's description of the image";
        let value: Value = self.of_image(image, "json", WHAT).await?;
        let json = inspection(&value)?.json;
        let inspected: Inspected = serde_json::from_value(value)
            .map_err(|source| AppError::Garbled { what: WHAT, source })?;
        Ok(details(inspected, json))
    }

    /// `image.history`: the last step first.
    pub async fn image_history(&self, request: ImageRef) -> Result<Vec<ImageStep>, IpcError> {
        let steps: Vec<Step> =
            self.of_image(&request.image, "history", "the image's history").await?;
        let step = |step: Step| ImageStep {
            created: step.created,
            created_by: step.created_by.unwrap_or_default(),
            size: step.size,
            comment: step.comment.unwrap_or_default(),
        };
        Ok(steps.into_iter().map(step).collect())
    }

    async fn of_image<T: serde::de::DeserializeOwned>(
        &self,
        image: &str,
        part: &str,
        what: &'static str,
    ) -> Result<T, AppError> {
        check_image(image)?;
        let path = format!("/v1.51/images/{image}/{part}");
        self.inner.ask_json(what, http::request(Method::GET, &path, None, Vec::new())?).await
    }
}

fn details(image: Inspected, json: String) -> ImageDetails {
    let variant = image.variant.filter(|variant| !variant.is_empty());
    let platform = [Some(image.os), Some(image.architecture), variant];
    ImageDetails {
        id: image.id,
        tags: image.repo_tags.unwrap_or_default(),
        digests: image.repo_digests.unwrap_or_default(),
        platform: platform.into_iter().flatten().collect::<Vec<_>>().join("/"),
        size: image.size,
        created: image.created.unwrap_or_default(),
        author: image.author.unwrap_or_default(),
        layers: image.root_fs.layers.unwrap_or_default(),
        config: config(image.config.unwrap_or_default()),
        json,
    }
}

fn config(config: Config) -> ImageConfig {
    ImageConfig {
        entrypoint: config.entrypoint.unwrap_or_default(),
        command: config.cmd.unwrap_or_default(),
        working_dir: config.working_dir.unwrap_or_default(),
        user: config.user.unwrap_or_default(),
        env: config.env.unwrap_or_default(),
        ports: config.exposed_ports.unwrap_or_default().into_keys().collect(),
        volumes: config.volumes.unwrap_or_default().into_keys().collect(),
        labels: config.labels.unwrap_or_default(),
        stop_signal: config.stop_signal.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_read_with_and_without_what_may_be_missing() {
        let text = r#"{ "Id": "sha256:ab", "RepoTags": ["a:1"], "Os": "linux",
            "Architecture": "arm64", "Variant": "v8", "Size": 7,
            "RootFS": { "Type": "layers", "Layers": ["sha256:cd"] },
            "Config": { "Cmd": ["sh"], "ExposedPorts": { "80/tcp": {} }, "Volumes": null } }"#;
        let image = details(serde_json::from_str(text).unwrap(), String::new());
        assert_eq!(image.platform, "linux/arm64/v8");
        assert_eq!(image.layers, ["sha256:cd"]);
        assert_eq!(image.config.ports, ["80/tcp"]);
        assert!(image.config.volumes.is_empty());
        let bare = r#"{ "Id": "sha256:ab", "Os": "linux", "Architecture": "amd64", "Size": 7,
            "RootFS": {} }"#;
        let image = details(serde_json::from_str(bare).unwrap(), String::new());
        assert_eq!(image.platform, "linux/amd64");
    }
}
