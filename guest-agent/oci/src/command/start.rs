//! `start`.

use naru_runtime::{Gate, HookKind, run_hooks, state};
use oci_spec::runtime::{ContainerState, Spec};

use crate::error::{OciError, Result};
use crate::store::{Container, Status, Store};

/// Lets a container's process through its gate.
pub(crate) fn start(store: &Store, id: &str) -> Result<()> {
    let container = store.find(id)?;
    let _one_at_a_time = container.lock()?;
    let status = container.status()?;
    if status != Status::Created {
        return Err(OciError::WrongState {
            operation: "start",
            id: id.to_owned(),
            status: status.as_str(),
        });
    }
    let spec = container.spec()?;
    Gate::open(container.directory())?;
    started(&container, &spec)
}

/// Runs the hooks of a container that now runs; one that they refuse is killed.
pub(super) fn started(container: &Container, spec: &Spec) -> Result<()> {
    let record = &container.record;
    let pid = record.process.map_or(0, |process| process.pid);
    let state = state(&record.id, spec, &record.bundle, ContainerState::Running, pid);
    let run = run_hooks(HookKind::Poststart, spec, &state);
    if run.is_err() {
        container.cgroup()?.kill_all()?;
    }
    Ok(run?)
}
