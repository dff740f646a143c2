//! What is to be built, and once it is built, what came of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use naru_buildkit::{BuildContext, BuildError, Target};
use naru_dockerfile::{Directives, Dockerfile};
use naru_image_store::Platform;
use tokio::sync::OnceCell;

use super::attributes::{Asked, Named};
use super::builder::Shared;
use super::drawing::Drawing;
use super::failure;
use super::files::{Begin, Places, SessionFiles};
use super::provenance::Provenance;
use super::secrets::SessionSecrets;
use crate::build::{BuildRequest, Built, Checked, DockerfileText, NamedContext, Progress};
use crate::engine::Engine;

/// Has an image say what its layers are good for.
const INLINE_CACHE: &str = "BUILDKIT_INLINE_CACHE";

/// A build for each of the platforms that are asked for.
#[derive(Debug)]
pub(crate) struct Solution {
    parts: Vec<Part>,
    /// Results of other builds that are taken in the places of images and stages.
    inputs: BTreeMap<String, Arc<Self>>,
    /// What is to be said of it beside its image.
    provenance: Option<Provenance>,
}

/// A build for one platform.
#[derive(Debug)]
struct Part {
    platform: Platform,
    request: BuildRequest,
    drawing: Arc<Drawing>,
    built: OnceCell<Arc<Built>>,
}

/// What was read of it so far.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) asked: Asked,
    pub(super) file: Dockerfile,
    pub(super) dockerfile: DockerfileText,
    files: SessionFiles,
}

impl Read {
    /// Reads the Dockerfile, and sees whether it is one.
    pub(super) async fn new(
        shared: &Arc<Shared>,
        context: &BuildContext,
        target: Target<Solution>,
    ) -> Result<Self, BuildError> {
        let asked = Asked::try_from(target)?;
        let places = Places {
            filename: &asked.filename,
            address: asked.address.as_deref(),
            keep_git_dir: asked.keep_git_dir,
            files_name: &asked.files_name,
            dockerfile_name: &asked.dockerfile_name,
        };
        let begin = SessionFiles::begin(shared, context, places).await;
        let Begin { dockerfile, files } =
            begin.map_err(|error| failure::told(&error, &DockerfileText::default()))?;
        let is_ours = Directives::read(&dockerfile.text)
            .and_then(|directives| directives.require_own_syntax(asked.options.syntax()));
        let file = is_ours.and_then(|()| Dockerfile::parse(&dockerfile.text));
        let file = file.map_err(|error| failure::told(&error.into(), &dockerfile))?;
        Ok(Self { asked, file, dockerfile, files })
    }

    /// What is to be built.
    pub(super) fn solution(self, context: &BuildContext) -> Solution {
        let Self { asked, file, dockerfile, mut files } = self;
        let mut options = asked.options;
        options.host_network = context.allows("network.host");
        options.insecure = context.allows("security.insecure");
        let mut inputs = BTreeMap::new();
        for (name, named) in asked.contexts {
            match named {
                Named::Image(image) => {
                    options.contexts.insert(name, NamedContext::Image(image));
                }
                Named::Files(from) => {
                    files.add(name.clone(), from);
                    options.contexts.insert(name, NamedContext::Files);
                }
                Named::Solution(solution) => {
                    inputs.insert(name, solution);
                }
            }
        }
        let mut platforms = asked.platforms;
        if platforms.is_empty() {
            platforms.push(Platform::host());
        }
        let (files, is_one) = (Arc::new(files), platforms.len() == 1);
        let names_stages = file.stages.len() > 1 || file.stages[0].from.name.is_some();
        let secrets = Arc::new(SessionSecrets::new(context.clone()));
        let parts = platforms.into_iter().enumerate().map(|(number, platform)| {
            let name = (!is_one).then(|| platform.to_string());
            let drawing = Drawing::new(context, dockerfile.clone(), name, names_stages);
            let mut options = options.clone();
            options.platform = Some(platform.clone());
            // What is found is found for all.
            options.checks = number == 0;
            Part {
                platform,
                request: BuildRequest {
                    dockerfile: dockerfile.clone(),
                    files: Arc::clone(&files) as _,
                    secrets: Arc::clone(&secrets) as _,
                    options,
                },
                drawing: Arc::new(drawing),
                built: OnceCell::new(),
            }
        });
        Solution { parts: parts.collect(), inputs, provenance: asked.provenance }
    }
}

impl Solution {
    pub(super) fn provenance(&self) -> Option<&Provenance> {
        self.provenance.as_ref()
    }

    /// What is not as it should be in the Dockerfile.
    pub(super) async fn check(
        &self,
        engine: &Engine,
        context: &BuildContext,
    ) -> Result<(&DockerfileText, Checked), BuildError> {
        let part = &self.parts[0];
        let mut request = part.request.clone();
        // Nothing is built: what is taken from others is not known.
        let unknown = self.inputs.keys().map(|name| (name.clone(), NamedContext::Files));
        request.options.contexts.extend(unknown);
        let progress: Arc<dyn Progress> = Arc::clone(&part.drawing) as _;
        let checked = engine.check(&request, &progress, context.cancelled()).await;
        let dockerfile = &part.request.dockerfile;
        checked
            .map(|checked| (dockerfile, checked))
            .map_err(|error| failure::told(&error, dockerfile))
    }

    /// What comes of it for each platform, perhaps to be a cache for others. Whoever asks first
    /// has it built, and is the one by whom it is given up.
    pub(super) async fn built(
        &self,
        engine: &Engine,
        context: &BuildContext,
        is_cache: bool,
    ) -> Result<Vec<Arc<Built>>, BuildError> {
        let parts = self
            .parts
            .iter()
            .map(|part| part.built.get_or_try_init(|| self.build(engine, context, part, is_cache)));
        let built = futures::future::try_join_all(parts).await?;
        Ok(built.into_iter().map(Arc::clone).collect())
    }

    async fn build(
        &self,
        engine: &Engine,
        context: &BuildContext,
        part: &Part,
        is_cache: bool,
    ) -> Result<Arc<Built>, BuildError> {
        let mut request = part.request.clone();
        if is_cache {
            request.options.arguments.insert(INLINE_CACHE.to_owned(), "1".to_owned());
        }
        for (name, input) in &self.inputs {
            let built = Box::pin(input.built(engine, context, false)).await?;
            let parts = input.parts.iter().zip(&built);
            let mut fitting = parts.filter(|(other, _)| other.platform == part.platform);
            let (_, built) = fitting.next().ok_or_else(|| {
                let message = format!("the context {name} was not built for {}", part.platform);
                BuildError::new(naru_error::ErrorKind::NotFound, message)
            })?;
            request.options.contexts.insert(name.clone(), NamedContext::Built(Arc::clone(built)));
        }
        let progress = Arc::clone(&part.drawing) as _;
        let built = engine.build(request, progress, context.cancelled().clone()).await;
        built.map(Arc::new).map_err(|error| part.drawing.fail(&error))
    }
}
