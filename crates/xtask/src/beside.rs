//! The checks that run beside the tests which wait for machines and containers more than they
//! compute: in a process of their own, which has the processor when nobody else wants it.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::step::say;
use crate::workspace;

/// Yields to all others. Each session is one for the kernel, so that what is nice in its own
/// only would have as much as a machine or a container that is tested; hence a session of
/// their own, which yields as a whole where the kernel does so.
const YIELD: &str = "
    { echo 19 > /proc/self/autogroup; } 2>/dev/null
    exec nice -n 19 cargo xtask ci";

/// `cargo xtask ci` under way.
#[derive(Debug)]
pub(crate) struct Beside {
    child: Child,
    /// What it says, kept until it has ended: two voices at once are not to be read.
    log: PathBuf,
}

impl Beside {
    /// Starts it. All that it installs is to be there already, and nothing may be compiled
    /// until it has ended.
    pub(crate) fn start() -> Result<Self> {
        let log = workspace::output().join("beside.log");
        let said =
            File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
        // It ends with this process: the terminal's signals reach its own session only.
        let child = Command::new("setsid")
            .args(["setpriv", "--pdeathsig", "TERM", "sh", "-c", YIELD])
            .current_dir(workspace::root())
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn()
            .context("cannot run setsid")?;
        Ok(Self { child, log })
    }

    /// Waits for its end and says what it said.
    pub(crate) fn finish(mut self) -> Result<()> {
        let status = self.child.wait()?;
        let said =
            fs::read(&self.log).with_context(|| format!("cannot read {}", self.log.display()))?;
        say(String::from_utf8_lossy(&said).trim_end());
        if !status.success() {
            bail!("it ended with {status}");
        }
        Ok(())
    }
}
