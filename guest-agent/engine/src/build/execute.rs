//! The stages are made, side by side as far as they do not wait for each other.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use naru_dockerfile::{
    Came, Command, DockerfileError, Expander, Instruction, directory_key, exposed_ports,
};
use naru_image_store::Digest;

use super::building::Building;
use super::cache::CachedStep;
use super::copy::{self, NewDirectory};
use super::error::{BuildError, FailedInstruction};
use super::inline;
use super::progress::{Outcome, Step};
use super::result::{Built, MadeStages};
use super::results::Failed;
use super::stage::Stage;
use super::workspace::Workspace;
use crate::changes::{apply, command_line};
use crate::error::EngineError;

impl Building {
    /// Makes all stages. The first that fails ends the others, which are waited for.
    pub(super) async fn execute(&self) -> Result<Built, BuildError> {
        let mut running: FuturesUnordered<_> =
            self.stages.iter().map(|stage| self.make_stage(*stage)).collect();
        let mut failed = None;
        while let Some(made) = running.next().await {
            if let Err(error) = made {
                self.cancelled.cancel();
                // What was given up because of another says nothing.
                if failed.as_ref().is_none_or(is_cancelled) {
                    failed = Some(error);
                }
            }
        }
        drop(running);
        if let Some(error) = failed {
            return Err(error);
        }
        let mut stages = Vec::with_capacity(self.stages.len());
        for number in &self.stages {
            stages.push(self.stage(*number).await?);
        }
        let steps = stages.iter().flat_map(|stage| &stage.steps);
        self.cache().used_together(steps.map(|(key, _)| key))?;
        let target = stages.last().cloned().ok_or(BuildError::Cancelled)?;
        let mut stage = Arc::unwrap_or_clone(target);
        let options = &self.request.options;
        if !options.labels.is_empty() {
            let labels = stage.config.labels.get_or_insert_default();
            labels.extend(options.labels.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        Ok(Built {
            config: stage.document(self.epoch, inline::is_asked_for(&self.request))?,
            platform: stage.platform,
            layers: stage.layers,
            materials: self.images.materials(),
            began: self.began,
            stages: MadeStages(stages),
        })
    }

    async fn make_stage(&self, number: usize) -> Result<(), BuildError> {
        let made = Box::pin(self.make_steps(number)).await;
        let result = match &made {
            Ok(stage) => Ok(Arc::clone(stage)),
            Err(_) => Err(Failed),
        };
        self.results.set(number, result);
        made.map(drop)
    }

    async fn make_steps(&self, number: usize) -> Result<Arc<Stage>, BuildError> {
        let steps = &self.steps[&number];
        let (from, rest) = steps.split_first().ok_or(BuildError::Cancelled)?;
        // Nobody is told of it before it can begin.
        let mut stage = self.base(number).await?;
        self.progress.started(from);
        self.ended(from, &stage, true)?;
        let instructions = &self.file.stages[number].instructions;
        for (index, (instruction, step)) in instructions.iter().zip(rest).enumerate() {
            if self.cancelled.is_cancelled() {
                return Err(BuildError::Cancelled);
            }
            self.progress.started(step);
            let done = self.instruction(&mut stage, instruction, step, index).await;
            match done {
                Ok(is_cached) => self.ended(step, &stage, is_cached)?,
                Err(error) => {
                    self.progress.ended(step, Outcome::Failed(&error.to_string()));
                    return Err(placed(error, instruction, step));
                }
            }
        }
        Ok(Arc::new(stage))
    }

    fn ended(&self, step: &Arc<Step>, stage: &Stage, is_cached: bool) -> Result<(), BuildError> {
        let document = stage.document(self.epoch, false)?;
        let digest = Digest::of(&document);
        let outcome = if is_cached { Outcome::Cached(&digest) } else { Outcome::Done(&digest) };
        self.progress.ended(step, outcome);
        Ok(())
    }

    /// Carries out one instruction; true if that need not be done.
    async fn instruction(
        &self,
        stage: &mut Stage,
        instruction: &Instruction,
        step: &Arc<Step>,
        index: usize,
    ) -> Result<bool, BuildError> {
        let scope = stage.scope.clone();
        let value = |name: &str| scope.value(name);
        let expander = Expander::new(self.file.directives.escape, &value);
        let command = instruction.expanded(expander)?.command;
        match &command {
            Command::Run(run) => self.run(stage, &command, run, step, index).await,
            Command::Copy(transfer) | Command::Add(transfer) => {
                self.copy(stage, &command, transfer, step, index).await
            }
            Command::WorkDir(_) => self.work_dir(stage, command, step).await,
            _ => self.configure(stage, command).map(|()| true),
        }
    }

    /// An instruction that changes nothing but the configuration.
    fn configure(&self, stage: &mut Stage, command: Command) -> Result<(), BuildError> {
        let said = command.clone();
        let shell = |line| command_line(line, &stage.config);
        let mut words = Vec::new();
        let mut came = Came::Nothing;
        let declared;
        match &command {
            Command::Cmd(line) | Command::Entrypoint(line) => {
                words = shell(line.clone());
                came = Came::Words(&words);
            }
            Command::Expose(ports) => {
                for port in ports {
                    let ports = exposed_ports(&port.text);
                    words
                        .extend(ports.map_err(|problem| BuildError::Invalid(problem.to_string()))?);
                }
                came = Came::Words(&words);
            }
            Command::Shell(shell) => {
                words.clone_from(shell);
                came = Came::Words(&words);
            }
            Command::Arg(arguments) => {
                declared = stage.scope.declare(arguments, &self.globals, &self.inputs)?;
                came = Came::Arguments(&declared);
            }
            Command::Env(pairs) => {
                for pair in pairs {
                    stage.scope.set(&pair.name.text, &pair.value.text);
                }
            }
            _ => {}
        }
        match command {
            Command::Arg(_) => {}
            Command::Maintainer(name) => stage.author = Some(name.text),
            Command::Shell(shell) => stage.config.shell = Some(shell),
            command => {
                // An entry point takes the command that was there before out of play.
                if matches!(command, Command::Entrypoint(_)) && !stage.has_command {
                    stage.config.cmd = None;
                }
                if matches!(command, Command::Cmd(_)) {
                    stage.has_command = true;
                    // It means nothing but on Windows; BuildKit writes it everywhere.
                    stage.config.args_escaped = Some(true);
                }
                apply(&mut stage.config, command)?;
            }
        }
        if let Some(said) = naru_dockerfile::created_by(&said, came, &stage.scope) {
            stage.say(said);
        }
        Ok(())
    }

    /// `WORKDIR`, which makes its directory.
    async fn work_dir(
        &self,
        stage: &mut Stage,
        command: Command,
        step: &Arc<Step>,
    ) -> Result<bool, BuildError> {
        apply(&mut stage.config, command.clone())?;
        let directory = stage.config.working_dir.clone().unwrap_or_default();
        let came = Came::Directory(&directory);
        let said = naru_dockerfile::created_by(&command, came, &stage.scope).unwrap_or_default();
        let user = stage.config.user.clone().unwrap_or_default();
        let (below, engine) = (stage.layers.clone(), self.engine.clone());
        let looking = user.clone();
        let owner = self.blocking(move || {
            if looking.is_empty() {
                return Ok((0, 0));
            }
            let workspace = Workspace::new(&engine, &below)?;
            Ok(copy::owner(&looking, &workspace.readable(&below)?)?)
        });
        let owner = owner.await?;
        let key = directory_key(stage.key(), &directory, owner);
        let make = || {
            let (engine, below) = (self.engine.clone(), stage.layers.clone());
            async move {
                let workspace = Workspace::new(&engine, &below)?;
                let working = Arc::clone(&workspace);
                self.blocking(move || {
                    let tree = working.writable()?;
                    let new = NewDirectory { owner: Some(owner), ..NewDirectory::default() };
                    copy::make_directory(&tree, directory.as_bytes(), new)?;
                    Ok(())
                })
                .await?;
                let layer = workspace.layer(self.epoch).await?;
                Ok(CachedStep { layer, created: Timestamp::now() })
            }
        };
        let done = self.done(step, key, make).await?;
        stage.take(done.step, said, done.key);
        Ok(done.is_cached)
    }
}

fn is_cancelled(error: &BuildError) -> bool {
    match error {
        BuildError::Cancelled => true,
        BuildError::Instruction(failed) => is_cancelled(&failed.cause),
        _ => false,
    }
}

/// Says where an instruction stands that has failed.
fn placed(error: BuildError, instruction: &Instruction, step: &Step) -> BuildError {
    let cause = match error {
        BuildError::Cancelled => return BuildError::Cancelled,
        // What is wrong with the text knows itself where it is.
        BuildError::Dockerfile(error @ DockerfileError { at: Some(_), .. }) => {
            return BuildError::Dockerfile(error);
        }
        BuildError::Engine(error) if matches!(*error, EngineError::Dockerfile(_)) => {
            return BuildError::Engine(error);
        }
        cause => cause,
    };
    let text = instruction.source.clone();
    BuildError::Instruction(Box::new(FailedInstruction { lines: step.lines, text, cause }))
}
