//! The owner's side of the control socket.

use std::io;
use std::time::Duration;

use naru_error::ErrorKind;
use naru_ipc::{Hint, IpcError};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{MAX_LINE, Operation, Reply, Request, VERSION};
use crate::local::Listener;
use crate::machine::Machine;

/// How long a client may take to say what it wants.
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);
/// How long to leave a listener alone that cannot accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `listener` until `cancel`.
pub(crate) async fn serve(
    mut listener: Listener,
    machine: Machine,
    tasks: TaskTracker,
    cancel: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = cancel.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(stream) => {
                let (machine, cancel) = (machine.clone(), cancel.clone());
                tasks.spawn(async move {
                    if let Err(error) = answer(stream, machine, cancel).await {
                        tracing::debug!(%error, "control connection ended early");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "control connection not accepted");
                // A timer is all there is to wait for: nobody says when descriptors are free.
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers one client. A start or stop that was asked for is answered even after
/// `cancel`: the machine itself then ends, and with it the wait.
async fn answer<S: AsyncRead + AsyncWrite>(
    stream: S,
    machine: Machine,
    cancel: CancellationToken,
) -> io::Result<()> {
    let (read, mut write) = tokio::io::split(stream);
    let mut lines = BufReader::new(read);
    let mut line = Vec::new();
    let mut limited = (&mut lines).take(MAX_LINE);
    let asked = timeout(REQUEST_DEADLINE, limited.read_until(b'\n', &mut line));
    match cancel.run_until_cancelled(asked).await {
        Some(asked) => asked??,
        None => return Ok(()),
    };
    let operation = match understand(&line) {
        Ok(operation) => operation,
        Err(error) => return send(&mut write, &Reply::Failed { error }).await,
    };
    // A client that goes away leaves its request standing: a start goes on.
    let result = match operation {
        Operation::Start => machine.start().await,
        Operation::Stop => machine.stop().await,
        Operation::Reset => machine.reset().await,
        Operation::Status => {
            let status = machine.status().borrow().clone();
            return send(&mut write, &Reply::Status { status }).await;
        }
        Operation::Watch => {
            let watch = watch(&mut lines, &mut write, &machine);
            return cancel.run_until_cancelled(watch).await.unwrap_or(Ok(()));
        }
    };
    let reply = match result {
        Ok(()) => Reply::Done,
        Err(error) => Reply::Failed { error },
    };
    send(&mut write, &reply).await
}

/// A request as far as every version has it: the rest may have another shape.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

fn understand(line: &[u8]) -> Result<Operation, IpcError> {
    let garbled = |error: serde_json::Error| {
        IpcError::new(ErrorKind::InvalidArgument, format!("control request: {error}"))
    };
    let version = serde_json::from_slice::<Versioned>(line).map_err(garbled)?.version;
    if version != VERSION {
        let message = format!(
            "the Naru that owns the machine speaks control version {VERSION} but was asked in version {version}"
        );
        return Err(IpcError::new(ErrorKind::Unsupported, message).with_hint(Hint::RestartNaru));
    }
    serde_json::from_slice::<Request>(line).map(|request| request.operation).map_err(garbled)
}

async fn watch<R, W>(lines: &mut R, write: &mut W, machine: &Machine) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut statuses = machine.status();
    statuses.mark_changed();
    let mut ignored = [0; 64];
    loop {
        tokio::select! {
            changed = statuses.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                let status = statuses.borrow_and_update().clone();
                send(write, &Reply::Status { status }).await?;
            }
            // Nothing more is to be said; what can come is the end.
            read = lines.read(&mut ignored) => if read? == 0 {
                return Ok(());
            },
        }
    }
}

async fn send<W: AsyncWrite + Unpin>(write: &mut W, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    write.write_all(&line).await?;
    write.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_told_both_numbers() {
        let error = understand(br#"{"version": 99, "operation": {"new": "shape"}}"#).unwrap_err();
        assert_eq!(error.kind, "unsupported");
        assert!(error.message.contains("version 1") && error.message.contains("version 99"));
    }

    #[test]
    fn text_that_is_no_request_is_refused() {
        for text in ["", "{", "{\"version\":1}", "{\"version\":1,\"operation\":\"explode\"}"] {
            assert_eq!(understand(text.as_bytes()).unwrap_err().kind, "invalid_argument", "{text}");
        }
    }
}
