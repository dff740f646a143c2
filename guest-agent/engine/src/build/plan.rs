//! The steps of a build, once all is known that is to be done.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use naru_dockerfile::{Command, Dockerfile, Graph, Origin};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::building::Building;
use super::check;
use super::error::BuildError;
use super::images::Extent;
use super::inline::Imported;
use super::prepared::{Looking, Prepared, base};
use super::progress::{Progress, Step, Warning};
use super::request::{BuildRequest, NamedContext};
use super::results::Results;
use super::stage::Stage;
use crate::engine::Engine;

impl Building {
    /// Plans a build. Nothing is built yet, but images may be pulled.
    pub(super) async fn plan(
        engine: Engine,
        request: BuildRequest,
        progress: Arc<dyn Progress>,
        cancelled: CancellationToken,
    ) -> Result<Self, BuildError> {
        let began = Timestamp::now();
        let mut checks = check::of(&request)?;
        let looking = Looking {
            engine: &engine,
            request: &request,
            progress: &progress,
            cancelled: &cancelled,
            extent: Extent::Whole,
        };
        let prepared = Prepared::new(looking, checks.as_mut()).await;
        if let Some(checks) = &checks {
            check::tell(checks, &progress);
        }
        let Prepared { file, globals, inputs, graph, stages, images, platform, epoch } = prepared?;
        if let Some(failure) = checks.and_then(|checks| checks.failure()) {
            return Err(failure.into());
        }
        let unused = file.unused_arguments(&inputs);
        if !unused.is_empty() {
            let message =
                format!("One or more build-args [{}] were not consumed", unused.join(" "));
            progress.warning(Warning { message, rule: None, lines: None });
        }
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
        if let Origin::Stage(other) = &node.base {
            return Ok(self.stage(*other).await?.child());
        }
        let base = base(node, &self.images, &self.request, &self.platform)?;
        base.map(|base| base.child()).ok_or_else(|| {
            let Origin::Context(name) = &node.base else { return BuildError::Cancelled };
            BuildError::Unsupported(format!(
                "context {name} is a directory, and no stage can be made on that: only files can \
                 be copied from it"
            ))
        })
    }
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
