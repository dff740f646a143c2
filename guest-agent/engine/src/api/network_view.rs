//! Networks as Docker's clients see them.

use serde_json::{Map, Value, json};

use super::container_view::time;
use crate::network::{Network, NetworkRecord};

/// One row of `GET /networks`, which does not say who is in it.
pub(super) fn summary(record: &NetworkRecord) -> Value {
    json!({
        "Name": record.name,
        "Id": record.id,
        "Created": time(Some(record.created)),
        "Scope": "local",
        "Driver": record.driver.as_str(),
        "EnableIPv4": record.enable_ipv4,
        "EnableIPv6": record.enable_ipv6,
        "IPAM": {
            "Driver": "default",
            "Options": record.ipam_options,
            "Config": pools(record),
        },
        "Internal": record.internal,
        "Attachable": record.attachable,
        "Ingress": false,
        "ConfigFrom": { "Network": "" },
        "ConfigOnly": false,
        "Containers": {},
        "Options": record.options,
        "Labels": record.labels,
    })
}

/// `GET /networks/{id}`.
pub(super) fn inspect(network: &Network) -> Value {
    let mut view = summary(&network.record);
    let members = network.members().into_iter().map(|(container_id, member)| {
        let endpoint = member.endpoint;
        let address = |v6| {
            let address = endpoint.address(v6);
            address.map(|own| format!("{}/{}", own.address, own.prefix_len)).unwrap_or_default()
        };
        let shown = json!({
            "Name": member.container_name,
            "EndpointID": endpoint.id,
            "MacAddress": endpoint.mac,
            "IPv4Address": address(false),
            "IPv6Address": address(true),
        });
        (container_id, shown)
    });
    view["Containers"] = Value::Object(members.collect());
    view
}

/// The subnets as they were chosen, or whole as they were found.
fn pools(record: &NetworkRecord) -> Value {
    if record.pools.is_empty() {
        return Value::Null;
    }
    let pools = record.pools.iter().map(|pool| {
        let mut shown = Map::new();
        shown.insert("Subnet".to_owned(), pool.subnet.to_string().into());
        if let Some(range) = pool.range {
            shown.insert("IPRange".to_owned(), range.to_string().into());
        }
        if pool.gateway_chosen || !pool.subnet_chosen {
            shown.insert("Gateway".to_owned(), pool.gateway.to_string().into());
        }
        if !pool.auxiliary.is_empty() {
            shown.insert("AuxiliaryAddresses".to_owned(), json!(pool.auxiliary));
        }
        Value::Object(shown)
    });
    pools.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::tests_support::network;

    #[test]
    fn subnets_are_shown_as_they_were_chosen() {
        let mut record = network("web", &["10.9.0.0/24", "fd00:9::/64"]);
        record.pools[1].subnet_chosen = false;
        let shown = summary(&record);
        assert_eq!(
            shown["IPAM"]["Config"],
            json!([
                { "Subnet": "10.9.0.0/24" },
                { "Subnet": "fd00:9::/64", "Gateway": "fd00:9::1" },
            ])
        );
        record.pools.clear();
        assert_eq!(summary(&record)["IPAM"]["Config"], Value::Null);
    }
}
