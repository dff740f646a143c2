//! Published ports: the engine asks, the host listens and tunnels.
//!
//! One task keeps the ports channel (`naru_protocol::ports`) open for as long as the
//! machine runs. When the channel breaks (the engine is being restarted) the listeners
//! stay, and the new channel's binds find them again; what has not been asked for
//! again within [`RESYNC_GRACE`] is closed.

mod holder;
mod table;

use std::time::Duration;

use naru_protocol::ports::{PortReply, PortRequest};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::guest::Guest;
use table::PortTable;

/// How long a new engine has to ask again for the ports that are open.
const RESYNC_GRACE: Duration = Duration::from_secs(10);
/// The pause after the first failure to open the channel; it doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// The longest request line; an engine that sends more is not ours.
const MAX_LINE: u64 = 64 * 1024;

/// Serves the engine's requests until `cancel`, then closes all ports.
pub(crate) async fn serve(guest: Guest, tasks: TaskTracker, cancel: CancellationToken) {
    let mut table = PortTable::new(guest.clone(), tasks, cancel.clone());
    let work = async {
        let mut pause = FIRST_PAUSE;
        loop {
            match guest.ports().await {
                Ok(channel) => {
                    pause = FIRST_PAUSE;
                    table.begin_resync();
                    exchange(channel, &mut table).await;
                }
                Err(error) => {
                    tracing::debug!(error = %naru_error::chain(&error), "ports channel not open");
                }
            }
            // Backing off: nobody says when the engine is up again.
            sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    };
    cancel.run_until_cancelled(work).await;
}

/// Answers requests until the channel breaks.
async fn exchange<C: AsyncRead + AsyncWrite>(channel: C, table: &mut PortTable) {
    let (read, mut write) = tokio::io::split(channel);
    let mut lines = BufReader::new(read);
    let mut line = Vec::new();
    let resynced = sleep_until(Instant::now() + RESYNC_GRACE);
    tokio::pin!(resynced);
    let mut in_resync = true;
    loop {
        // `read_until` keeps what it has read in `line` when the timer goes first.
        let mut limited = (&mut lines).take(MAX_LINE.saturating_sub(line.len() as u64));
        let read = tokio::select! {
            () = &mut resynced, if in_resync => {
                in_resync = false;
                table.end_resync();
                continue;
            }
            read = limited.read_until(b'\n', &mut line) => read,
        };
        match read {
            Ok(_) if line.ends_with(b"\n") => {}
            Ok(_) => return tracing::info!("ports channel ended"),
            Err(error) => return tracing::info!(%error, "ports channel lost"),
        }
        let request = match serde_json::from_slice::<PortRequest>(&line) {
            Ok(request) => request,
            Err(error) => return tracing::warn!(%error, "ports channel speaks another language"),
        };
        line.clear();
        if let Some(reply) = table.answer(request).await
            && let Err(error) = send(&mut write, &reply).await
        {
            return tracing::info!(%error, "ports channel lost");
        }
    }
}

async fn send<W: AsyncWrite + Unpin>(write: &mut W, reply: &PortReply) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    write.write_all(&line).await?;
    write.flush().await
}
