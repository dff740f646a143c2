//! The engine as its clients find it.

use naru_ipc::IpcError;

use crate::guest::Guest;

/// Whether there is an engine to speak to.
#[derive(Clone, Debug)]
pub(crate) enum EngineState {
    /// The machine is off, or on its way there.
    Off,
    /// The machine is being started.
    Starting,
    /// The machine failed last. It stays so until the next start, whoever stops it
    /// meanwhile, so that clients that waited for it hear of it.
    Failed(IpcError),
    /// The machine runs.
    Ready(Guest),
}
