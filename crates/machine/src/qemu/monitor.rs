//! QEMU's monitor: the QEMU machine protocol (QMP).

use std::time::Duration;

use qapi::futures::{QapiService, QmpStreamTokio};
use qapi::{Command, ExecuteError, qmp};
use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf, split};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::MachineError;

/// How long one command may take. QEMU answers at once or is stuck.
const COMMAND_DEADLINE: Duration = Duration::from_secs(10);

pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

type Writer = QmpStreamTokio<WriteHalf<Box<dyn Wire>>>;

/// A connection that has been negotiated.
pub(crate) struct Monitor {
    service: QapiService<Writer>,
}

impl Monitor {
    /// Negotiates on an open connection.
    pub(super) async fn negotiate(
        wire: Box<dyn Wire>,
        tasks: &TaskTracker,
    ) -> Result<Self, MachineError> {
        let failed = |source| MachineError::Monitor { source: ExecuteError::Io(source) };
        let (reader, writer): (ReadHalf<_>, _) = split(wire);
        let greeting = QmpStreamTokio::open_split(reader, writer).await.map_err(failed)?;
        let (service, events) = greeting.negotiate().await.map_err(failed)?.into_parts();
        // Ends with the connection, which ends with QEMU.
        tasks.spawn(events.into_future());
        Ok(Self { service })
    }

    /// Whether the guest's processors run.
    pub(crate) async fn is_running(&self) -> Result<bool, MachineError> {
        Ok(self.execute(qmp::query_status {}).await?.running)
    }

    /// Presses the power button.
    pub(crate) async fn power_button(&self) -> Result<(), MachineError> {
        self.execute(qmp::system_powerdown {}).await.map(drop)
    }

    /// Ends QEMU at once, after it has written what it holds of the disk.
    pub(crate) async fn quit(&self) -> Result<(), MachineError> {
        self.execute(qmp::quit {}).await.map(drop)
    }

    async fn execute<C>(&self, command: C) -> Result<C::Ok, MachineError>
    where
        C: Command + qmp::QmpCommand,
    {
        match timeout(COMMAND_DEADLINE, self.service.execute(command)).await {
            Ok(result) => result.map_err(|source| MachineError::Monitor { source }),
            Err(_) => Err(MachineError::MonitorSilent { waited: COMMAND_DEADLINE }),
        }
    }
}
