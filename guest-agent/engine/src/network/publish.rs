//! Publishing a container's ports: where they lead, and which of several free ones are taken.
//!
//! Natively nftables leads a port to the container, in the VM the host listens (see
//! [`crate::ports`]).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use naru_network::{Attachment, NetworkError, PortMapping};

use super::attachment::host_binding;
use super::live::Network;
use super::ports::{WantedPort, published_ports};
use super::{ContainerNetwork, Publisher};
use crate::container::{PublishedPort, Record};
use crate::error::{EngineError, Result};

/// A port in the making: what it is tried with, and what is left to try.
#[derive(Debug)]
struct Attempt {
    mappings: Vec<PortMapping>,
    left: RangeInclusive<u16>,
}

impl Attempt {
    fn new(mappings: Vec<PortMapping>, ports: Option<RangeInclusive<u16>>) -> Self {
        // Of 0 the kernel makes one that is free, the same for both families.
        let mut attempt = Self { mappings, left: ports.unwrap_or(0..=0) };
        attempt.advance();
        attempt
    }

    /// Goes on to the next port, if there is one.
    fn advance(&mut self) -> bool {
        let Some(port) = self.left.next() else { return false };
        for mapping in &mut self.mappings {
            mapping.host_port = port;
        }
        true
    }

    fn tries(&self, port: u16) -> bool {
        self.mappings.iter().any(|mapping| mapping.host_port == port)
    }
}

impl ContainerNetwork {
    /// Publishes what a container wants, all or nothing, by its way out.
    pub(super) async fn publish_wanted(&self, record: &Record) -> Result<Vec<PublishedPort>> {
        let wanted = published_ports(&record.config, &record.host_config)?;
        let mut attempts = Vec::with_capacity(wanted.len());
        for port in wanted {
            let mappings = self.mappings_for(record, &port)?;
            if !mappings.is_empty() {
                attempts.push(Attempt::new(mappings, port.host_ports));
            }
        }
        if attempts.is_empty() {
            return Ok(Vec::new());
        }
        loop {
            let mappings: Vec<_> =
                attempts.iter().flat_map(|attempt| attempt.mappings.iter().copied()).collect();
            match self.publish(&record.id, &mappings).await {
                Ok(published) => return Ok(published.into_iter().map(published_port).collect()),
                Err(error) if next(&mut attempts, &error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Has the ports that are published lead to where the container's way out is now.
    pub(super) async fn republish(&self, record: &Record) -> Result<Vec<PublishedPort>> {
        if record.ports.is_empty() {
            return self.publish_wanted(record).await;
        }
        let led = record.ports.iter().filter_map(|port| {
            let address = self.target(record, port.container_address.is_ipv6())?.1;
            Some(PublishedPort { container_address: address, ..*port })
        });
        let led: Vec<PublishedPort> = led.collect();
        if led == record.ports {
            return Ok(led);
        }
        self.unpublish(&record.id).await;
        let mappings: Vec<_> = led.iter().map(mapping).collect();
        if mappings.is_empty() {
            return Ok(led);
        }
        let published = self.publish(&record.id, &mappings).await?;
        Ok(published.into_iter().map(published_port).collect())
    }

    async fn publish(&self, key: &str, mappings: &[PortMapping]) -> Result<Vec<PortMapping>> {
        match &self.publisher {
            Publisher::Kernel => Ok(self.kernel.publish(key, mappings).await?),
            Publisher::Host(host) => host.publish(key, mappings).await,
        }
    }

    pub(super) async fn unpublish(&self, key: &str) {
        match &self.publisher {
            Publisher::Kernel => {
                if let Err(error) = self.kernel.unpublish(key).await {
                    tracing::warn!(container_id = key, %error, "unpublishing failed");
                }
            }
            Publisher::Host(host) => host.unpublish(key),
        }
    }

    /// Where a port leads: on every address of the host, or on the one that was asked for.
    fn mappings_for(&self, record: &Record, port: &WantedPort) -> Result<Vec<PortMapping>> {
        let mapping = |host_ip: IpAddr, container_address: IpAddr| PortMapping {
            host_ip,
            host_port: 0,
            container_address,
            container_port: port.container_port,
            protocol: port.protocol,
        };
        let v4 = self.target(record, false);
        let v6 = self.target(record, true).map(|(_, address)| address);
        // There each of the host's addresses leads to any of the container's.
        let any_family = matches!(self.publisher, Publisher::Host(_));
        if let Some(host_ip) = port.host_ip {
            let v4 = v4.map(|(_, address)| address);
            let (own, other) = if host_ip.is_ipv6() { (v6, v4) } else { (v4, v6) };
            return match own.or_else(|| other.filter(|_| any_family)) {
                Some(address) => Ok(vec![mapping(host_ip, address)]),
                None if other.is_some() => Err(EngineError::Invalid(format!(
                    "cannot publish a port on {host_ip}: the container has no address of that \
                     family"
                ))),
                None => Ok(Vec::new()),
            };
        }
        let mut mappings = Vec::new();
        if let Some((network, address)) = v4 {
            let host_ip = host_binding(&network.record)?;
            mappings.push(mapping(host_ip, address));
            if !host_ip.is_unspecified() {
                return Ok(mappings);
            }
        }
        let over_v4 = mappings.first().map(|mapping| mapping.container_address);
        if let Some(address) = v6.or_else(|| over_v4.filter(|_| any_family)) {
            mappings.push(mapping(Ipv6Addr::UNSPECIFIED.into(), address));
        }
        Ok(mappings)
    }

    /// The address to which ports of a family lead, and the network that it is in: only by a
    /// bridge of this host can they.
    fn target(&self, record: &Record, v6: bool) -> Option<(Arc<Network>, IpAddr)> {
        let (membership, address) = record.way_out(v6)?;
        let network = self.network_of(membership).ok()?;
        let by_bridge = matches!(network.attachment, Some(Attachment::Bridge(_)));
        by_bridge.then_some((network, address.address))
    }
}

/// Goes on to another port where the one tried is taken, if there is another.
fn next(attempts: &mut [Attempt], error: &EngineError) -> bool {
    match error {
        EngineError::Network(
            NetworkError::PortAllocated { port, .. } | NetworkError::PortInUse { port, .. },
        ) => {
            // The last: of two that try the same, the first has it.
            let trying = attempts.iter_mut().rev().filter(|attempt| attempt.tries(*port));
            trying.into_iter().any(Attempt::advance)
        }
        // The host does not tell which.
        EngineError::PortRefused(_) => attempts.iter_mut().any(Attempt::advance),
        _ => false,
    }
}

pub(super) fn mapping(port: &PublishedPort) -> PortMapping {
    PortMapping {
        host_ip: port.host_ip,
        host_port: port.host_port,
        container_address: port.container_address,
        container_port: port.container_port,
        protocol: port.protocol,
    }
}

fn published_port(mapping: PortMapping) -> PublishedPort {
    PublishedPort {
        host_ip: mapping.host_ip,
        host_port: mapping.host_port,
        container_address: mapping.container_address,
        container_port: mapping.container_port,
        protocol: mapping.protocol,
    }
}

/// Where a tunnel to this mapping leads, as the VM sees it.
pub(crate) fn target(mapping: &PortMapping) -> SocketAddr {
    SocketAddr::new(mapping.container_address, mapping.container_port)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use naru_network::Protocol;

    use super::*;

    fn attempt(ports: Option<RangeInclusive<u16>>) -> Attempt {
        let mapping = PortMapping {
            host_ip: Ipv4Addr::UNSPECIFIED.into(),
            host_port: 0,
            container_address: Ipv4Addr::new(10, 0, 0, 2).into(),
            container_port: 80,
            protocol: Protocol::Tcp,
        };
        Attempt::new(vec![mapping], ports)
    }

    fn taken(port: u16) -> EngineError {
        let host_ip = Ipv4Addr::UNSPECIFIED.into();
        EngineError::Network(NetworkError::PortAllocated { host_ip, port })
    }

    fn tried(attempts: &[Attempt]) -> Vec<u16> {
        attempts.iter().map(|attempt| attempt.mappings[0].host_port).collect()
    }

    #[test]
    fn of_a_range_the_first_free_port_is_taken() {
        let mut attempts = [attempt(Some(80..=81)), attempt(Some(8000..=8001)), attempt(None)];
        assert_eq!(tried(&attempts), [80, 8000, 0]);
        assert!(next(&mut attempts, &taken(8000)));
        assert_eq!(tried(&attempts), [80, 8001, 0]);
        assert!(!next(&mut attempts, &taken(8001)), "there is none left");
        assert!(!next(&mut attempts, &taken(7)), "nobody wanted it");
    }

    #[test]
    fn two_of_a_container_in_one_range_get_one_each() {
        let mut attempts = [attempt(Some(80..=82)), attempt(Some(80..=82))];
        assert!(next(&mut attempts, &taken(80)));
        assert_eq!(tried(&attempts), [80, 81]);
    }
}
