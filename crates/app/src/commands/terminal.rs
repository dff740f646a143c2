//! `terminal.*` and `stream.close`.

use bollard::models::ExecConfig;
use bollard::query_parameters::ResizeExecOptionsBuilder;
use bytes::{Bytes, BytesMut};
use hyper::Method;
use naru_ipc::{
    ContainerProcesses, ContainerRef, IpcError, OutputChunk, StreamClose, TerminalOpen,
    TerminalPrograms, TerminalRef, TerminalResize, TerminalWrite,
};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::check_container;
use crate::http::{self, RawStream};
use crate::streams::{OpenStream, Terminal};
use crate::{App, AppError, local, output};

/// The best shell there is: images differ, and few have bash.
const SHELL: &str = "command -v bash >/dev/null && exec bash || exec sh";
/// Writes that may wait for a shell that does not read.
const INPUT_BACKLOG: usize = 64;
/// How much output one chunk may carry.
const CHUNK: usize = 32 * 1024;

impl App {
    /// `terminal.open`: returns when the shell runs; its last chunk is `end`.
    pub async fn terminal_open(
        &self,
        request: TerminalOpen,
        sink: impl Fn(OutputChunk) -> bool + Send + Sync + 'static,
    ) -> Result<(), IpcError> {
        let (stream, shell, input) = self.open_shell(&request).await?;
        self.inner.tasks.spawn(async move {
            tokio::select! {
                () = stream.closed() => {}
                () = converse(shell, input, &sink) => {}
            }
            sink(output::end());
        });
        // The shell has the right size from its start; an engine that ignores it there
        // is told again.
        let TerminalOpen { stream_id, rows, cols, .. } = &request;
        if let Err(error) = self.resize(stream_id, *rows, *cols).await {
            tracing::debug!(%error, "terminal not resized");
        }
        Ok(())
    }

    async fn open_shell(
        &self,
        request: &TerminalOpen,
    ) -> Result<(OpenStream, RawStream, mpsc::Receiver<Bytes>), AppError> {
        check_container(&request.id)?;
        let inner = &self.inner;
        let config = ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(true),
            console_size: Some(vec![request.rows.into(), request.cols.into()]),
            env: Some(vec!["TERM=xterm-256color".to_owned()]),
            cmd: Some(program(&request.command)),
            user: (!request.user.is_empty()).then(|| request.user.clone()),
            ..ExecConfig::default()
        };
        let exec_id = inner.docker()?.create_exec(&request.id, config).await?.id;
        let (input, typed) = mpsc::channel(INPUT_BACKLOG);
        let container_id = request.id.clone();
        let terminal = Terminal { input, exec_id: exec_id.clone(), container_id };
        let stream = inner.streams.open(&request.stream_id, Some(terminal))?;
        // Not through bollard: it looks for frames in a terminal's bytes.
        let connection = local::connect(&inner.directories.docker_socket()).await;
        let connection = connection.map_err(|source| AppError::OwnerSilent { source })?;
        let body = json!({
            "Detach": false, "Tty": true, "ConsoleSize": [request.rows, request.cols],
        });
        let path = format!("/exec/{exec_id}/start");
        let start = http::request(Method::POST, &path, Some("tcp"), body.to_string().into())?;
        Ok((stream, http::upgrade(connection, &inner.tasks, start).await?, typed))
    }

    /// `terminal.write`: waits while the shell does not read.
    pub async fn terminal_write(&self, request: TerminalWrite) -> Result<(), IpcError> {
        let terminal = self.inner.streams.terminal(&request.stream_id)?;
        let written = terminal.input.send(Bytes::from(request.text)).await;
        // The shell has ended in this moment.
        written.map_err(|_| AppError::NoTerminal { stream_id: request.stream_id }.into())
    }

    /// `terminal.resize`.
    pub async fn terminal_resize(&self, request: TerminalResize) -> Result<(), IpcError> {
        Ok(self.resize(&request.stream_id, request.rows, request.cols).await?)
    }

    /// `terminal.programs`: those whose parent is what the terminal was opened with.
    pub async fn terminal_programs(
        &self,
        request: TerminalRef,
    ) -> Result<TerminalPrograms, IpcError> {
        let terminal = self.inner.streams.terminal(&request.stream_id)?;
        let exec = self.inner.docker()?.inspect_exec(&terminal.exec_id).await;
        let shell = exec.map_err(AppError::from)?.pid.unwrap_or_default().to_string();
        let container = ContainerRef { id: terminal.container_id };
        let ContainerProcesses { titles, rows } = self.container_processes(container).await?;
        Ok(TerminalPrograms { commands: children_of(&shell, &titles, rows) })
    }

    async fn resize(&self, stream_id: &str, rows: u16, cols: u16) -> Result<(), AppError> {
        let terminal = self.inner.streams.terminal(stream_id)?;
        let size = ResizeExecOptionsBuilder::new().h(rows.into()).w(cols.into()).build();
        Ok(self.inner.docker()?.resize_exec(&terminal.exec_id, size).await?)
    }

    /// `stream.close`: a log stream or a terminal.
    #[expect(clippy::unused_async, reason = "every row of the command table is async")]
    pub async fn stream_close(&self, request: StreamClose) -> Result<(), IpcError> {
        self.inner.streams.close(&request.stream_id);
        Ok(())
    }
}

/// What runs in a terminal.
fn program(command: &[String]) -> Vec<String> {
    if command.is_empty() {
        return vec!["sh".to_owned(), "-c".to_owned(), SHELL.to_owned()];
    }
    command.to_vec()
}

/// The command lines of the processes that `parent` has started.
fn children_of(parent: &str, titles: &[String], rows: Vec<Vec<String>>) -> Vec<String> {
    let column = |name: &str| titles.iter().position(|title| title == name);
    let (Some(parents), Some(command)) = (column("PPID"), column("CMD")) else {
        return Vec::new();
    };
    let children = rows.into_iter().filter(|row| row.get(parents).is_some_and(|pid| pid == parent));
    children.filter_map(|mut row| (command < row.len()).then(|| row.swap_remove(command))).collect()
}

/// Carries both directions until the shell ends or the sink's receiver is gone.
async fn converse(
    shell: RawStream,
    mut input: mpsc::Receiver<Bytes>,
    sink: &(impl Fn(OutputChunk) -> bool + Sync),
) {
    let (mut read, mut write) = tokio::io::split(shell);
    let typing = async {
        while let Some(bytes) = input.recv().await {
            if let Err(error) = write.write_all(&bytes).await {
                tracing::debug!(%error, "shell does not read");
                break;
            }
        }
        // What the shell still prints decides when it is over.
        std::future::pending::<()>().await;
    };
    let printing = async {
        let mut buffer = BytesMut::with_capacity(CHUNK);
        loop {
            buffer.clear();
            match read.read_buf(&mut buffer).await {
                Ok(0) => return,
                Ok(_) => {
                    if !sink(output::chunk("stdout", &buffer)) {
                        return;
                    }
                }
                Err(error) => return tracing::debug!(%error, "terminal broke off"),
            }
        }
    };
    tokio::select! {
        () = typing => {}
        () = printing => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_shell_is_found_where_nobody_names_a_program() {
        assert_eq!(program(&[]), ["sh", "-c", SHELL]);
        assert_eq!(program(&words("psql -U shop")), words("psql -U shop"));
    }

    #[test]
    fn only_what_the_shell_started_itself_is_told() {
        let titles = words("UID PID PPID CMD");
        let rows = ["root 7 1 nginx", "root 20 9 bash", "root 21 20 vi", "root 22 21 cat"];
        let rows: Vec<_> = rows.into_iter().map(words).collect();
        assert_eq!(children_of("20", &titles, rows.clone()), ["vi"]);
        assert_eq!(children_of("22", &titles, rows.clone()), Vec::<String>::new());
        // An engine that lists other columns cannot tell.
        assert_eq!(children_of("20", &words("PID CMD"), rows), Vec::<String>::new());
    }
}
