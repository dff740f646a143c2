//! What the commands say: steps with their duration, and a closing line.

use std::io::{self, Write};
use std::time::Instant;

use anyhow::{Result, bail};

/// Says one line.
pub(crate) fn say(message: &str) {
    // There is nobody to tell when the terminal is gone.
    drop(writeln!(io::stdout(), "{message}"));
}

/// Runs a step that the rest depends on; a failure ends the command.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    say(&format!("==> {name}"));
    let start = Instant::now();
    let result = work();
    let outcome = if result.is_ok() { "done" } else { "failed" };
    say(&format!("<== {name}: {outcome} in {:.1} s", start.elapsed().as_secs_f64()));
    result
}

/// Checks that do not depend on each other: all run, and the failures are counted.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    passed: usize,
    failed: Vec<String>,
}

impl Checks {
    /// Runs one check and notes how it ended.
    pub(crate) fn run(&mut self, name: &str, work: impl FnOnce() -> Result<()>) {
        match step(name, work) {
            Ok(()) => self.passed += 1,
            Err(error) => {
                say(&format!("{name}: {error:#}"));
                self.failed.push(name.to_owned());
            }
        }
    }

    /// Says how many passed, and fails if one did not.
    pub(crate) fn finish(self, what: &str) -> Result<()> {
        for name in &self.failed {
            say(&format!("FAILED {name}"));
        }
        say(&format!("{what}: {} passed, {} failed", self.passed, self.failed.len()));
        if self.failed.is_empty() { Ok(()) } else { bail!("{what} failed") }
    }
}
