//! Copies bytes between two streams.

use std::future::pending;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, split};

/// Copies between a client and a server that answers it, until the server is done. What
/// was read of the client already goes ahead.
///
/// When the client sends no more, the server is told so (half-close) and may go on
/// answering. When the server ends, there is nothing left to say: the client's stream
/// is ended too, whatever it still wanted to send. An error is one of the answers'
/// direction: that the server takes no more is seen by how its answers end.
pub(crate) async fn client_to_server<C, S>(
    client: &mut C,
    ahead: &[u8],
    server: S,
) -> io::Result<()>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite,
{
    let (mut client_read, mut client_write) = split(client);
    let (mut server_read, mut server_write) = split(server);
    let requests = async {
        let sent = async {
            server_write.write_all(ahead).await?;
            copy(&mut client_read, &mut server_write).await
        };
        if let Err(error) = sent.await {
            tracing::debug!(%error, "client's input broke off");
        }
        if let Err(error) = server_write.shutdown().await {
            tracing::debug!(%error, "server not told of its input's end");
        }
        pending::<io::Result<()>>().await
    };
    let answers = async {
        copy(&mut server_read, &mut client_write).await?;
        client_write.shutdown().await
    };
    tokio::select! {
        result = requests => result,
        result = answers => result,
    }
}
