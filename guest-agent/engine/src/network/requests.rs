//! What a container may ask for in a network.

use std::net::IpAddr;

use super::live::Network;
use crate::container::Membership;
use crate::error::{EngineError, Result};

impl Network {
    /// Checks what a container asks for of this network.
    pub(crate) fn check(&self, membership: &Membership) -> Result<()> {
        membership.wanted_mac()?;
        let (v4, v6) = membership.wanted_addresses()?;
        let wanted: Vec<IpAddr> =
            v4.map(IpAddr::V4).into_iter().chain(v6.map(IpAddr::V6)).collect();
        if !self.record.is_user_defined() {
            return match () {
                () if !wanted.is_empty() => Err(EngineError::Invalid(
                    "user specified IP address is supported on user defined networks only"
                        .to_owned(),
                )),
                () if membership.asked.aliases.is_some() => Err(EngineError::Invalid(
                    "network-scoped alias is supported only for containers in user defined networks"
                        .to_owned(),
                )),
                () => Ok(()),
            };
        }
        for address in wanted {
            let invalid = |why: String| {
                EngineError::Invalid(format!(
                    "invalid config for network {}: invalid endpoint settings:\n{why}",
                    self.record.name
                ))
            };
            let pool = self.record.pool(address.is_ipv6());
            if pool.is_none_or(|pool| !pool.subnet_chosen) {
                return Err(invalid(
                    "user specified IP address is supported only when connecting to networks with \
                     user configured subnets"
                        .to_owned(),
                ));
            }
            if pool.is_some_and(|pool| !pool.subnet.contains(address)) {
                return Err(invalid(format!("no configured subnet contains IP address {address}")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::container::Membership;
    use crate::network::tests_support::live;

    fn wants(address: &str) -> Membership {
        let asked = format!(r#"{{"IPAMConfig":{{"IPv4Address":"{address}"}}}}"#);
        Membership::asked("web", serde_json::from_str(&asked).unwrap())
    }

    #[test]
    fn addresses_are_chosen_in_subnets_that_were() {
        let network = live("web", &["10.9.0.0/24"]);
        for (network, address, message) in [
            (&network, "10.8.0.5", "no configured subnet contains IP address 10.8.0.5"),
            (&network, "ten", "invalid IPv4 address: ten"),
        ] {
            let error = network.check(&wants(address)).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        let mut found = live("web", &["10.9.0.0/24"]);
        found.record.pools[0].subnet_chosen = false;
        let error = found.check(&wants("10.9.0.5")).unwrap_err().to_string();
        assert!(error.contains("networks with user configured subnets"), "{error}");
        let bridge = live("bridge", &["10.9.0.0/24"]);
        let error = bridge.check(&wants("10.9.0.5")).unwrap_err().to_string();
        assert!(error.contains("on user defined networks only"), "{error}");
    }
}
