//! The tray: what its menu has while things change, and what is done from it.
//!
//! All that is known is known here, so that it works while the window is hidden; only the words
//! are the window's, which has the catalogues. They are kept for the next start.

mod menu;
pub(crate) mod words;

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};
use bollard::query_parameters::ListContainersOptions;
use naru_ipc::{AppEvent, ContainerRef, IpcError, MachineState, TrayWords};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use crate::commands::{container_name, published};
use crate::{App, AppError};

use menu::{Live, menu};
pub use menu::{TrayAct, TrayChoice, TrayEntry, ways};

impl App {
    /// `tray.words`.
    #[expect(clippy::unused_async, reason = "every row of the command table is async")]
    pub async fn tray_words(&self, words: TrayWords) -> Result<(), IpcError> {
        let known = self.inner.tray_words.send_replace(words.clone());
        if known != words {
            words::keep(&self.inner.directories, &words)?;
        }
        Ok(())
    }

    /// The tray's menu now and as it changes, until [`App::shutdown`].
    pub fn tray(&self) -> watch::Receiver<Vec<TrayEntry>> {
        let now = self.tray_menu(&[]);
        let (sender, receiver) = watch::channel(now);
        self.inner.spawn(self.clone().follow_for_tray(sender));
        receiver
    }

    /// Does what was chosen, as far as it is not the shell's to do.
    pub async fn tray_act(&self, act: TrayAct) -> Result<(), IpcError> {
        match act {
            TrayAct::StartMachine => self.machine_start(()).await,
            TrayAct::StopMachine => self.machine_stop(()).await,
            TrayAct::StopContainer(id) => self.container_stop(ContainerRef { id }).await,
            TrayAct::Show | TrayAct::Quit | TrayAct::OpenPort(_) => Ok(()),
        }
    }

    fn tray_menu(&self, live: &[Live]) -> Vec<TrayEntry> {
        let state = self.inner.status.borrow().state;
        menu(&self.inner.tray_words.borrow(), state, live)
    }

    async fn follow_for_tray(self, menu: watch::Sender<Vec<TrayEntry>>) {
        let mut events = self.subscribe();
        let mut words = self.inner.tray_words.subscribe();
        let mut status = self.watch_status();
        let mut live = Vec::new();
        loop {
            let entries = self.tray_menu(&live);
            menu.send_if_modified(|shown| {
                let differs = *shown != entries;
                *shown = entries;
                differs
            });
            tokio::select! {
                changed = words.changed() => if changed.is_err() {
                    return;
                },
                changed = status.changed() => match changed {
                    Ok(()) => live = self.live().await,
                    Err(_) => return,
                },
                event = events.recv() => match event {
                    Ok(AppEvent::Containers) | Err(RecvError::Lagged(_)) => {
                        live = self.live().await;
                    }
                    Ok(_) => {}
                    Err(RecvError::Closed) => return,
                },
            }
        }
    }

    /// The containers that live, the newest first; none while the machine does not run.
    async fn live(&self) -> Vec<Live> {
        if self.inner.status.borrow().state != MachineState::Running {
            return Vec::new();
        }
        self.list_live().await.unwrap_or_else(|error| {
            // The engine tells of it once it answers again.
            tracing::debug!(error = %naru_error::chain(&error), "containers not listed");
            Vec::new()
        })
    }

    async fn list_live(&self) -> Result<Vec<Live>, AppError> {
        // Docker lists those that live when it is asked for no others.
        let docker = self.inner.docker()?;
        let containers = docker.list_containers(None::<ListContainersOptions>).await?;
        Ok(containers.into_iter().map(as_listed).collect())
    }
}

fn as_listed(container: ContainerSummary) -> Live {
    let name = container_name(&container);
    let runs = container.state == Some(ContainerSummaryStateEnum::RUNNING);
    let open = container.ports.filter(|_| runs).unwrap_or_default();
    let mut ports: Vec<u16> = published(open).iter().map(|port| port.host_port).collect();
    ports.sort_unstable();
    ports.dedup();
    Live { id: container.id.unwrap_or_default(), name, ports }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bollard::models::PortSummary;

    use super::*;
    use crate::{Directories, Environment};

    fn container(state: ContainerSummaryStateEnum) -> ContainerSummary {
        let port = |ip: &str, public_port| PortSummary {
            ip: Some(ip.to_owned()),
            private_port: 80,
            public_port,
            ..PortSummary::default()
        };
        let ports =
            [("127.0.0.1", Some(8443)), ("0.0.0.0", Some(8080)), ("::", Some(8080)), ("", None)];
        ContainerSummary {
            id: Some("abc".to_owned()),
            names: Some(vec!["/web".to_owned()]),
            state: Some(state),
            ports: Some(ports.map(|(ip, public)| port(ip, public)).into()),
            ..ContainerSummary::default()
        }
    }

    #[test]
    fn a_container_is_listed_with_each_port_that_can_be_opened_once() {
        let listed = as_listed(container(ContainerSummaryStateEnum::RUNNING));
        let wanted = Live { id: "abc".to_owned(), name: "web".to_owned(), ports: vec![8080, 8443] };
        assert_eq!(listed, wanted);
    }

    /// The first entry of a tray that has just come, in an app that is opened anew.
    async fn first_said(home: &Path) -> TrayEntry {
        let app = open(home);
        let said = app.tray().borrow()[0].clone();
        app.shutdown().await;
        said
    }

    fn open(home: &Path) -> App {
        let environment = Environment { home: Some(home.to_owned()), ..Environment::default() };
        App::open_in(Directories::find(&environment, None).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_tray_says_from_its_start_what_the_window_said_last() {
        let home = tempfile::tempdir().unwrap();
        let note = |text: &str| TrayEntry::Note(text.to_owned());
        assert_eq!(first_said(home.path()).await, note("Machine is off"));
        let app = open(home.path());
        let words =
            TrayWords { stopped: "가상 머신 꺼짐".to_owned(), ..TrayWords::default() };
        app.tray_words(words).await.unwrap();
        app.shutdown().await;
        assert_eq!(first_said(home.path()).await, note("가상 머신 꺼짐"));
        std::fs::write(home.path().join("data/tray.json"), r#"{"stopped": "half"#).unwrap();
        assert_eq!(first_said(home.path()).await, note("Machine is off"));
    }

    #[test]
    fn nobody_listens_at_the_ports_of_a_paused_container() {
        assert!(as_listed(container(ContainerSummaryStateEnum::PAUSED)).ports.is_empty());
    }
}
