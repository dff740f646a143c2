//! Tells the windows what changed: the machine's status, the settings and the engine's events.

use std::sync::Weak;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::models::{EventMessage, EventMessageTypeEnum};
use bollard::query_parameters::EventsOptionsBuilder;
use futures::StreamExt;
use naru_ipc::{AppEvent, MachineState, Settings};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::app::Inner;

/// Changes that come closer together than this are told as one.
const COALESCE: Duration = Duration::from_millis(100);
/// The pause before the engine is asked again for its events.
const RETRY: Duration = Duration::from_millis(500);
/// How far back the engine is asked for its events: its clock need not be ours to the second.
const OVERLAP: Duration = Duration::from_secs(5);
/// How often the settings' file is looked at: `naru config` and other windows write it too.
const SETTINGS_LOOK: Duration = Duration::from_secs(1);

/// What has changed and was not told yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a set of lists, each of them told or not")]
struct Changes {
    containers: bool,
    images: bool,
    volumes: bool,
    networks: bool,
}

impl Changes {
    const ALL: Self = Self { containers: true, images: true, volumes: true, networks: true };

    fn add(&mut self, event: &EventMessage) {
        match event.typ {
            Some(EventMessageTypeEnum::CONTAINER) => {
                self.containers = true;
                // An image's entry says how many containers are made from it.
                let action = event.action.as_deref().unwrap_or_default();
                let comes_or_goes = matches!(action, "create" | "destroy");
                self.images |= comes_or_goes || action == "commit";
                // A volume's and a network's say which containers have them, and which run.
                let runs = comes_or_goes || matches!(action, "start" | "die" | "rename");
                self.volumes |= runs;
                self.networks |= runs;
            }
            Some(EventMessageTypeEnum::IMAGE) => self.images = true,
            Some(EventMessageTypeEnum::VOLUME) => self.volumes = true,
            Some(EventMessageTypeEnum::NETWORK) => self.networks = true,
            _ => {}
        }
    }

    fn tell(self, inner: &Inner) {
        if self.containers {
            inner.emit(AppEvent::Containers);
        }
        if self.images {
            inner.emit(AppEvent::Images);
        }
        if self.volumes {
            inner.emit(AppEvent::Volumes);
        }
        if self.networks {
            inner.emit(AppEvent::Networks);
        }
    }
}

/// Runs until `cancel`, or until the app itself is gone. `known` are the settings as they are.
pub(crate) async fn run(inner: Weak<Inner>, known: Option<Settings>, cancel: CancellationToken) {
    let all = async {
        let settings = settings(Weak::clone(&inner), known);
        tokio::join!(machine(Weak::clone(&inner)), settings, engine(inner))
    };
    cancel.run_until_cancelled(all).await;
}

async fn settings(inner: Weak<Inner>, mut known: Option<Settings>) {
    loop {
        sleep(SETTINGS_LOOK).await;
        let Some(inner) = inner.upgrade() else { return };
        // Of a file that makes no sense is told who next reads or writes it.
        let Ok(settings) = inner.settings.load() else { continue };
        if known.as_ref() != Some(&settings) {
            known = Some(settings.clone());
            inner.emit(AppEvent::Settings { settings });
        }
    }
}

async fn machine(inner: Weak<Inner>) {
    let Some(mut statuses) = inner.upgrade().map(|inner| inner.status.subscribe()) else { return };
    while statuses.changed().await.is_ok() {
        let status = statuses.borrow_and_update().clone();
        let Some(inner) = inner.upgrade() else { return };
        inner.emit(AppEvent::Machine { status });
    }
}

async fn engine(inner: Weak<Inner>) {
    let Some(mut statuses) = inner.upgrade().map(|inner| inner.status.subscribe()) else { return };
    loop {
        if statuses.wait_for(|status| status.state == MachineState::Running).await.is_err() {
            return;
        }
        // Whatever happened while nobody listened: list again.
        let Some(strong) = inner.upgrade() else { return };
        // What happens between the lists and the events is told with these.
        let options = EventsOptionsBuilder::new().since(&a_moment_ago()).build();
        Changes::ALL.tell(&strong);
        let docker = strong.docker();
        drop(strong);
        if let Ok(docker) = docker {
            let events = docker.events(Some(options));
            follow(Box::pin(events), &inner).await;
        }
        sleep(RETRY).await;
    }
}

/// In Unix seconds.
fn a_moment_ago() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(OVERLAP).as_secs().to_string()
}

/// Tells of events until there are no more.
async fn follow<E: std::error::Error>(
    mut events: impl futures::Stream<Item = Result<EventMessage, E>> + Unpin,
    inner: &Weak<Inner>,
) {
    while let Some(first) = events.next().await {
        let mut changes = Changes::default();
        match first {
            Ok(event) => changes.add(&event),
            Err(error) => return tracing::debug!(%error, "engine's events broke off"),
        }
        let more = async {
            while let Some(Ok(event)) = events.next().await {
                changes.add(&event);
            }
        };
        // Ends by the clock as a rule; when the events end, the next call sees it.
        drop(timeout(COALESCE, more).await);
        let Some(inner) = inner.upgrade() else { return };
        changes.tell(&inner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(typ: EventMessageTypeEnum, action: &str) -> EventMessage {
        EventMessage { typ: Some(typ), action: Some(action.to_owned()), ..EventMessage::default() }
    }

    #[test]
    fn events_become_the_lists_they_change() {
        let cases = [
            (EventMessageTypeEnum::CONTAINER, "start", [true, false, true, true]),
            (EventMessageTypeEnum::CONTAINER, "exec_die", [true, false, false, false]),
            (EventMessageTypeEnum::CONTAINER, "destroy", [true, true, true, true]),
            (EventMessageTypeEnum::IMAGE, "pull", [false, true, false, false]),
            (EventMessageTypeEnum::VOLUME, "create", [false, false, true, false]),
            (EventMessageTypeEnum::NETWORK, "connect", [false, false, false, true]),
        ];
        for (typ, action, expected) in cases {
            let mut changes = Changes::default();
            changes.add(&event(typ, action));
            let Changes { containers, images, volumes, networks } = changes;
            assert_eq!([containers, images, volumes, networks], expected, "{typ} {action}");
        }
    }
}
