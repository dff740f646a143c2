//! Records of an older engine, made such as this one reads.

use rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::error::{EngineError, Result};
use crate::network::BRIDGE_ID;

/// Before schema 2 a container was in one network, by its mode, and had at most one endpoint.
pub(super) fn name_networks(connection: &Connection) -> Result<()> {
    let mut statement = connection.prepare("SELECT id, record FROM container")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    let rows: Vec<(String, String)> = rows.collect::<Result<_, _>>()?;
    for (id, text) in rows {
        let mut record: Value =
            serde_json::from_str(&text).map_err(EngineError::encoding("a container's record"))?;
        if record.get("networks").is_some() {
            continue;
        }
        name_networks_of(&mut record);
        connection.execute(
            "UPDATE container SET record = ?2 WHERE id = ?1",
            params![id, record.to_string()],
        )?;
    }
    Ok(())
}

fn name_networks_of(record: &mut Value) {
    let mode = record["host_config"]["NetworkMode"].as_str().unwrap_or_default();
    let mode = if mode.is_empty() { "bridge".to_owned() } else { mode.to_owned() };
    let endpoint = record["endpoint"].take();
    if mode.starts_with("container:") {
        record["networks"] = json!([]);
        return;
    }
    let mut membership = json!({ "network": mode });
    if endpoint.is_object() {
        membership["network_id"] = BRIDGE_ID.into();
        membership["endpoint"] = json!({
            "id": endpoint["id"],
            "interface": "eth0",
            "addresses": [{
                "address": endpoint["address"],
                "prefix_len": endpoint["prefix_len"],
                "gateway": endpoint["gateway"],
            }],
            "mac": endpoint["mac"],
            "host_interface": endpoint["host_interface"],
        });
        let ports = endpoint["ports"].as_array().into_iter().flatten().map(|port| {
            let mut port = port.clone();
            port["container_address"] = endpoint["address"].clone();
            port["protocol"] = "tcp".into();
            port
        });
        record["ports"] = ports.collect();
    }
    record["networks"] = json!([membership]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::Record;
    use crate::container::tests_support::record;

    /// As schema 1 had it.
    fn old(mode: &str, endpoint: &Value) -> Value {
        let mut old = serde_json::to_value(record()).unwrap();
        old["host_config"]["NetworkMode"] = mode.into();
        old["endpoint"] = endpoint.clone();
        let fields = old.as_object_mut().unwrap();
        fields.remove("networks");
        fields.remove("ports");
        old
    }

    #[test]
    fn a_running_container_keeps_its_place_and_its_ports() {
        let mut row = old(
            "bridge",
            &json!({
                "id": "e1", "address": "172.17.0.2", "prefix_len": 16, "gateway": "172.17.0.1",
                "mac": "02:42:ac:11:00:02", "host_interface": "veth1",
                "ports": [{ "host_ip": "0.0.0.0", "host_port": 8080, "container_port": 80 }],
            }),
        );
        name_networks_of(&mut row);
        let record: Record = serde_json::from_value(row).unwrap();
        let (membership, address) = record.way_out(false).unwrap();
        assert_eq!(membership.network, "bridge");
        assert_eq!(address.address.to_string(), "172.17.0.2");
        assert_eq!(record.ports[0].container_address, address.address);
        assert_eq!(record.ports[0].protocol_name(), "tcp");
    }

    #[test]
    fn one_that_does_not_run_is_in_the_network_of_its_mode() {
        for (mode, networks) in [("", 1), ("host", 1), ("container:web", 0)] {
            let mut row = old(mode, &Value::Null);
            name_networks_of(&mut row);
            let record: Record = serde_json::from_value(row).unwrap();
            assert_eq!(record.networks.len(), networks, "{mode}");
            assert!(record.networks.iter().all(|m| m.endpoint.is_none()));
        }
    }
}
