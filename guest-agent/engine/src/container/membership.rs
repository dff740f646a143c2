//! The networks that a container is in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bollard_stubs::models::EndpointSettings;
use naru_network::{MacAddress, Protocol};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Record;
use crate::error::{EngineError, Result};

/// A container's membership of a network, whether it runs or not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Membership {
    /// The network's name; it may have gone meanwhile.
    pub(crate) network: String,
    /// Its id, once the container has been in it.
    #[serde(default)]
    pub(crate) network_id: Option<String>,
    /// The client's words.
    #[serde(default)]
    pub(crate) asked: EndpointSettings,
    /// Its place there, while it runs.
    #[serde(default)]
    pub(crate) endpoint: Option<Endpoint>,
}

/// A running container's place in a network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    /// Names it in `inspect`; 64 hex digits.
    pub(crate) id: String,
    /// In the container; none in the host's network, or with no network.
    pub(crate) interface: Option<String>,
    /// IPv4 first, if it has both.
    pub(crate) addresses: Vec<EndpointAddress>,
    pub(crate) mac: String,
    /// The host's end of the pair; empty where there is none.
    pub(crate) host_interface: String,
}

/// An address, and the way out beyond its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EndpointAddress {
    pub(crate) address: IpAddr,
    pub(crate) prefix_len: u8,
    pub(crate) gateway: Option<IpAddr>,
}

/// One published port, with the host port that it really got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PublishedPort {
    pub(crate) host_ip: IpAddr,
    pub(crate) host_port: u16,
    pub(crate) container_address: IpAddr,
    pub(crate) container_port: u16,
    #[serde(serialize_with = "write_protocol", deserialize_with = "read_protocol")]
    pub(crate) protocol: Protocol,
}

impl PublishedPort {
    /// `tcp` or `udp`.
    pub(crate) fn protocol_name(&self) -> &'static str {
        protocol_name(self.protocol)
    }
}

fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it so")]
fn write_protocol<S: Serializer>(protocol: &Protocol, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(protocol_name(*protocol))
}

fn read_protocol<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Protocol, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        other => Err(D::Error::custom(format!("unknown protocol {other}"))),
    }
}

impl Endpoint {
    /// The address of the family that `v6` says.
    pub(crate) fn address(&self, v6: bool) -> Option<&EndpointAddress> {
        self.addresses.iter().find(|address| address.address.is_ipv6() == v6)
    }
}

impl Membership {
    /// Of a network, as a client asked for it; what only an answer can have is dropped.
    pub(crate) fn asked(network: &str, asked: EndpointSettings) -> Self {
        let asked = EndpointSettings {
            ipam_config: asked.ipam_config,
            links: asked.links.filter(|links| !links.is_empty()),
            mac_address: asked.mac_address.filter(|mac| !mac.is_empty()),
            aliases: asked.aliases.filter(|aliases| !aliases.is_empty()),
            driver_opts: asked.driver_opts,
            gw_priority: asked.gw_priority,
            ..EndpointSettings::default()
        };
        Self { network: network.to_owned(), network_id: None, asked, endpoint: None }
    }

    /// The addresses asked for, IPv4 first.
    pub(crate) fn wanted_addresses(&self) -> Result<(Option<Ipv4Addr>, Option<Ipv6Addr>)> {
        let Some(ipam) = &self.asked.ipam_config else { return Ok((None, None)) };
        let v4 = ipam.ipv4_address.as_deref().filter(|text| !text.is_empty());
        let v6 = ipam.ipv6_address.as_deref().filter(|text| !text.is_empty());
        let invalid = |family: &str, text: &str| {
            EngineError::Invalid(format!("invalid {family} address: {text}"))
        };
        let v4 = v4.map(|text| text.parse().map_err(|_| invalid("IPv4", text))).transpose()?;
        let v6 = v6.map(|text| text.parse().map_err(|_| invalid("IPv6", text))).transpose()?;
        Ok((v4, v6))
    }

    /// The hardware address asked for.
    pub(crate) fn wanted_mac(&self) -> Result<Option<MacAddress>> {
        let Some(text) = &self.asked.mac_address else { return Ok(None) };
        // Docker takes dashes too.
        let parsed = text.replace('-', ":").parse();
        parsed.map(Some).map_err(|_| EngineError::Invalid(format!("invalid MAC address: {text}")))
    }

    /// The names by which others in the network find a container.
    pub(crate) fn dns_names(&self, record: &Record) -> Vec<String> {
        let own = [record.name.as_str()].into_iter();
        let aliases = self.asked.aliases.iter().flatten().map(String::as_str);
        let short = record.id.get(..12).unwrap_or_default();
        let hostname = record.config.hostname.as_deref().unwrap_or_default();
        let mut names: Vec<String> = Vec::new();
        for name in own.chain(aliases).chain([short, hostname]) {
            if !name.is_empty() && !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }
}

impl Record {
    /// The membership through which packets of a family leave: of the highest priority, and
    /// among equals of the first name, as Docker chooses.
    pub(crate) fn way_out(&self, v6: bool) -> Option<(&Membership, &EndpointAddress)> {
        let ways = self.networks.iter().filter_map(|membership| {
            let address = membership.endpoint.as_ref()?.address(v6)?;
            address.gateway.map(|_| (membership, address))
        });
        ways.min_by_key(|(membership, _)| {
            let priority = membership.asked.gw_priority.unwrap_or_default();
            (std::cmp::Reverse(priority), membership.network.as_str())
        })
    }

    /// The membership of the network with this name or id.
    pub(crate) fn membership(&self, network: &str) -> Option<&Membership> {
        self.networks.iter().find(|membership| {
            membership.network == network || membership.network_id.as_deref() == Some(network)
        })
    }

    /// Puts a membership among the others: the first stays, the rest are in the order of names.
    pub(crate) fn add_membership(&mut self, membership: Membership) {
        let rest = self.networks.iter().skip(1);
        let before = rest.take_while(|other| other.network < membership.network).count();
        let index = if self.networks.is_empty() { 0 } else { 1 + before };
        self.networks.insert(index, membership);
    }

    /// It does not run any more.
    pub(crate) fn forget_endpoints(&mut self) {
        for membership in &mut self.networks {
            membership.endpoint = None;
        }
        self.ports.clear();
    }
}

#[cfg(test)]
impl Membership {
    /// Of a network in which nothing in particular was asked for.
    pub(crate) fn plain(network: &str) -> Self {
        Self::asked(network, EndpointSettings::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::tests_support::{member, record};

    #[test]
    fn the_way_out_is_the_first_by_name_unless_another_is_preferred() {
        let mut record = record();
        record.networks.clear();
        let way = |record: &Record| {
            record.way_out(false).map(|(membership, _)| membership.network.clone())
        };
        assert_eq!(way(&record), None);
        record.networks = vec![member("web", 0, true), member("db", 0, true)];
        record.networks.push(member("app", 5, false));
        assert_eq!(way(&record).as_deref(), Some("db"));
        record.networks[0].asked.gw_priority = Some(1);
        assert_eq!(way(&record).as_deref(), Some("web"));
        assert!(record.way_out(true).is_none());
    }

    #[test]
    fn the_first_network_stays_the_first() {
        let mut record = record();
        record.networks.clear();
        for name in ["web", "db", "app", "cache"] {
            record.add_membership(Membership::plain(name));
        }
        let names: Vec<_> = record.networks.iter().map(|m| m.network.as_str()).collect();
        assert_eq!(names, ["web", "app", "cache", "db"]);
    }

    #[test]
    fn a_container_has_each_of_its_names_once() {
        let record = record();
        let mut membership = Membership::plain("net");
        membership.asked.aliases = Some(vec!["db".to_owned(), "test".to_owned()]);
        assert_eq!(membership.dns_names(&record), ["test", "db", "0123456789ab"]);
    }
}
