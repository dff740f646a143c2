//! What is to be done is found out: the file is read, images are found, and their triggers put
//! into it, until all that the target needs is known.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use futures::future::try_join_all;
use jiff::Timestamp;
use naru_dockerfile::{Command, Dockerfile, DockerfileError, Graph, Inputs, Origin, PlatformNames};
use naru_image_store::Platform;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::building::Building;
use super::error::BuildError;
use super::images::{self, BaseImages, Wanted};
use super::inline::Imported;
use super::progress::{Progress, Step, Warning};
use super::request::{BuildRequest, NamedContext};
use super::results::Results;
use super::stage::Stage;
use crate::engine::Engine;

const EPOCH: &str = "SOURCE_DATE_EPOCH";

impl Building {
    /// Plans a build. Nothing is built yet, but images may be pulled.
    pub(super) async fn plan(
        engine: Engine,
        request: BuildRequest,
        progress: Arc<dyn Progress>,
        cancelled: CancellationToken,
    ) -> Result<Self, BuildError> {
        let began = Timestamp::now();
        let platform = request.options.platform.clone().unwrap_or_else(Platform::host);
        let epoch = epoch(&request)?;
        let inputs = inputs(&request, &platform);
        let mut file = Dockerfile::parse(&request.dockerfile.text)?;
        let is_ours = file.directives.require_own_syntax();
        is_ours.map_err(|problem| DockerfileError { problem, at: None, keyword: None })?;
        let unused = file.unused_arguments(&inputs);
        if !unused.is_empty() {
            let message =
                format!("One or more build-args [{}] were not consumed", unused.join(" "));
            progress.warning(Warning { message, lines: None });
        }
        let globals = file.globals(&inputs)?;
        let mut images = BaseImages::default();
        let mut looked_at = HashSet::new();
        let (graph, stages) = loop {
            let graph = file.graph(&globals, &inputs)?;
            let stages = graph.needed(graph.target(request.options.target.as_deref())?)?;
            let wanted = wanted(&graph, &stages, &request, &platform)?;
            let missing: Vec<_> = wanted.iter().filter(|image| !images.has(image)).collect();
            let found =
                missing.iter().map(|image| images::find(&engine, &request, image, &progress));
            let found = cancelled.run_until_cancelled(try_join_all(found)).await;
            for (wanted, image) in missing.into_iter().zip(found.ok_or(BuildError::Cancelled)??) {
                images.add(wanted, image);
            }
            let mut is_changed = false;
            for number in &stages {
                if !looked_at.insert(*number) || graph.nodes[*number].is_replaced {
                    continue;
                }
                let triggers = triggers(&file, &graph, *number, &images, &request, &platform)?;
                file.add_triggers(*number, &triggers)?;
                is_changed |= !triggers.is_empty();
            }
            if !is_changed {
                break (graph, stages);
            }
        };
        let imported = Imported::of(&engine, &request, &platform, &progress);
        let imported = cancelled.run_until_cancelled(imported).await;
        let imported = imported.ok_or(BuildError::Cancelled)?;
        let steps = steps(&file, &graph, &stages);
        let all: Vec<Arc<Step>> =
            stages.iter().flat_map(|stage| steps[stage].iter().cloned()).collect();
        progress.planned(&all);
        let contexts = request.options.contexts.iter();
        let local = contexts.filter(|(_, context)| matches!(context, NamedContext::Files));
        let local = local.map(|(name, _)| Some(name.clone()));
        let directories = std::iter::once(None).chain(local).map(|name| (name, OnceCell::new()));
        Ok(Self {
            directories: directories.collect(),
            results: Results::new(&stages),
            engine,
            request,
            progress,
            cancelled,
            file,
            globals,
            inputs,
            graph,
            stages,
            steps,
            images,
            imported,
            platform,
            epoch,
            began,
        })
    }

    /// What a stage begins with.
    pub(super) async fn base(&self, number: usize) -> Result<Stage, BuildError> {
        let node = &self.graph.nodes[number];
        let platform = asked_platform(node.platform.as_deref(), &self.platform)?;
        match &node.base {
            Origin::Scratch => Ok(Stage::scratch(platform)),
            Origin::Stage(other) => Ok(self.stage(*other).await?.child()),
            Origin::Image(name) => Ok(self.images.stage(name, &platform)?.child()),
            Origin::Context(name) => match self.request.options.contexts.get(name) {
                Some(NamedContext::Image(image)) => {
                    Ok(self.images.stage(image, &platform)?.child())
                }
                Some(NamedContext::Built(built)) => {
                    let (platform, layers) = (built.platform.clone(), built.layers.clone());
                    Ok(Stage::on_image(platform, &built.config, layers)?.child())
                }
                _ => Err(BuildError::Unsupported(format!(
                    "context {name} is a directory, and no stage can be made on that: only files \
                     can be copied from it"
                ))),
            },
        }
    }
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
        wanted.extend(node.uses.iter().filter_map(|used| image(&used.origin, default)));
    }
    Ok(wanted)
}

/// What a stage's base says is to be done by who is made on it.
fn triggers(
    file: &Dockerfile,
    graph: &Graph,
    number: usize,
    images: &BaseImages,
    request: &BuildRequest,
    default: &Platform,
) -> Result<Vec<String>, BuildError> {
    let node = &graph.nodes[number];
    let platform = asked_platform(node.platform.as_deref(), default)?;
    let of = |stage: &Stage| stage.config.on_build.clone().unwrap_or_default();
    Ok(match &node.base {
        Origin::Scratch => Vec::new(),
        Origin::Stage(other) => file.stages[*other].triggers(),
        Origin::Image(name) => of(&images.stage(name, &platform)?),
        Origin::Context(name) => match request.options.contexts.get(name) {
            Some(NamedContext::Image(image)) => of(&images.stage(image, &platform)?),
            Some(NamedContext::Built(built)) => {
                let layers = built.layers.clone();
                of(&Stage::on_image(built.platform.clone(), &built.config, layers)?)
            }
            _ => Vec::new(),
        },
    })
}

/// All steps, numbered through.
fn steps(file: &Dockerfile, graph: &Graph, stages: &[usize]) -> HashMap<usize, Vec<Arc<Step>>> {
    let mut all: HashMap<usize, Vec<Arc<Step>>> = HashMap::new();
    let mut number = 0;
    for &stage in stages {
        let (node, text) = (&graph.nodes[stage], &file.stages[stage]);
        let last = |all: &HashMap<usize, Vec<Arc<Step>>>, origin: &Origin| match origin {
            Origin::Stage(other) => all.get(other)?.last().map(|step| step.number),
            _ => None,
        };
        let instructions = if node.is_replaced { &[][..] } else { &text.instructions };
        let total = 1 + instructions.iter().filter(|one| changes_files(&one.command)).count();
        let mut made = vec![Arc::new(Step {
            number,
            stage,
            stage_name: node.name.clone(),
            place: Some((1, total)),
            text: text.source.clone(),
            lines: (text.at.line, text.at.line),
            inputs: last(&all, &node.base).into_iter().collect(),
        })];
        let mut place = 1;
        for (index, instruction) in instructions.iter().enumerate() {
            number += 1;
            let is_counted = changes_files(&instruction.command);
            place += usize::from(is_counted);
            let uses = node.uses.iter().filter(|used| used.instruction == index);
            let mut inputs = vec![number - 1];
            inputs.extend(uses.filter_map(|used| last(&all, &used.origin)));
            made.push(Arc::new(Step {
                number,
                stage,
                stage_name: node.name.clone(),
                place: is_counted.then_some((place, total)),
                text: instruction.source.clone(),
                lines: (instruction.at.line, instruction.last_line),
                inputs,
            }));
        }
        number += 1;
        all.insert(stage, made);
    }
    all
}

/// Whether a layer may come of it.
pub(super) fn changes_files(command: &Command) -> bool {
    matches!(command, Command::Run(_) | Command::Copy(_) | Command::Add(_) | Command::WorkDir(_))
}
