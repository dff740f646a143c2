//! A guest without a machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use naru_transport::guest::listen_unix;
use naru_transport::{Acceptor, Dialer, Endpoint, connect, selftest};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// Serves [`selftest`] on a unix socket until dropped.
pub(crate) struct Guest {
    folder: TempDir,
    /// Ends its tasks when dropped.
    serving: JoinSet<()>,
}

impl Guest {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let mut guest = Self { folder: tempfile::tempdir()?, serving: JoinSet::new() };
        guest.serve()?;
        Ok(guest)
    }

    fn serve(&mut self) -> anyhow::Result<()> {
        let mut acceptor = listen_unix(&self.socket(), &selftest::PORTS)?;
        self.serving.spawn(async move {
            let mut streams = JoinSet::new();
            while let Ok((port, stream)) = acceptor.accept().await {
                streams.spawn(selftest::serve(port, stream));
                while streams.try_join_next().is_some() {}
            }
        });
        Ok(())
    }

    /// Dies and comes back, as the agent does when it is restarted.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        self.serving.shutdown().await;
        std::fs::remove_file(self.socket())?;
        self.serve()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("mux.sock")
    }

    pub(crate) async fn connect(&self) -> anyhow::Result<Arc<dyn Dialer>> {
        connect_to(&self.socket()).await
    }
}

pub(crate) async fn connect_to(socket: &Path) -> anyhow::Result<Arc<dyn Dialer>> {
    Ok(connect(&Endpoint::MuxUnix { path: socket.to_path_buf() }).await?)
}
