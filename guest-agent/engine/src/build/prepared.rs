//! What is to be done is found out: the file is read, images are found, and their triggers put
//! into it, until all that the target needs is known.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use futures::future::try_join_all;
use jiff::Timestamp;
use naru_dockerfile::{
    Checks, Directives, Dockerfile, Globals, Graph, Inputs, Node, Origin, PlatformNames,
};
use naru_image_store::Platform;
use tokio_util::sync::CancellationToken;

use super::check;
use super::error::BuildError;
use super::images::{self, BaseImages, Extent, Wanted};
use super::progress::Progress;
use super::request::{BuildRequest, NamedContext};
use super::stage::Stage;
use crate::engine::Engine;

const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// What is known before the first step.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) file: Dockerfile,
    pub(super) globals: Globals,
    pub(super) inputs: Inputs,
    pub(super) graph: Graph,
    /// Those that are needed, in the file's order.
    pub(super) stages: Vec<usize>,
    pub(super) images: BaseImages,
    pub(super) platform: Platform,
    pub(super) epoch: Option<Timestamp>,
}

/// Who looks, and at how much.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looking<'a> {
    pub(super) engine: &'a Engine,
    pub(super) request: &'a BuildRequest,
    pub(super) progress: &'a Arc<dyn Progress>,
    pub(super) cancelled: &'a CancellationToken,
    pub(super) extent: Extent,
}

impl Prepared {
    /// Finds it out, and checks what is found if that is wanted.
    pub(super) async fn new(
        looking: Looking<'_>,
        mut checks: Option<&mut Checks>,
    ) -> Result<Self, BuildError> {
        let Looking { engine, request, progress, cancelled, extent } = looking;
        let platform = request.options.platform.clone().unwrap_or_else(Platform::host);
        let epoch = epoch(request)?;
        let inputs = inputs(request, &platform);
        let text = &request.dockerfile.text;
        // Another language's text says nothing to this one's reader.
        Directives::read(text)?.require_own_syntax(request.options.syntax())?;
        let mut file = Dockerfile::parse(text)?;
        if let Some(checks) = checks.as_deref_mut() {
            checks.text();
        }
        let globals = file.globals(&inputs)?;
        if let Some(checks) = checks.as_deref_mut() {
            checks.bases(&file, &globals, &inputs, &check::is_image);
        }
        let mut images = BaseImages::default();
        let mut looked_at = HashSet::new();
        let (graph, stages) = loop {
            let graph = file.graph(&globals, &inputs)?;
            // Who only looks, and at no target, looks at all of it.
            let stages = match (extent, &inputs.target) {
                (Extent::Configuration, None) => graph.all()?,
                (_, target) => graph.needed(graph.target(target.as_deref())?)?,
            };
            let wanted = wanted(&graph, &stages, request, &platform, extent)?;
            let missing: Vec<_> = wanted.iter().filter(|image| !images.has(image)).collect();
            let found =
                missing.iter().map(|image| images::find(engine, request, image, progress, extent));
            let found = cancelled.run_until_cancelled(try_join_all(found)).await;
            for (wanted, image) in missing.into_iter().zip(found.ok_or(BuildError::Cancelled)??) {
                images.add(wanted, image);
            }
            let mut is_changed = false;
            for number in &stages {
                let node = &graph.nodes[*number];
                if !looked_at.insert(*number) || node.is_replaced {
                    continue;
                }
                let triggers = if let Origin::Stage(other) = &node.base {
                    file.stages[*other].triggers()
                } else {
                    let base = base(node, &images, request, &platform)?;
                    base.and_then(|base| base.config.on_build).unwrap_or_default()
                };
                file.add_triggers(*number, &triggers)?;
                is_changed |= !triggers.is_empty();
            }
            if !is_changed {
                break (graph, stages);
            }
        };
        let prepared = Self { file, globals, inputs, graph, stages, images, platform, epoch };
        if let Some(checks) = checks {
            let checked = cancelled.run_until_cancelled(prepared.check(request, checks)).await;
            checked.ok_or(BuildError::Cancelled)?;
        }
        Ok(prepared)
    }
}

/// The image that a stage is made on; none if that is another stage, or but a directory.
pub(super) fn base(
    node: &Node,
    images: &BaseImages,
    request: &BuildRequest,
    default: &Platform,
) -> Result<Option<Stage>, BuildError> {
    let platform = asked_platform(node.platform.as_deref(), default)?;
    Ok(match &node.base {
        Origin::Scratch => Some(Stage::scratch(platform)),
        Origin::Stage(_) => None,
        Origin::Image(name) => Some(images.stage(name, &platform)?),
        Origin::Context(name) => match request.options.contexts.get(name) {
            Some(NamedContext::Image(image)) => Some(images.stage(image, &platform)?),
            Some(NamedContext::Built(built)) => {
                let layers = built.layers.clone();
                Some(Stage::on_image(built.platform.clone(), &built.config, layers)?)
            }
            Some(NamedContext::Files) | None => None,
        },
    })
}

/// The time that the result is to be of. Clients say it by an argument, too.
fn epoch(request: &BuildRequest) -> Result<Option<Timestamp>, BuildError> {
    let options = &request.options;
    let said = options.arguments.get(EPOCH).filter(|text| !text.is_empty());
    let (None, Some(text)) = (options.source_date_epoch, said) else {
        return Ok(options.source_date_epoch);
    };
    let second = text.parse().ok().and_then(|second| Timestamp::from_second(second).ok());
    second.map(Some).ok_or_else(|| BuildError::Invalid(format!("invalid {EPOCH}: {text}")))
}

fn inputs(request: &BuildRequest, platform: &Platform) -> Inputs {
    let names = |platform: &Platform| PlatformNames {
        os: platform.os.clone(),
        os_version: String::new(),
        architecture: platform.architecture.clone(),
        variant: platform.variant.clone().unwrap_or_default(),
    };
    let contexts: BTreeSet<String> = request.options.contexts.keys().cloned().collect();
    Inputs {
        arguments: request.options.arguments.clone(),
        build_platform: names(&Platform::host()),
        target_platform: names(platform),
        target: request.options.target.clone().filter(|target| !target.is_empty()),
        contexts,
    }
}

fn asked_platform(asked: Option<&str>, default: &Platform) -> Result<Platform, BuildError> {
    let Some(asked) = asked else { return Ok(default.clone()) };
    asked.parse().map_err(|error| {
        let reason = naru_error::chain(&error);
        BuildError::Invalid(format!("failed to parse platform {asked}: {reason}"))
    })
}

/// The images that stages need, each with its platform.
fn wanted(
    graph: &Graph,
    stages: &[usize],
    request: &BuildRequest,
    default: &Platform,
    extent: Extent,
) -> Result<HashSet<Wanted>, BuildError> {
    let image = |origin: &Origin, platform: &Platform| {
        let name = match origin {
            Origin::Image(name) => name,
            Origin::Context(name) => match request.options.contexts.get(name) {
                Some(NamedContext::Image(image)) => image,
                _ => return None,
            },
            Origin::Scratch | Origin::Stage(_) => return None,
        };
        Some(Wanted { name: name.clone(), platform: platform.clone() })
    };
    let mut wanted = HashSet::new();
    for stage in stages {
        let node = &graph.nodes[*stage];
        let platform = asked_platform(node.platform.as_deref(), default)?;
        wanted.extend(image(&node.base, &platform));
        if extent == Extent::Configuration {
            // Of what is copied from nothing is to be known.
            continue;
        }
        wanted.extend(node.uses.iter().filter_map(|used| image(&used.origin, default)));
    }
    Ok(wanted)
}
