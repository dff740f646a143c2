//! Which ports a container wants published, read and checked before anything is made.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use bollard_stubs::models::{ContainerConfig, HostConfig};
use naru_network::Protocol;

use crate::error::{EngineError, Result};

/// One port that a container wants published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WantedPort {
    /// The network's own choice if there is none.
    pub(crate) host_ip: Option<IpAddr>,
    /// Any of these; any at all if there are none.
    pub(crate) host_ports: Option<RangeInclusive<u16>>,
    pub(crate) container_port: u16,
    pub(crate) protocol: Protocol,
}

/// The ports that `PortBindings` and `PublishAllPorts` ask for.
pub(crate) fn published_ports(
    config: &ContainerConfig,
    host_config: &HostConfig,
) -> Result<Vec<WantedPort>> {
    let mut wanted = Vec::new();
    for (port, bindings) in host_config.port_bindings.iter().flatten() {
        let (container_port, protocol) = container_port(port)?;
        for binding in bindings.iter().flatten() {
            let host_ip = match binding.host_ip.as_deref().unwrap_or_default() {
                "" => None,
                text => Some(text.parse().map_err(|_| {
                    EngineError::Invalid(format!("invalid IP address in port mapping: {text}"))
                })?),
            };
            let host_ports = host_ports(binding.host_port.as_deref().unwrap_or_default())?;
            wanted.push(WantedPort { host_ip, host_ports, container_port, protocol });
        }
    }
    if host_config.publish_all_ports.unwrap_or_default() {
        for port in config.exposed_ports.iter().flatten() {
            let (container_port, protocol) = container_port(port)?;
            let is_same = |wanted: &WantedPort| {
                wanted.container_port == container_port && wanted.protocol == protocol
            };
            if !wanted.iter().any(is_same) {
                let any = WantedPort { host_ip: None, host_ports: None, container_port, protocol };
                wanted.push(any);
            }
        }
    }
    wanted.sort_by_key(|port| {
        (port.container_port, port.protocol == Protocol::Udp, port.host_ports.clone().map(bounds))
    });
    Ok(wanted)
}

fn bounds(range: RangeInclusive<u16>) -> (u16, u16) {
    (*range.start(), *range.end())
}

/// `80/tcp`, or `80`.
fn container_port(text: &str) -> Result<(u16, Protocol)> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => {
            return Err(EngineError::Unsupported(format!(
                "publishing {text} is not supported: SCTP carries addresses inside its packets, \
                 which cannot be translated; only TCP and UDP ports are published"
            )));
        }
        other => return Err(EngineError::Invalid(format!("invalid protocol: {other}"))),
    };
    match port.parse() {
        Ok(port) if port != 0 => Ok((port, protocol)),
        _ => Err(EngineError::Invalid(format!("invalid port specification: \"{port}\""))),
    }
}

/// `8080`, `8000-8010`; nothing and 0 are any.
fn host_ports(text: &str) -> Result<Option<RangeInclusive<u16>>> {
    let invalid = || EngineError::Invalid(format!("invalid port specification: \"{text}\""));
    if text.is_empty() {
        return Ok(None);
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let first: u16 = first.parse().map_err(|_| invalid())?;
    let last: u16 = last.parse().map_err(|_| invalid())?;
    match (first, last) {
        (0, 0) => Ok(None),
        (1.., _) if first <= last => Ok(Some(first..=last)),
        _ => Err(invalid()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use bollard_stubs::models::PortBinding;

    use super::*;

    fn host_config(port: &str, host_port: &str) -> HostConfig {
        let binding = PortBinding { host_ip: None, host_port: Some(host_port.to_owned()) };
        let bindings = HashMap::from([(port.to_owned(), Some(vec![binding]))]);
        HostConfig { port_bindings: Some(bindings), ..HostConfig::default() }
    }

    #[test]
    fn ports_are_checked_before_anything_is_made() {
        let config = ContainerConfig::default();
        let read = |port, host_port| published_ports(&config, &host_config(port, host_port));
        for (port, host_port, expected) in [
            ("80/tcp", "8080", (Some(8080..=8080), 80, Protocol::Tcp)),
            ("53/udp", "", (None, 53, Protocol::Udp)),
            ("80", "8000-8010", (Some(8000..=8010), 80, Protocol::Tcp)),
        ] {
            let ports = read(port, host_port).unwrap();
            let found = (ports[0].host_ports.clone(), ports[0].container_port, ports[0].protocol);
            assert_eq!(found, expected);
        }
        for (port, host_port, message) in [
            ("80/sctp", "1", "SCTP"),
            ("80/icmp", "1", "invalid protocol: icmp"),
            ("80/tcp", "x", "invalid port specification: \"x\""),
            ("80/tcp", "9-8", "invalid port specification: \"9-8\""),
            ("80/tcp", "0-8", "invalid port specification: \"0-8\""),
            ("0/tcp", "1", "invalid port specification: \"0\""),
            ("80", "70000", "invalid port specification"),
        ] {
            let error = read(port, host_port).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
        }
    }

    #[test]
    fn all_exposed_ports_are_published_once() {
        let exposed = Some(vec!["80/tcp".into(), "80/udp".into()]);
        let config = ContainerConfig { exposed_ports: exposed, ..Default::default() };
        let mut host_config = host_config("80/tcp", "8080");
        host_config.publish_all_ports = Some(true);
        let ports = published_ports(&config, &host_config).unwrap();
        let ports: Vec<_> = ports.iter().map(|p| (p.protocol, p.host_ports.is_some())).collect();
        assert_eq!(ports, [(Protocol::Tcp, true), (Protocol::Udp, false)]);
    }
}
