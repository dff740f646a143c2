//! `delete`.

use naru_runtime::{HookKind, run_hooks, state};
use oci_spec::runtime::ContainerState;

use crate::error::{OciError, Result};
use crate::log::Log;
use crate::store::{Container, Status, Store};

/// Takes away what is left of a container; by `force` also one that still runs.
pub(crate) fn delete(store: &Store, id: &str, force: bool, log: &Log) -> Result<()> {
    let container = match store.find(id) {
        Err(OciError::NotFound(_)) if force => return Ok(()),
        found => found?,
    };
    let _one_at_a_time = container.lock()?;
    // What was found may have been deleted by the one who held the lock.
    let container = match store.find(id) {
        Err(OciError::NotFound(_)) if force => return Ok(()),
        found => found?,
    };
    match container.status()? {
        Status::Running | Status::Paused if !force => Err(OciError::WrongState {
            operation: "delete",
            id: id.to_owned(),
            status: container.status()?.as_str(),
        }),
        _ => take_away(&container, log),
    }
}

/// Kills what runs, and removes the control group and then the directory: until then, the
/// container is found and can be deleted again.
pub(super) fn take_away(container: &Container, log: &Log) -> Result<()> {
    let spec = container.spec()?;
    container.cgroup()?.remove()?;
    let record = &container.record;
    let state = state(&record.id, &spec, &record.bundle, ContainerState::Stopped, 0);
    if let Err(error) = run_hooks(HookKind::Poststop, &spec, &state) {
        log.warning(&naru_error::chain(&error));
    }
    container.remove()
}
