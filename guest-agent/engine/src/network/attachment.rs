//! How the kernel is to connect a network's containers.

use std::net::{IpAddr, Ipv4Addr};

use naru_dockerfile::boolean;
use naru_network::{Attachment, BridgeAddress, BridgeConfig, IpvlanMode, MacvlanMode};

use super::record::{Driver, NetworkRecord};
use crate::error::{EngineError, Result};

/// Options of the bridge driver.
pub(super) const BRIDGE_NAME: &str = "com.docker.network.bridge.name";
pub(super) const ENABLE_ICC: &str = "com.docker.network.bridge.enable_icc";
pub(super) const ENABLE_MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
pub(super) const HOST_BINDING: &str = "com.docker.network.bridge.host_binding_ipv4";
pub(super) const DEFAULT_BRIDGE: &str = "com.docker.network.bridge.default_bridge";
pub(super) const MTU: &str = "com.docker.network.driver.mtu";

/// The largest packet where nobody says otherwise.
pub(super) const DEFAULT_MTU: u32 = 1500;

/// What the kernel is to do for the containers of a network, which its options say.
pub(super) fn attachment(record: &NetworkRecord) -> Result<Option<Attachment>> {
    match record.driver {
        Driver::Host | Driver::Null => Ok(None),
        Driver::Bridge => Ok(Some(Attachment::Bridge(bridge(record)?))),
        Driver::Macvlan => {
            let mode = match record.option("macvlan_mode") {
                None | Some("bridge") => MacvlanMode::Bridge,
                Some("private") => MacvlanMode::Private,
                Some("vepa") => MacvlanMode::Vepa,
                Some("passthru") => MacvlanMode::Passthru,
                Some(other) => return Err(unknown("macvlan mode", other)),
            };
            Ok(Some(Attachment::Macvlan { parent: parent(record)?, mode }))
        }
        Driver::Ipvlan => {
            if let Some(flag) = record.option("ipvlan_flag").filter(|flag| *flag != "bridge") {
                return Err(unknown("ipvlan flag", flag));
            }
            let mode = match record.option("ipvlan_mode") {
                None | Some("l2") => IpvlanMode::L2,
                Some("l3") => IpvlanMode::L3,
                Some("l3s") => IpvlanMode::L3s,
                Some(other) => return Err(unknown("ipvlan mode", other)),
            };
            Ok(Some(Attachment::Ipvlan { parent: parent(record)?, mode }))
        }
    }
}

/// The host's address on which ports are published for which none is given.
pub(super) fn host_binding(record: &NetworkRecord) -> Result<IpAddr> {
    match record.option(HOST_BINDING) {
        None => Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        Some(text) => text.parse().map_err(|_| invalid(HOST_BINDING, text)),
    }
}

/// The packets' largest size.
pub(super) fn mtu(record: &NetworkRecord) -> Result<u32> {
    let Some(text) = record.option(MTU) else { return Ok(DEFAULT_MTU) };
    match text.parse() {
        Ok(0) => Ok(DEFAULT_MTU),
        // Less than 68 IPv4 cannot do with, more no interface has.
        Ok(mtu @ 68..=65535) => Ok(mtu),
        _ => Err(invalid(MTU, text)),
    }
}

/// The bridge's interface: named by an option, or by the network's id.
pub(super) fn bridge_name(record: &NetworkRecord) -> String {
    let made_up = || format!("br-{}", record.id.get(..12).unwrap_or_default());
    record.option(BRIDGE_NAME).map_or_else(made_up, str::to_owned)
}

fn bridge(record: &NetworkRecord) -> Result<BridgeConfig> {
    host_binding(record)?;
    let address = |v6| {
        record.pool(v6).map(|pool| BridgeAddress { subnet: pool.subnet, gateway: pool.gateway })
    };
    Ok(BridgeConfig {
        name: bridge_name(record),
        v4: address(false),
        v6: address(true),
        mtu: mtu(record)?,
        masquerade: switch(record, ENABLE_MASQUERADE)?,
        inter_container: switch(record, ENABLE_ICC)?,
        internal: record.internal,
    })
}

/// An option that is on unless it is switched off.
fn switch(record: &NetworkRecord, key: &str) -> Result<bool> {
    let text = record.option(key).unwrap_or("true");
    boolean(text).ok_or_else(|| invalid(key, text))
}

fn parent(record: &NetworkRecord) -> Result<String> {
    let driver = record.driver.as_str();
    record.option("parent").map(str::to_owned).ok_or_else(|| {
        EngineError::Invalid(format!(
            "a {driver} network needs an interface of the host: set it with -o parent="
        ))
    })
}

fn unknown(what: &str, value: &str) -> EngineError {
    EngineError::Invalid(format!("unknown {what}: {value}"))
}

fn invalid(key: &str, value: &str) -> EngineError {
    EngineError::Invalid(format!("invalid value for option {key}: {value:?}"))
}

#[cfg(test)]
mod tests {
    use super::super::record::tests_support::network;
    use super::*;

    fn with(driver: Driver, key: &str, value: &str) -> Result<Option<Attachment>, String> {
        let mut record = network("web", &["10.9.0.0/24"]);
        record.driver = driver;
        record.options.insert(key.to_owned(), value.to_owned());
        attachment(&record).map_err(|error| error.to_string())
    }

    #[test]
    fn options_of_a_bridge_are_read_and_refused_by_name() {
        let bridge = |key, value| match with(Driver::Bridge, key, value) {
            Ok(Some(Attachment::Bridge(bridge))) => Ok(bridge),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        };
        assert_eq!(bridge(MTU, "1400").unwrap().mtu, 1400);
        assert_eq!(bridge(MTU, "").unwrap().mtu, DEFAULT_MTU);
        assert_eq!(bridge(MTU, "").unwrap().name, "br-fedcba987654");
        assert_eq!(bridge(BRIDGE_NAME, "web0").unwrap().name, "web0");
        assert!(!bridge(ENABLE_ICC, "false").unwrap().inter_container);
        for (key, value) in [(MTU, "12"), (ENABLE_MASQUERADE, "maybe"), (HOST_BINDING, "here")] {
            let error = bridge(key, value).unwrap_err();
            assert!(error.contains(key) && error.contains(value), "{error}");
        }
    }

    #[test]
    fn what_has_a_parent_says_which() {
        let wanted = with(Driver::Macvlan, "parent", "eth0").unwrap();
        let Some(Attachment::Macvlan { parent, .. }) = wanted else { panic!("{wanted:?}") };
        assert_eq!(parent, "eth0");
        assert!(with(Driver::Ipvlan, "ipvlan_mode", "l2").unwrap_err().contains("-o parent="));
        assert!(with(Driver::Macvlan, "macvlan_mode", "odd").unwrap_err().contains("odd"));
    }
}
