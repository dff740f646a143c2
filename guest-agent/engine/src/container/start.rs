//! Starting: network, specification, shim, process, in this order, undone in the other.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use naru_shim::wire::{ShimConfig, Target};

use super::files::{self, FilesRequest};
use super::logs::log_config;
use super::mounts::check_sources;
use super::restart_policy::Backoff;
use super::shim::ShimEvents;
use super::state::Status;
use super::{Container, Record, Waiting, release_shm};
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::spec::{Joined, RootParts, SpecRequest, container_spec};

use jiff::Timestamp;

/// Whether a start changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Started {
    Now,
    WasRunning,
}

/// Whose wish a start is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StartedBy {
    User,
    Policy,
}

impl Engine {
    /// Starts a container; one that runs is left alone.
    pub(crate) async fn start_container(&self, container: &Arc<Container>) -> Result<Started> {
        // In a task of its own: a client that goes away must not leave a container
        // half-started.
        let (engine, container) = (self.clone(), Arc::clone(container));
        self.run_to_end(async move {
            let _one_at_a_time = container.lifecycle.lock().await;
            let record = container.record();
            if record.state.status == Status::Paused {
                return Err(EngineError::Conflict(
                    "cannot start a paused container, try unpause instead".to_owned(),
                ));
            }
            if record.counts_as_running() {
                return Ok(Started::WasRunning);
            }
            if container.removed.is_cancelled() {
                return Err(EngineError::NoSuchContainer(container.id.clone()));
            }
            match engine.start_locked(&container, record, StartedBy::User).await {
                Ok(()) => Ok(Started::Now),
                Err(error) => {
                    engine.start_failed(&container, &error).await;
                    Err(error)
                }
            }
        })
        .await
    }

    /// Starts a container that waits for its restart, unless it does not wait any more.
    pub(super) async fn start_again(&self, container: &Arc<Container>) {
        self.await_donors(&container.record()).await;
        let _one_at_a_time = container.lifecycle.lock().await;
        let record = container.record();
        if record.state.status != Status::Restarting
            || container.removed.is_cancelled()
            || self.closing().is_cancelled()
        {
            return;
        }
        if let Err(error) = self.start_locked(container, record, StartedBy::Policy).await {
            tracing::error!(container_id = container.id, %error, "a restart failed");
            self.start_failed(container, &error).await;
        }
    }

    #[tracing::instrument(
        name = "start",
        level = "debug",
        skip_all,
        fields(container_id = container.id)
    )]
    async fn start_locked(
        &self,
        container: &Arc<Container>,
        mut record: Record,
        by: StartedBy,
    ) -> Result<()> {
        let links = self.links_of(&record)?;
        record.config.env.get_or_insert_default().extend(links.env);
        let mut joined = self.join_others(&mut record)?;
        // What it had at its last end is taken down meanwhile.
        drop(container.leaving.lock().await);
        if let Err(error) = self.network().attach(&mut record).await {
            release_shm(&self.paths().container(&record.id));
            return Err(error);
        }
        self.network_events("connect", &record);
        joined.network = joined.network.or_else(|| self.network().namespace(&record));
        let launched = self.launch(container, &record, &joined, &links.hosts).await;
        let (mut events, pid) = match launched {
            Ok(launched) => launched,
            Err(error) => {
                self.release(&record).await;
                return Err(error);
            }
        };
        self.answer_waiting(container).await;
        let at = match events.start().await {
            Ok(at) => at,
            Err(error) => {
                self.release(&record).await;
                return Err(self.explained(error, &record));
            }
        };
        self.started(container, record, (pid, at), events, by).await
    }

    /// Takes away what was made for a container to run.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(super) async fn release(&self, record: &Record) {
        self.give_up(record).await;
        self.network().detach(record).await;
    }

    /// Takes away what others could want as well. The rest of [`Engine::release`] is in nobody's
    /// way, and takes the kernel much longer.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(super) async fn give_up(&self, record: &Record) {
        release_shm(&self.paths().container(&record.id));
        self.network().depart(record).await;
        self.network_events("disconnect", record);
        self.unmount_volumes(record);
    }

    /// Everything up to a process that waits for the word to run.
    #[tracing::instrument(level = "debug", skip_all)]
    async fn launch(
        &self,
        container: &Container,
        record: &Record,
        joined: &Joined,
        links: &[String],
    ) -> Result<(ShimEvents, i32)> {
        let directory = self.paths().container(&record.id);
        let image_id = record.image_id.parse().map_err(|error| {
            EngineError::Invalid(format!("image id {}: {error}", record.image_id))
        })?;
        let layers = tracing::debug_span!("layers").in_scope(|| self.images().layers(&image_id))?;
        check_sources(self, record)?;
        self.mount_volumes(record).await?;
        let mounts = self.mount_sources(record)?;
        if joined.network_files.is_none() {
            files::write(
                record,
                FilesRequest {
                    directory: &directory,
                    host_address: self.mode().host_address(),
                    links,
                    host_resolv_conf: &host_resolv_conf(),
                    host_hosts: &read_or_empty("/etc/hosts"),
                },
            )?;
        }
        let spec = container_spec(&SpecRequest {
            record,
            parts: RootParts {
                layers: &layers,
                upper: &directory.join("upper"),
                work: &directory.join("work"),
                directory: &directory,
            },
            joined,
            mounts: &mounts,
            cgroup: &self.paths().cgroup(record),
        })?;
        let path = directory.join("config.json");
        let text = serde_json::to_vec(&spec).map_err(EngineError::encoding("a specification"))?;
        std::fs::write(&path, text).map_err(EngineError::io("writing", path))?;

        let exit_path = directory.join("exit.json");
        // A container's former end must not be taken for this one's.
        match std::fs::remove_file(&exit_path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(EngineError::io("removing", exit_path)(error));
            }
            _ => {}
        }
        let init = record.host_config.init.unwrap_or_default();
        let config = ShimConfig {
            id: record.id.clone(),
            run_dir: container.shim.directory().to_owned(),
            target: Target::Container { bundle: directory, init },
            tty: record.tty(),
            open_stdin: record.config.open_stdin.unwrap_or_default(),
            stdin_once: record.config.stdin_once.unwrap_or_default(),
            log: log_config(record, self.paths().log(&record.id))?,
            exit_path,
        };
        container.shim.spawn(self.program(), &config, self.shims()).await
    }

    /// Joins everyone who attached before the process existed, so that they get its
    /// output from the first byte.
    #[tracing::instrument(level = "debug", skip_all)]
    async fn answer_waiting(&self, container: &Container) {
        let waiting = std::mem::take(&mut *lock(&container.waiting));
        for Waiting { streams, answer } in waiting {
            match container.shim.attach(streams).await {
                // An error only says that the client went away meanwhile.
                Ok(stream) => drop(answer.send(stream)),
                Err(error) => tracing::warn!(container_id = container.id, %error, "attach failed"),
            }
        }
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn started(
        &self,
        container: &Arc<Container>,
        as_started: Record,
        (pid, at): (i32, Timestamp),
        events: ShimEvents,
        by: StartedBy,
    ) -> Result<()> {
        let mut change = self.change(container).await?;
        change.record.networks = as_started.networks;
        change.record.ports = as_started.ports;
        // Those of the container whose network it has joined, if it has.
        change.record.config.hostname = as_started.config.hostname;
        change.record.config.domainname = as_started.config.domainname;
        change.record.state.start(pid, at);
        change.record.begin_health();
        if by == StartedBy::User {
            change.record.state.restart_count = 0;
            *lock(&container.backoff) = Backoff::default();
        }
        let written = change.note().await;
        self.container_event(container, "start", []);
        self.watch_exit(container, events);
        self.watch_health(container);
        // What cannot be written must not run unseen after the engine's next start.
        if written.is_err() {
            container.shim.signal(nix::libc::SIGKILL).await?;
        }
        written
    }

    /// Writes down why, and removes a container that wanted to be removed at its end.
    async fn start_failed(&self, container: &Arc<Container>, error: &EngineError) {
        drop(std::mem::take(&mut *lock(&container.waiting)));
        let Ok(mut change) = self.change(container).await else { return };
        change.record.state.error = naru_error::chain(error);
        change.record.state.exit_code = match error {
            EngineError::Start { exit_code, .. } => *exit_code,
            _ => 128,
        };
        change.record.state.give_up();
        let auto_remove = change.record.auto_remove();
        if let Err(error) = change.note().await {
            tracing::error!(
                container_id = container.id, %error, "a failed start was not written down"
            );
        }
        if auto_remove {
            self.remove_in_background(container);
        }
    }
}

/// Whom the host asks for names.
pub(super) fn host_resolv_conf() -> String {
    read_or_empty("/etc/resolv.conf")
}

fn read_or_empty(path: &str) -> String {
    std::fs::read_to_string(Path::new(path)).unwrap_or_default()
}

pub(super) fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
