//! The services behind [`Port::ECHO`], [`Port::STALL`] and [`Port::DISCARD`].
//!
//! The agent serves them so that tests and the bench can measure the way to a running
//! machine without the engine.

use std::future::pending;
use std::io;

use naru_protocol::Port;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};

use crate::BoxedStream;

/// The ports that [`serve`] knows.
pub const PORTS: [Port; 3] = [Port::ECHO, Port::STALL, Port::DISCARD];

/// Read at a time by [`Port::DISCARD`].
const BUFFER: usize = 64 * 1024;

/// Serves one stream to its end; `STALL` never ends by itself. The caller drops the
/// future to end it sooner. A port that is none of [`PORTS`] is `Unsupported`.
pub async fn serve(port: Port, mut stream: BoxedStream) -> io::Result<()> {
    match port {
        Port::ECHO => {
            let (mut reader, mut writer) = split(stream);
            copy(&mut reader, &mut writer).await?;
            writer.shutdown().await
        }
        Port::STALL => {
            let held = stream;
            pending::<()>().await;
            drop(held);
            Ok(())
        }
        Port::DISCARD => {
            let mut buffer = vec![0; BUFFER];
            let mut total: u64 = 0;
            loop {
                match stream.read(&mut buffer).await? {
                    0 => break,
                    count => total += count as u64,
                }
            }
            stream.write_u64(total).await?;
            stream.shutdown().await
        }
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}
