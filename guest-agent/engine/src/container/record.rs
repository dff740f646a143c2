//! What is known of a container, as it lies in the database.

use std::collections::BTreeMap;

use bollard_stubs::models::{ContainerConfig, HostConfig};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::health::HealthStatus;
use super::membership::{Membership, PublishedPort};
use super::mounts::MountPoint;
use super::state::{State, Status};

/// A container: what it was made from, what was asked for, how it is.
///
/// `config` and `host_config` are the client's words with the image's defaults
/// filled in; `inspect` gives them back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    /// 64 hex digits.
    pub(crate) id: String,
    /// Without Docker's leading slash.
    pub(crate) name: String,
    pub(crate) created: Timestamp,
    /// The image as the client named it.
    pub(crate) image: String,
    /// `sha256:…`.
    pub(crate) image_id: String,
    /// Entrypoint and command, put together.
    pub(crate) command: Vec<String>,
    pub(crate) config: ContainerConfig,
    pub(crate) host_config: HostConfig,
    /// None of one that an older engine has made.
    #[serde(default)]
    pub(crate) mounts: Option<Vec<MountPoint>>,
    /// The networks that it is in, whether it runs or not; none if it has another's.
    pub(crate) networks: Vec<Membership>,
    /// What is published of it, while it runs.
    #[serde(default)]
    pub(crate) ports: Vec<PublishedPort>,
    pub(crate) state: State,
}

impl Record {
    /// Whether there is a process, be it paused.
    pub(crate) fn running(&self) -> bool {
        self.state.has_process()
    }

    /// Docker's `Running`: also while it waits for its restart.
    pub(crate) fn counts_as_running(&self) -> bool {
        self.running() || self.state.status == Status::Restarting
    }

    pub(crate) fn tty(&self) -> bool {
        self.config.tty.unwrap_or_default()
    }

    pub(crate) fn auto_remove(&self) -> bool {
        self.host_config.auto_remove.unwrap_or_default()
    }

    /// The container whose network it has (`--network container:…`).
    pub(crate) fn joined_network(&self) -> Option<&str> {
        self.network_mode().strip_prefix("container:")
    }

    /// `bridge`, `none`, `host`, `container:…`, or a network's name or id.
    pub(crate) fn network_mode(&self) -> &str {
        match self.host_config.network_mode.as_deref() {
            None | Some("" | "default") => "bridge",
            Some(mode) => mode,
        }
    }

    /// What its events carry: image, name, labels.
    pub(crate) fn event_attributes(&self) -> BTreeMap<String, String> {
        let mut attributes: BTreeMap<_, _> =
            self.config.labels.iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        attributes.insert("image".to_owned(), self.image.clone());
        attributes.insert("name".to_owned(), self.name.clone());
        attributes
    }

    /// The sentence in `docker ps`, such as `Exited (0) 2 hours ago`.
    pub(crate) fn status_text(&self, now: Timestamp) -> String {
        let since = |then: Option<Timestamp>| human_duration(now, then.unwrap_or(now));
        match self.state.status {
            Status::Created => "Created".to_owned(),
            Status::Running => {
                let health = match self.state.health.as_ref().map(|health| health.status) {
                    None => "",
                    Some(HealthStatus::Starting) => " (health: starting)",
                    Some(HealthStatus::Healthy) => " (healthy)",
                    Some(HealthStatus::Unhealthy) => " (unhealthy)",
                };
                format!("Up {}{health}", since(self.state.started_at))
            }
            Status::Paused => format!("Up {} (Paused)", since(self.state.started_at)),
            Status::Restarting => format!(
                "Restarting ({}) {} ago",
                self.state.exit_code,
                since(self.state.finished_at)
            ),
            Status::Exited => {
                format!("Exited ({}) {} ago", self.state.exit_code, since(self.state.finished_at))
            }
        }
    }
}

/// How long ago `then` was, in Docker's words: go-units' `HumanDuration`.
fn human_duration(now: Timestamp, then: Timestamp) -> String {
    let seconds = (now.as_second() - then.as_second()).max(0);
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match () {
        () if seconds < 1 => "Less than a second".to_owned(),
        () if seconds == 1 => "1 second".to_owned(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".to_owned(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".to_owned(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", hours / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_dockers() {
        let now = Timestamp::from_second(10_000_000).unwrap();
        let ago = |seconds: i64| {
            human_duration(now, Timestamp::from_second(10_000_000 - seconds).unwrap())
        };
        assert_eq!(ago(0), "Less than a second");
        assert_eq!(ago(45), "45 seconds");
        assert_eq!(ago(61), "About a minute");
        assert_eq!(ago(600), "10 minutes");
        assert_eq!(ago(3600), "About an hour");
        assert_eq!(ago(3 * 3600), "3 hours");
        assert_eq!(ago(72 * 3600), "3 days");
        assert_eq!(ago(21 * 86400), "3 weeks");
    }
}

#[cfg(test)]
pub(crate) mod tests_support {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::container::{Endpoint, EndpointAddress};

    /// A container that was made and has never run.
    pub(crate) fn record() -> Record {
        Record {
            id: "0123456789abcdef".repeat(4),
            name: "test".to_owned(),
            created: Timestamp::UNIX_EPOCH,
            image: "busybox".to_owned(),
            image_id: format!("sha256:{}", "0".repeat(64)),
            command: vec!["sh".to_owned()],
            config: ContainerConfig::default(),
            host_config: HostConfig::default(),
            mounts: None,
            networks: vec![Membership::plain("bridge")],
            ports: Vec::new(),
            state: State::default(),
        }
    }

    /// A running container's membership of a network, with or without a way out.
    pub(crate) fn member(network: &str, priority: i64, gateway: bool) -> Membership {
        let gateway = gateway.then_some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
        let address = Ipv4Addr::new(10, 0, 0, 2).into();
        let mut member = Membership::plain(network);
        member.asked.gw_priority = Some(priority);
        member.endpoint = Some(Endpoint {
            id: String::new(),
            interface: Some("eth0".to_owned()),
            addresses: vec![EndpointAddress { address, prefix_len: 24, gateway }],
            mac: String::new(),
            host_interface: String::new(),
        });
        member
    }
}
