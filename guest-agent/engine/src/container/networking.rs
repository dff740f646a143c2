//! Which networks a container is in: as it is made, and as it is connected and disconnected.

use std::collections::HashMap;
use std::sync::Arc;

use bollard_stubs::models::{EndpointSettings, HostConfig};

use super::files::{add_host_lines, change_resolv_conf, remove_host_lines};
use super::start::host_resolv_conf;
use super::{Container, Membership, Record, Resolving};
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::network::{BRIDGE, HOST, NONE, Network};

impl Engine {
    /// The networks that a new container is to be in: that of its mode first, the others in the
    /// order of their names. One that there is not is looked for again when it starts. The
    /// hardware address is how older clients ask for it, who name no network.
    pub(super) fn memberships(
        &self,
        host_config: &HostConfig,
        endpoints: HashMap<String, EndpointSettings>,
        mac_address: Option<String>,
    ) -> Result<Vec<Membership>> {
        let mode = host_config.network_mode.as_deref().unwrap_or(BRIDGE);
        if mode.starts_with("container:") {
            if endpoints.is_empty() {
                return Ok(Vec::new());
            }
            return Err(shares_a_network());
        }
        let name_of = |wanted: &str| match wanted {
            "default" => BRIDGE.to_owned(),
            wanted => {
                let found = self.network().find(wanted);
                found.map_or_else(|_| wanted.to_owned(), |network| network.record.name.clone())
            }
        };
        let mode = name_of(mode);
        let mut asked: HashMap<String, EndpointSettings> =
            endpoints.into_iter().map(|(name, settings)| (name_of(&name), settings)).collect();
        let mut first = asked.remove(&mode).unwrap_or_default();
        if first.mac_address.as_ref().is_none_or(String::is_empty) {
            first.mac_address = mac_address;
        }
        let mut rest: Vec<_> = asked.into_iter().collect();
        rest.sort_by(|(a, _), (b, _)| a.cmp(b));
        if !rest.is_empty() && matches!(mode.as_str(), HOST | NONE) {
            return Err(no_second(&mode));
        }
        if let Some((other, _)) = rest.iter().find(|(name, _)| matches!(name.as_str(), HOST | NONE))
        {
            return Err(no_second(other));
        }
        let all = [(mode, first)].into_iter().chain(rest);
        let memberships: Vec<_> =
            all.map(|(name, settings)| Membership::asked(&name, settings)).collect();
        for membership in &memberships {
            if let Ok(network) = self.network().find(&membership.network) {
                network.check(membership)?;
            } else {
                membership.wanted_mac()?;
                membership.wanted_addresses()?;
            }
        }
        Ok(memberships)
    }

    /// Connects a container to a network, whether it runs or not.
    pub(crate) async fn connect_network(
        &self,
        container: &Arc<Container>,
        network: &Arc<Network>,
        settings: EndpointSettings,
    ) -> Result<()> {
        let (engine, container, network) =
            (self.clone(), Arc::clone(container), Arc::clone(network));
        self.run_to_end(async move { engine.connect_now(&container, &network, settings).await })
            .await
    }

    async fn connect_now(
        &self,
        container: &Arc<Container>,
        network: &Arc<Network>,
        settings: EndpointSettings,
    ) -> Result<()> {
        // A start or an end that is under way is let through.
        let _one_at_a_time = container.lifecycle.lock().await;
        let mut change = self.change(container).await?;
        let record = &mut change.record;
        check_connectable(record, network)?;
        let name = &network.record.name;
        let membership = Membership::asked(name, settings);
        network.check(&membership)?;
        if !record.running() {
            record.networks.retain(|other| other.network != *name);
            record.add_membership(membership);
            return change.keep().await;
        }
        if record.membership(name).is_some() {
            return Err(network.already_in_it(record));
        }
        let host = host_resolv_conf();
        let as_started = Resolving::of(record, &host).text();
        self.network().connect(record, membership).await?;
        let kept = change.keep().await;
        if kept.is_err() {
            let record = &mut change.record;
            let index = record.networks.iter().position(|other| other.network == *name);
            if let Some(index) = index {
                self.network().disconnect(record, index).await?;
            }
            return kept;
        }
        let directory = self.paths().container(&container.id);
        add_host_lines(&directory, &change.record, name)?;
        let resolving = Resolving::of(&change.record, &host).text();
        change_resolv_conf(&directory, &as_started, &resolving)?;
        self.network_event("connect", &network.record, Some(&container.id));
        Ok(())
    }

    /// Takes a container out of a network, whether it runs or not.
    pub(crate) async fn disconnect_network(
        &self,
        container: &Arc<Container>,
        network: &Arc<Network>,
    ) -> Result<()> {
        let (engine, container, network) =
            (self.clone(), Arc::clone(container), Arc::clone(network));
        self.run_to_end(async move { engine.disconnect_now(&container, &network).await }).await
    }

    async fn disconnect_now(
        &self,
        container: &Arc<Container>,
        network: &Arc<Network>,
    ) -> Result<()> {
        let _one_at_a_time = container.lifecycle.lock().await;
        let mut change = self.change(container).await?;
        let record = &mut change.record;
        if record.network_mode() == HOST {
            return Err(host_network());
        }
        let name = &network.record.name;
        let index = record.networks.iter().position(|membership| membership.network == *name);
        let Some(index) = index else {
            return Err(EngineError::Forbidden(format!(
                "container {} is not connected to network {name}",
                record.id
            )));
        };
        if !record.running() {
            record.networks.remove(index);
            return change.keep().await;
        }
        let left = record.networks[index].clone();
        let disconnected = self.network().disconnect(record, index).await;
        change.note().await?;
        remove_host_lines(&self.paths().container(&container.id), &change.record, &left)?;
        self.network_event("disconnect", &network.record, Some(&container.id));
        disconnected
    }

    /// Tells of each network that a container has come into, or left.
    pub(super) fn network_events(&self, action: &str, record: &Record) {
        for membership in &record.networks {
            if membership.endpoint.is_some()
                && let Ok(network) = self.network().network_of(membership)
            {
                self.network_event(action, &network.record, Some(&record.id));
            }
        }
    }
}

/// Holds if the container can be in this network besides those that it is in; Docker's words.
fn check_connectable(record: &Record, network: &Network) -> Result<()> {
    if record.joined_network().is_some() || record.network_mode() == HOST {
        return Err(shares_a_network());
    }
    if network.record.name == HOST {
        return Err(host_network());
    }
    let none = record.networks.iter().any(|membership| membership.network == NONE);
    if none || (network.record.name == NONE && !record.networks.is_empty()) {
        return Err(no_second(NONE));
    }
    Ok(())
}

fn shares_a_network() -> EngineError {
    EngineError::Invalid(
        "container sharing network namespace with another container or host cannot be connected \
         to any other network"
            .to_owned(),
    )
}

fn host_network() -> EngineError {
    EngineError::Invalid(
        "container cannot be disconnected from host network or connected to host network"
            .to_owned(),
    )
}

fn no_second(network: &str) -> EngineError {
    if network == HOST {
        return shares_a_network();
    }
    EngineError::Invalid(
        "container cannot be connected to multiple networks with one of the networks in private \
         (none) mode"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::tests_support::record;
    use crate::network::tests_support::live;

    #[test]
    fn what_has_no_networks_of_its_own_gets_none() {
        for (mode, said) in [
            ("container:web", "container sharing network namespace"),
            ("host", "container sharing network namespace"),
        ] {
            let mut record = record();
            record.host_config.network_mode = Some(mode.to_owned());
            let network = live("web", &["10.9.0.0/24"]);
            let error = check_connectable(&record, &network).unwrap_err().to_string();
            assert!(error.starts_with(said), "{error}");
        }
    }
}
