//! Much to send at once.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Instant;

use anyhow::{Context, Result};

pub(crate) const MIB: usize = 1 << 20;

/// MiB a second to a server that reads to the end, and says with a byte that it has. Blocking.
#[expect(clippy::cast_precision_loss, reason = "the amount is small")]
pub(crate) fn send(to: SocketAddr, amount_mib: usize) -> Result<f64> {
    let mut stream = TcpStream::connect(to).with_context(|| format!("connect to {to}"))?;
    let block = vec![0; MIB];
    let begun = Instant::now();
    for _ in 0..amount_mib {
        stream.write_all(&block)?;
    }
    stream.shutdown(Shutdown::Write)?;
    stream.read_exact(&mut [0])?;
    Ok(amount_mib as f64 / begun.elapsed().as_secs_f64())
}
