//! Asks the process that owns the machine.

use std::io;
use std::time::Duration;

use naru_ipc::MachineStatus;
use tokio::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, ReadHalf, WriteHalf, split,
};
use tokio::time::timeout;

use super::{MAX_LINE, Operation, Reply, Request, VERSION};
use crate::local::{self, Address, Stream};
use crate::machine::off;
use crate::{AppError, Directories};

/// How long the owner may take to answer what it knows at once.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// A way to the owner. Each call makes its own connection.
#[derive(Clone, Debug)]
pub struct Client {
    address: Address,
}

/// The owner's statuses as they come.
#[derive(Debug)]
pub struct Watch {
    lines: BufReader<ReadHalf<Stream>>,
    line: Vec<u8>,
    /// Kept open: its end would end the watch.
    _write: WriteHalf<Stream>,
}

impl Client {
    /// A client of whoever owns the machine of `directories`.
    pub fn new(directories: &Directories) -> Self {
        Self { address: directories.control_socket() }
    }

    /// The machine's status; a machine that nobody owns is off.
    pub async fn status(&self) -> Result<MachineStatus, AppError> {
        let Some(mut watch) = self.ask(Operation::Status).await? else { return Ok(off()) };
        match timeout(ANSWER_DEADLINE, watch.next()).await {
            Ok(Ok(status)) => Ok(status.unwrap_or_else(off)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(AppError::Deadline { what: "the owner's answer" }),
        }
    }

    /// The status now and after every change; none when nobody owns the machine.
    pub async fn watch(&self) -> Result<Option<Watch>, AppError> {
        self.ask(Operation::Watch).await
    }

    /// Starts the machine and waits until it runs. Dropping this does not stop it.
    pub async fn start(&self) -> Result<(), AppError> {
        self.act(Operation::Start).await?.ok_or(AppError::NotRunning)
    }

    /// Stops the machine and waits until it is off; nothing to do when nobody owns it.
    pub async fn stop(&self) -> Result<(), AppError> {
        self.act(Operation::Stop).await.map(|_| ())
    }

    /// Stops the machine and throws its data disk away.
    pub(crate) async fn reset(&self) -> Result<(), AppError> {
        self.act(Operation::Reset).await?.ok_or(AppError::OwnerEnded)
    }

    async fn act(&self, operation: Operation) -> Result<Option<()>, AppError> {
        let Some(mut watch) = self.ask(operation).await? else { return Ok(None) };
        match watch.reply().await {
            Ok(Some(Reply::Done | Reply::Status { .. })) => Ok(Some(())),
            Ok(Some(Reply::Failed { error })) => Err(AppError::Owner(error)),
            Err(AppError::OwnerSilent { source }) if is_absent(&source) => Ok(None),
            Err(error) => Err(error),
            Ok(None) => Err(AppError::OwnerSilent { source: io::ErrorKind::UnexpectedEof.into() }),
        }
    }

    async fn ask(&self, operation: Operation) -> Result<Option<Watch>, AppError> {
        let stream = match local::connect(&self.address).await {
            Ok(stream) => stream,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(source) => return Err(AppError::OwnerSilent { source }),
        };
        let request = Request { version: VERSION, operation };
        let mut line = serde_json::to_vec(&request)
            .map_err(|source| AppError::Garbled { what: "a control request", source })?;
        line.push(b'\n');
        let (read, mut write) = split(stream);
        match async {
            write.write_all(&line).await?;
            write.flush().await
        }
        .await
        {
            Ok(()) => {}
            Err(error) if is_absent(&error) => return Ok(None),
            Err(source) => return Err(AppError::OwnerSilent { source }),
        }
        Ok(Some(Watch { lines: BufReader::new(read), line: Vec::new(), _write: write }))
    }
}

impl Watch {
    /// The next status; none when the owner has ended. Cancel safe.
    pub async fn next(&mut self) -> Result<Option<MachineStatus>, AppError> {
        match self.reply().await {
            Ok(Some(Reply::Status { status })) => Ok(Some(status)),
            Ok(Some(Reply::Failed { error })) => Err(AppError::Owner(error)),
            Ok(Some(Reply::Done) | None) => Ok(None),
            Err(AppError::OwnerSilent { source }) if is_absent(&source) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn reply(&mut self) -> Result<Option<Reply>, AppError> {
        let room = MAX_LINE.saturating_sub(self.line.len() as u64);
        let mut limited = (&mut self.lines).take(room);
        let read = limited.read_until(b'\n', &mut self.line).await;
        read.map_err(|source| AppError::OwnerSilent { source })?;
        if !self.line.ends_with(b"\n") {
            return Ok(None);
        }
        let reply = serde_json::from_slice(&self.line)
            .map_err(|source| AppError::Garbled { what: "the owner's answer", source })?;
        self.line.clear();
        Ok(Some(reply))
    }
}

/// Whether the error says that nobody is there, or that who was there has ended without reading
/// what was asked.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
    )
}

#[cfg(all(test, unix))]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    #[tokio::test]
    async fn an_owner_that_ends_without_reading_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let owner = UnixListener::bind(&path).unwrap();
        let client = Client { address: Address::socket(path) };
        let ending = async {
            loop {
                let (stream, _) = owner.accept().await.unwrap();
                stream.readable().await.unwrap();
            }
        };
        let asking = async {
            assert!(matches!(client.start().await, Err(AppError::NotRunning)));
            client.stop().await.unwrap();
            assert_eq!(client.status().await.unwrap(), off());
            // It may also have ended before it was asked.
            if let Some(mut watch) = client.watch().await.unwrap() {
                assert_eq!(watch.next().await.unwrap(), None);
            }
        };
        tokio::select! {
            () = ending => {}
            () = asking => {}
        }
    }
}
