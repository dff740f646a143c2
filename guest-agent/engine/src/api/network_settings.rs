//! A container's networks and ports as Docker's clients see them.

use std::collections::BTreeMap;

use naru_protocol::version::ApiVersion;
use serde_json::{Map, Value, json};

use crate::container::{Membership, Record};
use crate::engine::Engine;
use crate::network::{BRIDGE, is_predefined};

/// From this version on the names that a container has by itself are told apart from its aliases.
const HAS_DNS_NAMES: ApiVersion = ApiVersion::new(1, 45);

/// The ports of one row of a list.
pub(super) fn ports_list(record: &Record) -> Vec<Value> {
    let published = record.ports.iter().map(|port| {
        json!({
            "IP": port.host_ip, "PrivatePort": port.container_port,
            "PublicPort": port.host_port, "Type": port.protocol_name(),
        })
    });
    let mut ports: Vec<Value> = published.collect();
    if record.running() {
        for exposed in record.config.exposed_ports.iter().flatten() {
            let (number, protocol) = exposed.split_once('/').unwrap_or((exposed, "tcp"));
            let Ok(number) = number.parse::<u16>() else { continue };
            let mut published = record.ports.iter();
            if !published.any(|p| p.container_port == number && p.protocol_name() == protocol) {
                ports.push(json!({ "PrivatePort": number, "Type": protocol }));
            }
        }
    }
    ports
}

/// The networks of one row of a list, which has no names.
pub(super) fn networks_listed(record: &Record) -> Value {
    let networks = record.networks.iter().map(|membership| {
        let mut shown = network(record, Some(membership));
        for field in ["Links", "Aliases", "DNSNames", "DriverOpts"] {
            shown[field] = Value::Null;
        }
        (membership.network.clone(), shown)
    });
    Value::Object(networks.collect())
}

/// The whole of it, for `inspect`.
pub(super) fn network_settings(engine: &Engine, record: &Record, version: ApiVersion) -> Value {
    let mut settings = Map::new();
    // The top-level copies are what `docker inspect` showed before networks had names.
    let on_bridge = network(record, record.membership(BRIDGE));
    for field in [
        "EndpointID",
        "Gateway",
        "GlobalIPv6Address",
        "GlobalIPv6PrefixLen",
        "IPAddress",
        "IPPrefixLen",
        "IPv6Gateway",
        "MacAddress",
    ] {
        settings.insert(field.to_owned(), on_bridge[field].clone());
    }
    let key = engine.network().namespace(record).filter(|_| record.running());
    let sandbox = if key.is_some() { record.id.as_str() } else { "" };
    let rest = json!({
        "Bridge": "", "SandboxID": sandbox, "SandboxKey": key.unwrap_or_default(),
        "Ports": port_map(record), "HairpinMode": false, "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0, "SecondaryIPAddresses": null, "SecondaryIPv6Addresses": null,
        "Networks": networks(record, version),
    });
    if let Value::Object(rest) = rest {
        settings.extend(rest);
    }
    Value::Object(settings)
}

fn networks(record: &Record, version: ApiVersion) -> Value {
    let networks = record.networks.iter().map(|membership| {
        let mut shown = network(record, Some(membership));
        if version < HAS_DNS_NAMES && !is_predefined(&membership.network) {
            let mut aliases = membership.asked.aliases.clone().unwrap_or_default();
            aliases.extend(
                membership.dns_names(record).into_iter().filter(|name| *name != record.name),
            );
            let mut known = std::collections::BTreeSet::new();
            aliases.retain(|alias| known.insert(alias.clone()));
            shown["Aliases"] = json!(aliases);
        }
        (membership.network.clone(), shown)
    });
    Value::Object(networks.collect())
}

fn network(record: &Record, membership: Option<&Membership>) -> Value {
    let asked = membership.map(|membership| &membership.asked);
    let endpoint = membership.and_then(|membership| membership.endpoint.as_ref());
    let text = |text: Option<String>| text.unwrap_or_default();
    let address = |v6| endpoint.and_then(|endpoint| endpoint.address(v6));
    let (v4, v6) = (address(false), address(true));
    let names = membership.filter(|membership| !is_predefined(&membership.network));
    json!({
        "IPAMConfig": asked.and_then(|asked| asked.ipam_config.as_ref()),
        "Links": asked.and_then(|asked| asked.links.as_ref()),
        "Aliases": asked.and_then(|asked| asked.aliases.as_ref()),
        "DriverOpts": asked.and_then(|asked| asked.driver_opts.as_ref()),
        "GwPriority": asked.and_then(|asked| asked.gw_priority).unwrap_or_default(),
        "MacAddress": endpoint.map_or("", |endpoint| endpoint.mac.as_str()),
        "NetworkID": text(membership.and_then(|membership| membership.network_id.clone())),
        "EndpointID": endpoint.map_or("", |endpoint| endpoint.id.as_str()),
        "Gateway": text(v4.and_then(|own| own.gateway).map(|gateway| gateway.to_string())),
        "IPAddress": text(v4.map(|own| own.address.to_string())),
        "IPPrefixLen": v4.map_or(0, |own| own.prefix_len),
        "IPv6Gateway": text(v6.and_then(|own| own.gateway).map(|gateway| gateway.to_string())),
        "GlobalIPv6Address": text(v6.map(|own| own.address.to_string())),
        "GlobalIPv6PrefixLen": v6.map_or(0, |own| own.prefix_len),
        // The default bridge has no names.
        "DNSNames": names.map(|membership| membership.dns_names(record)),
    })
}

/// `"80/tcp": [{…}]`, and null for a port that is exposed only.
fn port_map(record: &Record) -> Value {
    let mut map: BTreeMap<String, Option<Vec<Value>>> = BTreeMap::new();
    if !record.running() {
        return json!(map);
    }
    for exposed in record.config.exposed_ports.iter().flatten() {
        let exposed =
            if exposed.contains('/') { exposed.clone() } else { format!("{exposed}/tcp") };
        map.entry(exposed).or_default();
    }
    for port in &record.ports {
        let binding = json!({ "HostIp": port.host_ip, "HostPort": port.host_port.to_string() });
        map.entry(format!("{}/{}", port.container_port, port.protocol_name()))
            .or_default()
            .get_or_insert_default()
            .push(binding);
    }
    json!(map)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::tests_support::record;

    #[test]
    fn an_older_client_finds_all_names_among_the_aliases() {
        let mut record = record();
        let mut membership = Membership::plain("web");
        membership.asked.aliases = Some(vec!["db".to_owned()]);
        record.networks = vec![membership, Membership::plain("bridge")];
        let old = networks(&record, ApiVersion::new(1, 44));
        assert_eq!(old["web"]["Aliases"], json!(["db", "0123456789ab"]));
        let new = networks(&record, ApiVersion::new(1, 45));
        assert_eq!(new["web"]["Aliases"], json!(["db"]));
        assert_eq!(new["web"]["DNSNames"], json!(["test", "db", "0123456789ab"]));
        assert_eq!(new["bridge"]["DNSNames"], Value::Null);
        assert_eq!(networks_listed(&record)["web"]["Aliases"], Value::Null);
    }
}
