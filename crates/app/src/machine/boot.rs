//! From nothing to an engine that answers.

use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::Failure;
use super::steps::Steps;
use crate::guest::Guest;
use crate::settings::SettingsFile;
use crate::{AppError, Directories};

/// A machine whose engine has answered.
#[derive(Debug)]
pub(super) struct Booted {
    pub(super) guest: Guest,
}

impl Booted {
    pub(super) async fn died(&mut self) -> Failure {
        std::future::pending().await
    }
    pub(super) async fn stop(self, _deadline: Duration) {}
}

pub(super) async fn boot(
    directories: &Directories,
    settings: &SettingsFile,
    steps: &Steps,
    tasks: &TaskTracker,
) -> Result<Booted, Failure> {
    steps.run("qemu", async { Err(AppError::NotRunning.into()) }).await
}
