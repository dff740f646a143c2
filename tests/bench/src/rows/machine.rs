//! A port of a container in the machine, as the host's programs use it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use naru_test_framework::{Vm, images};

use crate::row::{NARU, Row};
use crate::traffic::send;

/// As much as the channel's rows send, which it is to be compared with.
const AMOUNT_MIB: usize = 64;
/// Reads to the end, says so, and serves the next.
const SERVER: &str = "nc -ll -p 5001 -e sh -c 'cat > /dev/null; echo'";

/// Ends when the server listens on its port, which is 0x1389.
const LISTENS: &str = "until grep -q :1389 /proc/net/tcp /proc/net/tcp6; do sleep 0.1; done";

/// Blocking.
pub(super) fn measure(rounds: u32, state: &Path) -> Result<Vec<Row>> {
    let mut row = Row::new("network: host to a port of the machine", "MiB/s");
    let archive = state.join("busybox.tar");
    fs::write(&archive, images::busybox()?.docker_archive("busybox")?)?;
    let vm = Vm::start()?;
    vm.docker_ok(&["load", "--input", &archive.display().to_string()])?;
    let run = ["run", "--detach", "--name", "server", "--publish", "127.0.0.1::5001"];
    vm.docker_ok(&[&run[..], &["busybox", "sh", "-c", SERVER]].concat())?;
    let address: SocketAddr = vm.docker_ok(&["port", "server", "5001"])?.parse()?;
    vm.docker_ok(&["exec", "server", "sh", "-c", LISTENS])?;
    for _ in 0..rounds {
        row.push(NARU, send(address, AMOUNT_MIB).context("through the published port")?);
    }
    Ok(vec![row])
}
