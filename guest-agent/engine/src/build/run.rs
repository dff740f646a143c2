//! `RUN`.

use std::path::Path;
use std::sync::Arc;

use bollard_stubs::models::{ContainerConfig, HostConfig};
use jiff::Timestamp;
use naru_dockerfile::{
    Came, Command, Document, Execution, Network, Run, RunStep, Security, created_by,
};

use super::building::Building;
use super::cache::CachedStep;
use super::copy::{self, NewDirectory};
use super::error::BuildError;
use super::progress::{Step, Stream};
use super::request::RunNetwork;
use super::run_mounts::RunMounts;
use super::stage::Stage;
use super::stubs::Stubs;
use super::tail::Tail;
use super::workspace::Workspace;
use crate::changes::command_line;
use crate::container::{OutputStream, SandboxRequest};

/// Where the scripts of here-documents are put, as BuildKit has it.
const SCRIPTS: &str = "/dev/pipes";

/// A `RUN` that is ready to be done.
struct Prepared<'a> {
    words: Vec<String>,
    script: Option<Document>,
    run: &'a Run,
    stage: &'a Stage,
    mounts: &'a RunMounts,
}

impl Building {
    /// Carries out a `RUN`; true if that was done before.
    pub(super) async fn run(
        &self,
        stage: &mut Stage,
        command: &Command,
        run: &Run,
        step: &Arc<Step>,
        instruction: usize,
    ) -> Result<bool, BuildError> {
        self.check_leave(run)?;
        let (words, script) = execution(run, &stage.config);
        let mounts = RunMounts::read(self, stage, run, (step.stage, instruction)).await?;
        let options = &self.request.options;
        let hosts: Vec<String> = options
            .extra_hosts
            .iter()
            .filter_map(|host| host.split([':', '=']).next().map(str::to_owned))
            .collect();
        let mount_steps = mounts.steps();
        let directory = stage.config.working_dir.clone().unwrap_or_default();
        let key = RunStep {
            on: stage.key(),
            words: &words,
            script: script.as_ref(),
            environment: stage.scope.environment(),
            directory: &directory,
            user: stage.config.user.as_deref().unwrap_or_default(),
            network: run.network,
            build_network: match (run.network, &options.network) {
                (Network::Default, RunNetwork::Named(name)) => Some(name),
                _ => None,
            },
            security: run.security,
            hosts: &hosts,
            hostname: self.request.options.hostname.as_deref(),
            mounts: &mount_steps,
        }
        .key();
        let said = created_by(command, Came::Words(&words), &stage.scope).unwrap_or_default();
        let prepared = Prepared { words, script, run, stage, mounts: &mounts };
        let done = self.done(step, key, || Box::pin(self.run_program(prepared, step))).await?;
        stage.take(done.step, said, done.key);
        Ok(done.is_cached)
    }

    /// Runs the program, and makes a layer of what it has written.
    async fn run_program(
        &self,
        prepared: Prepared<'_>,
        step: &Arc<Step>,
    ) -> Result<CachedStep, BuildError> {
        let workspace = Workspace::new(&self.engine, &prepared.stage.layers)?;
        let mut mounted = prepared.mounts.prepare(self, &workspace).await?;
        if let Some(script) = &prepared.script {
            mounted.add_script(&workspace, script, SCRIPTS)?;
        }
        self.make_directory(&workspace, prepared.stage).await?;
        let stubs = Stubs::find(&workspace, &self.engine, &mounted.mounts).await?;
        let lower = workspace.lower();
        let mut config = self.sandbox_config(prepared.stage);
        config.env.get_or_insert_default().append(&mut mounted.environment);
        let tail = Tail::default();
        let request = SandboxRequest {
            id: &workspace.id,
            layers: &lower,
            upper: &workspace.upper(),
            work: &workspace.work(),
            command: prepared.words.clone(),
            config,
            host_config: self.sandbox_host_config(prepared.run),
            platform: &prepared.stage.platform,
            mounts: std::mem::take(&mut mounted.mounts),
        };
        let output = |stream: OutputStream, bytes: bytes::Bytes| {
            tail.push(&bytes);
            let stream = match stream {
                OutputStream::Stdout => Stream::Stdout,
                OutputStream::Stderr => Stream::Stderr,
            };
            self.progress.output(step, stream, bytes);
            self.progress.room()
        };
        match self.engine.run_sandbox(request, &output, &self.cancelled).await? {
            None => return Err(BuildError::Cancelled),
            Some(0) => {}
            Some(code) => {
                let command = prepared.words.join(" ");
                return Err(BuildError::Exit { command, code, output: tail.text() });
            }
        }
        // Their users are gone.
        drop(mounted);
        stubs.remove(&self.engine, &workspace).await?;
        let layer = workspace.layer(self.epoch).await?;
        Ok(CachedStep { layer, created: Timestamp::now() })
    }

    /// Makes the working directory if the base image names one that it has not: for its user, as
    /// BuildKit does.
    async fn make_directory(
        &self,
        workspace: &Arc<Workspace>,
        stage: &Stage,
    ) -> Result<(), BuildError> {
        let directory = stage.config.working_dir.clone().unwrap_or_default();
        let user = stage.config.user.clone().unwrap_or_default();
        let workspace = Arc::clone(workspace);
        self.blocking(move || {
            let below = workspace.below()?;
            let real = below.follow(directory.as_bytes());
            if directory.is_empty() || real.is_ok_and(|real| below.look(&real).is_ok()) {
                return Ok(());
            }
            let owner = if user.is_empty() { (0, 0) } else { copy::owner(&user, &below)? };
            let new = NewDirectory { owner: Some(owner), ..NewDirectory::default() };
            copy::make_directory(&workspace.writable()?, directory.as_bytes(), new)?;
            Ok(())
        })
        .await
    }

    /// Some of what can be written takes the leave of whoever builds.
    fn check_leave(&self, run: &Run) -> Result<(), BuildError> {
        let options = &self.request.options;
        if run.security == Security::Insecure && !options.insecure {
            return Err(BuildError::Invalid("security.insecure is not allowed".to_owned()));
        }
        if run.network == Network::Host && !options.host_network {
            return Err(BuildError::Invalid("network.host is not allowed".to_owned()));
        }
        Ok(())
    }

    fn sandbox_config(&self, stage: &Stage) -> ContainerConfig {
        let variables = stage.scope.environment().iter().cloned();
        let variables = variables.chain(self.inputs.proxies());
        ContainerConfig {
            env: Some(variables.map(|(name, value)| format!("{name}={value}")).collect()),
            user: stage.config.user.clone(),
            working_dir: stage.config.working_dir.clone(),
            hostname: self.request.options.hostname.clone(),
            ..ContainerConfig::default()
        }
    }

    fn sandbox_host_config(&self, run: &Run) -> HostConfig {
        let options = &self.request.options;
        let limits = &options.limits;
        let network = match (run.network, &options.network) {
            (Network::None, _) => "none",
            (Network::Host, _) => "host",
            (Network::Default, RunNetwork::Default) => "bridge",
            (Network::Default, RunNetwork::Named(name)) => name,
        };
        HostConfig {
            network_mode: Some(network.to_owned()),
            extra_hosts: Some(options.extra_hosts.clone()),
            shm_size: limits.shm_bytes,
            ulimits: Some(limits.ulimits.clone()),
            memory: limits.memory,
            memory_swap: limits.memory_swap,
            cpu_shares: limits.cpu_shares,
            cpu_period: limits.cpu_period,
            cpu_quota: limits.cpu_quota,
            cpuset_cpus: limits.cpuset_cpus.clone(),
            cpuset_mems: limits.cpuset_mems.clone(),
            cgroup_parent: limits.cgroup_parent.clone(),
            privileged: Some(run.security == Security::Insecure),
            ..HostConfig::default()
        }
    }
}

/// What is executed: the words, and the script that they name if it is one.
fn execution(run: &Run, config: &ContainerConfig) -> (Vec<String>, Option<Document>) {
    match run.execution() {
        Execution::Exec(words) => (words, None),
        Execution::Shell(line) => {
            (command_line(naru_dockerfile::CommandLine::Shell(line), config), None)
        }
        Execution::Script(script) => {
            let path = Path::new(SCRIPTS).join(&script.name);
            (vec![path.to_string_lossy().into_owned()], Some(script))
        }
    }
}
