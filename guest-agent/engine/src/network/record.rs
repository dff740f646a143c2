//! What is known of a network, as it lies in the database.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use naru_network::{NetworkError, Subnet};
use serde::{Deserialize, Serialize};

/// The networks that there always are, under these names and ids.
pub(crate) const BRIDGE: &str = "bridge";
pub(crate) const HOST: &str = "host";
pub(crate) const NONE: &str = "none";
pub(crate) const BRIDGE_ID: &str =
    "6272696467650000000000000000000000000000000000000000000000000000";
pub(crate) const HOST_ID: &str = "686f737400000000000000000000000000000000000000000000000000000000";
pub(crate) const NONE_ID: &str = "6e6f6e6500000000000000000000000000000000000000000000000000000000";

/// Whether this is the name of a network that can be neither made nor removed.
pub(crate) fn is_predefined(name: &str) -> bool {
    matches!(name, BRIDGE | HOST | NONE | "default")
}

/// What a network is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Driver {
    Bridge,
    /// The host's own.
    Host,
    /// None at all.
    Null,
    Macvlan,
    Ipvlan,
}

impl Driver {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Host => "host",
            Self::Null => "null",
            Self::Macvlan => "macvlan",
            Self::Ipvlan => "ipvlan",
        }
    }
}

/// A network.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "they are Docker's switches, each its own")]
pub(crate) struct NetworkRecord {
    /// 64 hex digits.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created: Timestamp,
    pub(crate) driver: Driver,
    pub(crate) enable_ipv4: bool,
    pub(crate) enable_ipv6: bool,
    /// Nothing goes in or out.
    pub(crate) internal: bool,
    pub(crate) attachable: bool,
    pub(crate) ipam_options: Option<BTreeMap<String, String>>,
    /// At most one of each family.
    pub(crate) pools: Vec<Pool>,
    pub(crate) options: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
}

impl NetworkRecord {
    /// Whether its user made it: then it has names, and addresses that can be chosen.
    pub(crate) fn is_user_defined(&self) -> bool {
        !is_predefined(&self.name)
    }

    /// The pool of the family that `v6` says.
    pub(crate) fn pool(&self, v6: bool) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.subnet.network().is_ipv6() == v6)
    }

    /// An option of the driver.
    pub(crate) fn option(&self, key: &str) -> Option<&str> {
        self.options.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// A subnet of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PoolRow", into = "PoolRow")]
pub(crate) struct Pool {
    pub(crate) subnet: Subnet,
    /// Containers get theirs from here, if from a part of it only.
    pub(crate) range: Option<Subnet>,
    pub(crate) gateway: IpAddr,
    /// Addresses that no container gets.
    pub(crate) auxiliary: BTreeMap<String, IpAddr>,
    /// Whether the user chose the subnet, and thus may choose addresses.
    pub(crate) subnet_chosen: bool,
    pub(crate) gateway_chosen: bool,
}

/// The same in texts.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct PoolRow {
    subnet: String,
    range: Option<String>,
    gateway: IpAddr,
    auxiliary: BTreeMap<String, IpAddr>,
    subnet_chosen: bool,
    gateway_chosen: bool,
}

impl From<Pool> for PoolRow {
    fn from(pool: Pool) -> Self {
        Self {
            subnet: pool.subnet.to_string(),
            range: pool.range.map(|range| range.to_string()),
            gateway: pool.gateway,
            auxiliary: pool.auxiliary,
            subnet_chosen: pool.subnet_chosen,
            gateway_chosen: pool.gateway_chosen,
        }
    }
}

impl TryFrom<PoolRow> for Pool {
    type Error = NetworkError;

    fn try_from(row: PoolRow) -> Result<Self, NetworkError> {
        Ok(Self {
            subnet: row.subnet.parse()?,
            range: row.range.map(|range| range.parse()).transpose()?,
            gateway: row.gateway,
            auxiliary: row.auxiliary,
            subnet_chosen: row.subnet_chosen,
            gateway_chosen: row.gateway_chosen,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests_support {
    use super::*;

    /// A bridge of a user's on the subnets of these texts.
    pub(crate) fn network(name: &str, subnets: &[&str]) -> NetworkRecord {
        let pool = |text: &&str| {
            let subnet: Subnet = text.parse().unwrap();
            Pool {
                subnet,
                range: None,
                gateway: subnet.first_host(),
                auxiliary: BTreeMap::new(),
                subnet_chosen: true,
                gateway_chosen: false,
            }
        };
        NetworkRecord {
            id: "fedcba9876543210".repeat(4),
            name: name.to_owned(),
            created: Timestamp::UNIX_EPOCH,
            driver: Driver::Bridge,
            enable_ipv4: true,
            enable_ipv6: false,
            internal: false,
            attachable: false,
            ipam_options: None,
            pools: subnets.iter().map(pool).collect(),
            options: BTreeMap::new(),
            labels: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::tests_support::network;
    use super::*;

    #[test]
    fn a_network_survives_its_row() {
        let mut record = network("web", &["10.9.0.0/24", "fd00:9::/64"]);
        record.pools[0].range = Some("10.9.0.128/25".parse().unwrap());
        let text = serde_json::to_string(&record).unwrap();
        let read: NetworkRecord = serde_json::from_str(&text).unwrap();
        assert_eq!(read.pools, record.pools);
        assert_eq!(read.pool(true).unwrap().gateway.to_string(), "fd00:9::1");
        serde_json::from_str::<NetworkRecord>(&text.replace("10.9.0.0/24", "10.9.0.0/240"))
            .unwrap_err();
    }
}
