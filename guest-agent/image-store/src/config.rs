//! An image's configuration, checked.

use oci_spec::image::ImageConfiguration;

use crate::digest::Digest;
use crate::error::ImageError;
use crate::platform::Platform;

/// More layers than overlayfs takes are no image.
const MAX_LAYERS: usize = 500;

/// The parsed configuration and its layers, bottom first.
#[derive(Debug)]
pub(crate) struct CheckedConfig {
    pub(crate) id: Digest,
    pub(crate) configuration: ImageConfiguration,
    pub(crate) diff_ids: Vec<Digest>,
}

impl CheckedConfig {
    /// Parses `raw` and checks that its layers are what they claim to be.
    pub(crate) fn parse(raw: &[u8]) -> Result<Self, ImageError> {
        let id = Digest::of(raw);
        let invalid = |reason: String| ImageError::Config { digest: id.clone(), reason };
        let configuration = ImageConfiguration::from_reader(raw)
            .map_err(|error| invalid(naru_error::chain(&error)))?;
        let diff_ids = configuration
            .rootfs()
            .diff_ids()
            .iter()
            .map(|diff_id| diff_id.parse())
            .collect::<Result<Vec<Digest>, _>>()
            .map_err(|error| invalid(format!("diff_ids: {error}")))?;
        if diff_ids.len() > MAX_LAYERS {
            return Err(invalid(format!("it has {} layers", diff_ids.len())));
        }
        Ok(Self { id, configuration, diff_ids })
    }

    /// Checks that a manifest lists as many layers.
    pub(crate) fn check_layer_count(&self, listed: usize) -> Result<(), ImageError> {
        if listed == self.diff_ids.len() {
            return Ok(());
        }
        let reason = format!("it has {} layers, its manifest {listed}", self.diff_ids.len());
        Err(ImageError::Config { digest: self.id.clone(), reason })
    }

    /// What the image runs on.
    pub(crate) fn platform(&self) -> Platform {
        Platform::from(&self.configuration)
    }
}
