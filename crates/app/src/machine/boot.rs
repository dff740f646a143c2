//! From a plan to an engine that answers.

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use naru_machine::{Machine, MachineState, Step};
use naru_transport::Endpoint;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use super::plan::Launch;
use crate::AppError;
use crate::guest::Guest;
use crate::settings::SettingsFile;

const CHANNEL: Step = Step {
    name: "channel",
    description: "open the channel to the machine",
    hint: "see the console log: the guest opens its end when its agent starts",
};
const HANDSHAKE: Step = Step {
    name: "handshake",
    description: "ask the agent for its version",
    hint: "app and VM image must be of the same release",
};
const ENGINE: Step = Step {
    name: "engine",
    description: "wait for the container engine",
    hint: "see the console log for the engine's own words",
};

/// How long the guest may take from power-on to its engine's first answer: without
/// hardware acceleration on a busy computer it is minutes.
pub(crate) const GUEST_DEADLINE: Duration = Duration::from_mins(5);
/// The pause before the guest is asked again. It cannot tell us that it is ready before
/// there is a channel.
const RETRY: Duration = Duration::from_millis(50);

/// Starts the machine and waits until its engine answers. Not cancel safe as to the
/// machine: whoever drops this shuts the machine down.
pub(super) async fn boot(
    machine: &Machine,
    launch: &Launch,
    settings: &SettingsFile,
    tasks: &TaskTracker,
) -> Result<Guest, AppError> {
    machine.start(launch.plan.clone()).await;
    loop {
        machine.running().await?;
        tokio::select! {
            reached = timeout(GUEST_DEADLINE, reach(machine, &launch.endpoint, tasks)) => {
                let what = "the machine's first answer";
                let guest = reached.map_err(|_| AppError::Deadline { what })??;
                machine.confirm_ready().await;
                tell_registries(&guest, settings).await;
                return Ok(guest);
            }
            // It has ended, or begins again with another accelerator.
            () = not_running(machine) => {}
        }
    }
}

/// Waits until the machine does not run any more. Cancel safe.
pub(super) async fn not_running(machine: &Machine) {
    let mut state = machine.state();
    let ended = |state: &MachineState| !matches!(state, MachineState::Running { .. });
    // A driver that is gone has no machine either.
    drop(state.wait_for(ended).await.map(drop));
}

async fn reach(
    machine: &Machine,
    endpoint: &Endpoint,
    tasks: &TaskTracker,
) -> Result<Guest, AppError> {
    let steps = machine.steps();
    let dialer = steps.run(
        CHANNEL,
        until_ok(|| async { naru_transport::connect(endpoint).await.map_err(AppError::Transport) }),
    );
    let guest = Guest::new(dialer.await?, tasks.clone());
    let handshake = steps.run(HANDSHAKE, until_ok(|| guest.handshake())).await?;
    let agent_version = handshake.agent_version;
    tracing::info!(agent_version, capabilities = ?handshake.capabilities, "agent");
    steps
        .run(ENGINE, async {
            guest.set_clock().await?;
            until_ok(|| guest.ask(Method::GET, "/_ping")).await
        })
        .await?;
    Ok(guest)
}

/// What the engine refuses is known from the time when it was set, and the machine works without.
async fn tell_registries(guest: &Guest, settings: &SettingsFile) {
    // As they are now, not as they were when the machine began to start.
    let told = match settings.load() {
        Ok(settings) => guest.set_registries(settings.registries).await,
        Err(error) => Err(error),
    };
    if let Err(error) = told {
        let error = naru_error::chain(&error);
        tracing::error!(error, "the engine does not have the settings for registries");
    }
}

/// Repeats `attempt` until it succeeds, or fails in a way that time does not mend.
async fn until_ok<T, F>(attempt: impl Fn() -> F) -> Result<T, AppError>
where
    F: Future<Output = Result<T, AppError>>,
{
    loop {
        match attempt().await {
            Err(error) if is_passing(&error) => {
                tracing::debug!(error = %naru_error::chain(&error), "guest not ready");
                sleep(RETRY).await;
            }
            result => return result,
        }
    }
}

/// Whether the guest may just not be up yet.
fn is_passing(error: &AppError) -> bool {
    match error {
        AppError::Transport(_) | AppError::Http { .. } | AppError::Deadline { .. } => true,
        AppError::Refused { status, .. } => *status == 503,
        _ => false,
    }
}

/// The error as everybody may keep it.
impl From<Arc<naru_machine::MachineError>> for AppError {
    fn from(error: Arc<naru_machine::MachineError>) -> Self {
        Self::Machine(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_engine::FakeEngine;

    #[tokio::test]
    async fn a_started_engine_is_told_the_present_settings_for_registries() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let settings = SettingsFile::new(path("settings.json"), path("data.img"));
        let (engine, _ports) = FakeEngine::new();
        for text in [r#"{"registries": {"insecure": ["a:5000"]}}"#, "{}"] {
            std::fs::write(path("settings.json"), text).unwrap();
            tell_registries(&engine.guest(), &settings).await;
            let told = engine.registries.lock().unwrap().take().unwrap();
            assert_eq!(told.insecure.len(), usize::from(text != "{}"), "also that there are none");
        }
        std::fs::write(path("settings.json"), "{").unwrap();
        tell_registries(&engine.guest(), &settings).await;
        assert_eq!(*engine.registries.lock().unwrap(), None, "what is not known is not told");
    }
}
