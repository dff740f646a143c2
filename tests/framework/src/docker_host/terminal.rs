//! `docker` on a terminal, as a person has it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use nix::pty::{Winsize, openpty};
use rustix::termios::tcsetwinsize;

use super::DockerHost;
use super::command::wait_for_exit;

const DEADLINE: Duration = Duration::from_mins(1);

/// The person's end of a terminal on which `docker` runs.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    master: File,
    screen: Receiver<Vec<u8>>,
    seen: String,
}

impl DockerHost {
    /// Starts `docker` on a terminal of `rows` and `columns`, which is its controlling one.
    pub fn terminal(
        &self,
        arguments: &[&str],
        rows: u16,
        columns: u16,
    ) -> anyhow::Result<Terminal> {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None)?;
        let docker = self.command(arguments);
        // util-linux's: a new session with this terminal, so that SIGWINCH arrives.
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(docker.get_program()).args(docker.get_args());
        for (name, value) in docker.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let child = command
            .stdin(pty.slave.try_clone()?)
            .stdout(pty.slave.try_clone()?)
            .stderr(pty.slave)
            .spawn()
            .context("start docker under setsid")?;
        drop(command);
        let (sender, screen) = channel();
        let master = File::from(pty.master);
        let mut reader = master.try_clone()?;
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The terminal answers EIO when its last program has ended.
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                drop(sender.send(buffer[..length].to_vec()));
            }
        });
        Ok(Terminal { child, master, screen, seen: String::new() })
    }
}

impl Terminal {
    /// Types `text`.
    pub fn type_in(&mut self, text: &str) -> anyhow::Result<()> {
        Ok(self.master.write_all(text.as_bytes())?)
    }

    /// Waits until the screen shows `text` after what was waited for before.
    pub fn expect(&mut self, text: &str) -> anyhow::Result<()> {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return Ok(());
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => bail!("the terminal does not show {text:?} but {:?}", self.seen),
            }
        }
    }

    /// Makes the terminal another size.
    pub fn resize(&self, rows: u16, columns: u16) -> anyhow::Result<()> {
        let size =
            rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(tcsetwinsize(&self.master, size)?)
    }

    /// Waits for the end of `docker`; gives its exit code and what the screen showed last.
    pub fn finish(mut self) -> anyhow::Result<(i32, String)> {
        let status = wait_for_exit(&mut self.child, DEADLINE)?;
        ensure!(status.is_some(), "docker on a terminal does not end: {:?}", self.seen);
        for bytes in &self.screen {
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
        let code = status.and_then(|status| status.code()).context("docker was killed")?;
        Ok((code, std::mem::take(&mut self.seen)))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Both fail only when it has ended and was waited for.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
