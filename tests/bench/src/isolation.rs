//! A network, mounts and processes of the bench's own.
//!
//! Engines change the machine that they run on: bridges, firewall rules, mounts, processes
//! that outlive them. Here all of it ends with the bench, however it ends, and nothing
//! that runs beside it is disturbed.

use std::env::{args_os, current_exe, var_os};
use std::fs;
use std::io::{copy, sink, stdin};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use anyhow::{Context, Result, ensure};
use rustix::process::geteuid;
use tokio::sync::oneshot::channel;

/// Set inside: where the bench keeps everything.
const STATE: &str = "NARU_BENCH_STATE";
/// Peers keep sockets and locks beneath `/run`, whatever else they are told.
///
/// Files go to a file system that nothing else writes to and that is as the machine's data disk:
/// an ext4 without a journal does not give out inodes again for minutes, and looks at each of
/// those for every file that is made, so that it takes ever longer where much was deleted.
const SET_UP: &str = r#"set -e
ip link set lo up
mount -t tmpfs -o mode=755 tmpfs /run
truncate -s 16G "$NARU_BENCH_STATE.ext4"
mkfs.ext4 -q -F -O has_journal "$NARU_BENCH_STATE.ext4"
mount -o loop,noinit_itable "$NARU_BENCH_STATE.ext4" "$NARU_BENCH_STATE"
exec "$@""#;

/// The bench's directory, when this process is already inside.
pub(crate) fn state() -> Option<PathBuf> {
    var_os(STATE).map(PathBuf::from)
}

/// Runs this program again, with the same arguments, inside; removes what it leaves.
pub(crate) fn enter() -> Result<ExitStatus> {
    ensure!(geteuid().is_root(), "the bench runs engines natively, which needs root");
    let outer = tempfile::Builder::new().prefix("naru-bench-").tempdir()?;
    let state = outer.path().join("state");
    fs::create_dir(&state)?;
    let mut unshare = Command::new("unshare");
    unshare
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(["--", "sh", "-c", SET_UP, "naru-bench"])
        .arg(current_exe()?)
        .args(args_os().skip(1))
        .env(STATE, &state)
        .env("TMPDIR", &state);
    let unshare = unshare.stdin(Stdio::piped()).spawn();
    let mut unshare = unshare.context("start unshare (Debian package util-linux)")?;
    // Waiting would close it.
    let _held = unshare.stdin.take();
    Ok(unshare.wait()?)
}

/// Waits, inside, for the process outside to end, which holds the pipe to us. The first
/// process of a namespace is not ended by the signals that end that one.
pub(crate) async fn abandoned() {
    let (sender, ended) = channel::<()>();
    thread::spawn(move || {
        let _end_of_file = copy(&mut stdin(), &mut sink());
        drop(sender);
    });
    // Nothing is sent: the sender goes at the end of the file.
    let _gone = ended.await;
}
