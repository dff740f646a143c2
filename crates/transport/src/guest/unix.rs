//! The multiplexed carrier on a unix socket: what QEMU's character device and the
//! guest's port are together, without a machine between them.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use naru_protocol::Port;
use tokio::net::UnixListener;

use crate::mux::{Connector, MuxAcceptor};
use crate::{BoxedStream, Carrier, TransportError};

/// Listens on a new unix socket, one client at a time as QEMU does.
pub fn listen_unix(path: &Path, ports: &[Port]) -> Result<MuxAcceptor, TransportError> {
    let listener = UnixListener::bind(path).map_err(listen_failed)?;
    Ok(MuxAcceptor::new(Box::new(Clients { path: path.to_path_buf(), listener }), ports))
}

fn listen_failed(source: std::io::Error) -> TransportError {
    TransportError::Listen { carrier: Carrier::VirtioSerial, source }
}

#[derive(Debug)]
struct Clients {
    path: PathBuf,
    listener: UnixListener,
}

#[async_trait]
impl Connector for Clients {
    async fn connect(&mut self) -> Result<BoxedStream, TransportError> {
        let (stream, _) = self.listener.accept().await.map_err(listen_failed)?;
        Ok(Box::new(stream))
    }

    fn describe(&self) -> String {
        self.path.display().to_string()
    }
}
