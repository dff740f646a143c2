//! Making a network: the request is checked whole, kept, then made in the kernel.

use std::path::Path;
use std::sync::Arc;

use bollard_stubs::models::NetworkCreateRequest;
use jiff::Timestamp;
use naru_network::{Attachment, Subnet};

use super::attachment::{BRIDGE_NAME, bridge_name};
use super::ipam::{candidates, check_overlap, chosen_pools, found_pool, local_ipv6};
use super::live::Network;
use super::record::{Driver, NetworkRecord, is_predefined};
use crate::container::random_id;
use crate::engine::Engine;
use crate::error::{EngineError, Result};

impl Engine {
    /// Makes a network.
    pub(crate) async fn create_network(
        &self,
        request: NetworkCreateRequest,
    ) -> Result<Arc<Network>> {
        let engine = self.clone();
        // A client that goes away must not leave it half made.
        self.run_to_end(async move { engine.create_network_now(request).await }).await
    }

    async fn create_network_now(&self, request: NetworkCreateRequest) -> Result<Arc<Network>> {
        let mut record = checked(request)?;
        let networks = self.network();
        let _one_at_a_time = networks.changing().lock().await;
        if networks.named(&record.name).is_some() {
            return Err(EngineError::Conflict(format!(
                "network with name {} already exists",
                record.name
            )));
        }
        check_interfaces(&record, &networks.all())?;
        let taken = networks.subnets();
        check_overlap(&record.pools, &taken)?;
        let chooses = record.enable_ipv4 && record.pool(false).is_none();
        // Other engines wait until the bridge shows what is chosen.
        let _claim = if chooses { Some(networks.claim_subnets().await?) } else { None };
        if chooses {
            let subnet = networks.free_subnet(&candidates(&taken), &record).await?;
            record.pools.insert(0, found_pool(subnet));
        }
        if record.enable_ipv6 && record.pool(true).is_none() {
            record.pools.push(found_pool(local_ipv6(&taken)?));
        }
        record.pools.sort_by_key(|pool| pool.gateway.is_ipv6());
        let network = Arc::new(Network::new(record)?);
        // First this: what is in the kernel and not here nobody would ever remove.
        self.database().put_network(&network.record).await?;
        if let Some(Attachment::Bridge(bridge)) = &network.attachment
            && let Err(error) = networks.ensure_bridge(bridge).await
        {
            self.database().delete_network(&network.record.id).await?;
            return Err(error);
        }
        networks.insert(Arc::clone(&network));
        self.network_event("create", &network.record, None);
        Ok(network)
    }
}

/// The request as a record, as far as it makes sense by itself.
fn checked(request: NetworkCreateRequest) -> Result<NetworkRecord> {
    let name = request.name;
    if name.trim().is_empty() {
        return Err(EngineError::Invalid("invalid name: name is empty".to_owned()));
    }
    if is_predefined(&name) {
        return Err(EngineError::Forbidden(format!(
            "operation is not permitted on predefined {name} network"
        )));
    }
    let driver = driver(request.driver.as_deref().unwrap_or_default())?;
    let refused = [
        (request.ingress == Some(true), "an ingress network: there is no swarm"),
        (request.config_only == Some(true), "a network that is a configuration only"),
        (
            request.config_from.is_some_and(|from| from.network.is_some_and(|n| !n.is_empty())),
            "a network with another's configuration",
        ),
        (
            !matches!(request.scope.as_deref(), None | Some("" | "local")),
            "a network of another scope than local: there is no swarm",
        ),
    ];
    if let Some((_, what)) = refused.iter().find(|(asked, _)| *asked) {
        return Err(EngineError::Unsupported(format!("not supported by this engine: {what}")));
    }
    let ipam = request.ipam.as_ref();
    match ipam.and_then(|ipam| ipam.driver.as_deref()) {
        None | Some("" | "default") => {}
        Some(other) => return Err(EngineError::NoSuchPlugin(other.to_owned())),
    }
    let enable_ipv4 = request.enable_ipv4.unwrap_or(true);
    let enable_ipv6 = request.enable_ipv6.unwrap_or_default();
    if !enable_ipv4 && !enable_ipv6 {
        return Err(EngineError::Invalid("IPv4 or IPv6 must be enabled".to_owned()));
    }
    let mut pools = chosen_pools(ipam, enable_ipv6)?;
    pools.retain(|pool| enable_ipv4 || pool.gateway.is_ipv6());
    Ok(NetworkRecord {
        id: random_id(),
        name,
        created: Timestamp::now(),
        driver,
        enable_ipv4,
        enable_ipv6,
        internal: request.internal.unwrap_or_default(),
        attachable: request.attachable.unwrap_or_default(),
        ipam_options: ipam
            .and_then(|ipam| ipam.options.clone())
            .map(|options| options.into_iter().collect()),
        pools,
        options: request.options.unwrap_or_default().into_iter().collect(),
        labels: request.labels.unwrap_or_default().into_iter().collect(),
    })
}

fn driver(name: &str) -> Result<Driver> {
    match name {
        "" | "default" | "bridge" => Ok(Driver::Bridge),
        "macvlan" => Ok(Driver::Macvlan),
        "ipvlan" => Ok(Driver::Ipvlan),
        "host" | "null" => Err(EngineError::Forbidden(format!(
            "only one instance of \"{name}\" network is allowed"
        ))),
        "overlay" => Err(EngineError::Unsupported(
            "not supported by this engine: the network driver overlay: there is no swarm"
                .to_owned(),
        )),
        other => Err(EngineError::NoSuchPlugin(other.to_owned())),
    }
}

/// Refuses a bridge that somebody else has, and a parent that there is not.
fn check_interfaces(record: &NetworkRecord, others: &[Arc<Network>]) -> Result<()> {
    let exists = |interface: &str| {
        // It becomes part of a path.
        !interface.contains('/') && Path::new("/sys/class/net").join(interface).exists()
    };
    if let Some(parent) = record.option("parent")
        && record.driver != Driver::Bridge
        && !exists(parent)
    {
        return Err(EngineError::Invalid(format!(
            "the host has no interface {parent} to be the network's parent"
        )));
    }
    let Some(name) = record.option(BRIDGE_NAME).filter(|_| record.driver == Driver::Bridge) else {
        return Ok(());
    };
    let is_same = |other: &&Arc<Network>| {
        other.record.driver == Driver::Bridge && bridge_name(&other.record) == name
    };
    if let Some(other) = others.iter().find(is_same) {
        return Err(EngineError::Forbidden(format!(
            "cannot create network {} ({name}): conflicts with network {} ({name}): networks have \
             same bridge name",
            record.id, other.record.id
        )));
    }
    if exists(name) {
        // It would go with the network.
        return Err(EngineError::Forbidden(format!(
            "cannot create network {} ({name}): the host has an interface of this name",
            record.id
        )));
    }
    Ok(())
}

/// All subnets of these networks.
pub(super) fn subnets_of<'a>(records: impl Iterator<Item = &'a NetworkRecord>) -> Vec<Subnet> {
    records.flat_map(|record| record.pools.iter().map(|pool| pool.subnet)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(body: &str) -> Result<NetworkRecord> {
        checked(serde_json::from_str(body).unwrap())
    }

    #[test]
    fn silence_means_a_bridge_with_ipv4() {
        let record = ask(r#"{"Name":"web"}"#).unwrap();
        assert_eq!(
            (record.driver, record.enable_ipv4, record.enable_ipv6),
            (Driver::Bridge, true, false)
        );
        assert!(!record.internal && record.pools.is_empty());
    }

    #[test]
    fn what_is_refused_is_named() {
        use naru_error::ErrorKind::{Forbidden, InvalidArgument, NotFound, Unsupported};
        for (body, kind, message) in [
            (r#"{"Name":" "}"#, InvalidArgument, "name is empty"),
            (r#"{"Name":"host"}"#, Forbidden, "not permitted on predefined host network"),
            (r#"{"Name":"n","Driver":"weave"}"#, NotFound, "plugin \"weave\" not found"),
            (r#"{"Name":"n","Driver":"host"}"#, Forbidden, "only one instance of \"host\""),
            (r#"{"Name":"n","Driver":"overlay"}"#, Unsupported, "overlay"),
            (r#"{"Name":"n","Scope":"swarm"}"#, Unsupported, "scope"),
            (r#"{"Name":"n","ConfigOnly":true}"#, Unsupported, "configuration only"),
            (r#"{"Name":"n","IPAM":{"Driver":"far"}}"#, NotFound, "plugin \"far\" not found"),
            (r#"{"Name":"n","EnableIPv4":false}"#, InvalidArgument, "IPv4 or IPv6"),
        ] {
            let error = ask(body).unwrap_err();
            assert_eq!(error.kind(), kind, "{body}");
            assert!(error.to_string().contains(message), "{body}: {error}");
        }
    }
}
