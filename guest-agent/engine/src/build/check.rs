//! BuildKit's checks of a Dockerfile, while it is built or instead of that.

use std::sync::Arc;

use naru_dockerfile::{Base, Checks, Command, Finding};
use naru_image_store::ImageReference;
use tokio_util::sync::CancellationToken;

use super::error::BuildError;
use super::images::Extent;
use super::prepared::{Looking, Prepared, base};
use super::progress::{Progress, Warning};
use super::request::BuildRequest;
use crate::engine::Engine;

/// By it whoever builds says which checks are made.
const ARGUMENT: &str = "BUILDKIT_DOCKERFILE_CHECK";

/// What came of checks without a build.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) findings: Vec<Finding>,
    /// Why nothing could be built.
    pub(crate) error: Option<BuildError>,
}

impl Engine {
    /// Checks a Dockerfile, and reads of images no more than what they say of themselves.
    pub(crate) async fn check(
        &self,
        request: &BuildRequest,
        progress: &Arc<dyn Progress>,
        cancelled: &CancellationToken,
    ) -> Result<Checked, BuildError> {
        let (engine, extent) = (self, Extent::Configuration);
        let mut checks = match of(request) {
            Ok(checks) => checks,
            Err(error) => return Ok(Checked { findings: Vec::new(), error: Some(error) }),
        };
        let looking = Looking { engine, request, progress, cancelled, extent };
        let error = match Prepared::new(looking, checks.as_mut()).await {
            Err(BuildError::Cancelled) => return Err(BuildError::Cancelled),
            Err(error) => Some(error),
            Ok(_) => checks.as_ref().and_then(Checks::failure).map(BuildError::from),
        };
        let findings = checks.map(|checks| checks.found().to_vec()).unwrap_or_default();
        Ok(Checked { findings, error })
    }
}

/// The checks of a build, if they are to be made.
pub(super) fn of(request: &BuildRequest) -> Result<Option<Checks>, BuildError> {
    if !request.options.checks {
        return Ok(None);
    }
    let asked = request.options.arguments.get(ARGUMENT).map(String::as_str);
    Ok(Some(Checks::new(&request.dockerfile.text, asked)?))
}

/// Tells a build's author what was found.
pub(super) fn tell(checks: &Checks, progress: &Arc<dyn Progress>) {
    for finding in checks.found() {
        let (message, rule) = (finding.short(), Some(finding.rule));
        progress.warning(Warning { message, rule, lines: Some(finding.lines) });
    }
}

/// Whether a text can name an image.
pub(super) fn is_image(text: &str) -> bool {
    text.parse::<ImageReference>().is_ok()
}

impl Prepared {
    /// Looks at the instructions of the stages that are needed.
    pub(super) async fn check(&self, request: &BuildRequest, checks: &mut Checks) {
        let instructions =
            self.stages.iter().flat_map(|stage| &self.file.stages[*stage].instructions);
        let copies = |command: &Command| match command {
            Command::Copy(transfer) => transfer.from.is_none(),
            Command::Add(_) => true,
            _ => false,
        };
        let ignore = if instructions.map(|one| &one.command).any(copies) {
            // Where it cannot be had, who copies fails by it.
            request.files.ignored().await.unwrap_or_default()
        } else {
            None
        };
        let known = |number: usize| {
            let node = &self.graph.nodes[number];
            let stage = base(node, &self.images, request, &self.platform).ok().flatten();
            let config = stage.map(|stage| stage.config).unwrap_or_default();
            Base {
                environment: config.env.unwrap_or_default(),
                has_shell: config.shell.is_some_and(|shell| !shell.is_empty()),
            }
        };
        let (file, seen) = ((&self.file, &self.graph), (&self.globals, &self.inputs));
        checks.stages(file, &self.stages, seen, &known, ignore.as_ref());
    }
}
