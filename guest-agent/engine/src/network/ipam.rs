//! The subnets of a new network: those that its user chose, checked, or free ones.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use bollard_stubs::models::{Ipam, IpamConfig};
use naru_network::{Networks, Subnet};
use rand::RngCore as _;

use super::record::Pool;
use crate::error::{EngineError, Result};

/// The length of the prefix of a local IPv6 subnet, and of all that are chosen here.
const ULA_PREFIX: u8 = 64;

/// What a client may say of subnets, read and checked all at once, as Docker does. IPv6 subnets
/// without IPv6 are passed over, as there.
pub(super) fn chosen_pools(ipam: Option<&Ipam>, enable_ipv6: bool) -> Result<Vec<Pool>> {
    let mut errors = Vec::new();
    let mut pools: Vec<Pool> = Vec::new();
    for config in ipam.and_then(|ipam| ipam.config.as_ref()).into_iter().flatten() {
        match chosen_pool(config, &mut errors) {
            Some(pool) if pool.gateway.is_ipv6() && !enable_ipv6 => {}
            Some(pool) => pools.push(pool),
            None => {}
        }
    }
    if !errors.is_empty() {
        return Err(EngineError::Invalid(format!(
            "invalid network config:\n{}",
            errors.join("\n")
        )));
    }
    for (index, pool) in pools.iter().enumerate() {
        let before = pools.iter().take(index);
        if before.clone().any(|other| other.subnet.overlaps(pool.subnet)) {
            return Err(overlap());
        }
        if before.clone().any(|other| other.gateway.is_ipv6() == pool.gateway.is_ipv6()) {
            return Err(EngineError::Forbidden(
                "several subnets of one family are not supported: a network has one IPv4 and one \
                 IPv6 subnet"
                    .to_owned(),
            ));
        }
        check_addresses(pool)?;
    }
    Ok(pools)
}

fn chosen_pool(config: &IpamConfig, errors: &mut Vec<String>) -> Option<Pool> {
    let text = config.subnet.as_deref().unwrap_or_default();
    let subnet = cidr(text, "subnet", errors)?;
    let family = if subnet.network().is_ipv6() { "IPv6" } else { "IPv4" };
    let mut range = None;
    if let Some(text) = given(config.ip_range.as_ref())
        && let Some(parsed) = cidr(text, "ip-range", errors)
    {
        match () {
            () if parsed.network().is_ipv6() != subnet.network().is_ipv6() => {
                errors.push(format!("invalid ip-range {text}: parent subnet is an {family} block"));
            }
            () if parsed.prefix_len() < subnet.prefix_len() => errors.push(format!(
                "invalid ip-range {text}: CIDR block is bigger than its parent subnet {subnet}"
            )),
            () if !subnet.contains_subnet(parsed) => errors.push(format!(
                "invalid ip-range {text}: parent subnet {subnet} doesn't contain ip-range"
            )),
            () => range = Some(parsed),
        }
    }
    let mut address = |text: &str, what: &str| -> Option<IpAddr> {
        match text.parse::<IpAddr>() {
            Err(_) => errors.push(format!("invalid {what} {text}: invalid address")),
            Ok(address) if address.is_ipv6() != subnet.network().is_ipv6() => {
                errors.push(format!("invalid {what} {text}: parent subnet is an {family} block"));
            }
            Ok(address) if !subnet.contains(address) => errors.push(format!(
                "invalid {what} {text}: parent subnet {subnet} doesn't contain this address"
            )),
            Ok(address) => return Some(address),
        }
        None
    };
    let gateway = given(config.gateway.as_ref()).map(|text| address(text, "gateway"));
    let auxiliary: BTreeMap<String, IpAddr> = config
        .auxiliary_addresses
        .iter()
        .flatten()
        .filter_map(|(name, text)| Some((name.clone(), address(text, "auxiliary address")?)))
        .collect();
    Some(Pool {
        subnet,
        range,
        gateway: gateway.flatten().unwrap_or_else(|| subnet.first_host()),
        auxiliary,
        subnet_chosen: true,
        gateway_chosen: gateway.is_some(),
    })
}

fn cidr(text: &str, what: &str, errors: &mut Vec<String>) -> Option<Subnet> {
    let Ok(subnet) = text.parse::<Subnet>() else {
        errors.push(format!("invalid {what} {text}: invalid CIDR block notation"));
        return None;
    };
    let address = text.split('/').next().unwrap_or_default();
    if address.parse() != Ok(subnet.network()) {
        errors.push(format!("invalid {what} {text}: it should be {subnet}"));
    }
    Some(subnet)
}

/// Refuses addresses that no bridge and nobody else can have.
fn check_addresses(pool: &Pool) -> Result<()> {
    let in_use = |what: String| {
        EngineError::Forbidden(format!("failed to allocate {what}: Address already in use"))
    };
    if !pool.subnet.contains(pool.gateway) || pool.gateway == pool.subnet.network() {
        return Err(in_use(format!("gateway ({})", pool.gateway)));
    }
    for (name, address) in &pool.auxiliary {
        if *address == pool.gateway {
            return Err(in_use(format!("secondary ip address ({name}:{address})")));
        }
    }
    Ok(())
}

/// Refuses subnets that overlap with what other networks have.
pub(super) fn check_overlap(pools: &[Pool], taken: &[Subnet]) -> Result<()> {
    let overlaps = |pool: &Pool| taken.iter().any(|taken| taken.overlaps(pool.subnet));
    if pools.iter().any(overlaps) { Err(overlap()) } else { Ok(()) }
}

fn overlap() -> EngineError {
    EngineError::Forbidden(
        "invalid pool request: Pool overlaps with other one on this address space".to_owned(),
    )
}

/// A pool that is nobody's choice, in a subnet found free.
pub(super) fn found_pool(subnet: Subnet) -> Pool {
    Pool {
        subnet,
        range: None,
        gateway: subnet.first_host(),
        auxiliary: BTreeMap::new(),
        subnet_chosen: false,
        gateway_chosen: false,
    }
}

/// The IPv4 subnets to choose from that no other network has.
pub(super) fn candidates(taken: &[Subnet]) -> Vec<Subnet> {
    let mut candidates = Networks::default_subnets();
    candidates.retain(|candidate| !taken.iter().any(|taken| taken.overlaps(*candidate)));
    candidates
}

/// A local IPv6 subnet at random (RFC 4193), of which there are too many to meet another.
pub(super) fn local_ipv6(taken: &[Subnet]) -> Result<Subnet> {
    let mut random = rand::rng();
    loop {
        let mut bytes = [0_u8; 16];
        random.fill_bytes(&mut bytes[1..6]);
        bytes[0] = 0xfd;
        let subnet = Subnet::new(Ipv6Addr::from(bytes).into(), ULA_PREFIX)?;
        if !taken.iter().any(|taken| taken.overlaps(subnet)) {
            return Ok(subnet);
        }
    }
}

fn given(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pools(config: &str, enable_ipv6: bool) -> Result<Vec<Pool>, String> {
        let ipam = Ipam { config: Some(serde_json::from_str(config).unwrap()), ..Ipam::default() };
        chosen_pools(Some(&ipam), enable_ipv6).map_err(|error| error.to_string())
    }

    #[test]
    fn a_whole_configuration_is_taken() {
        let config = r#"[{"Subnet":"10.9.0.0/16","IPRange":"10.9.8.0/24","Gateway":"10.9.0.9",
            "AuxiliaryAddresses":{"printer":"10.9.8.3"}},{"Subnet":"fd00:9::/64"}]"#;
        let both = pools(config, true).unwrap();
        assert_eq!(both[0].gateway.to_string(), "10.9.0.9");
        assert_eq!(both[0].range.unwrap().to_string(), "10.9.8.0/24");
        assert_eq!(both[0].auxiliary["printer"].to_string(), "10.9.8.3");
        assert_eq!(both[1].gateway.to_string(), "fd00:9::1");
        assert!(!both[1].gateway_chosen);
        assert_eq!(pools(config, false).unwrap().len(), 1);
        assert_eq!(pools("[]", true).unwrap(), []);
    }

    #[test]
    fn nonsense_is_refused_in_dockers_words() {
        for (config, message) in [
            (
                r#"{"Subnet":"10.9.0.0/33"}"#,
                "invalid subnet 10.9.0.0/33: invalid CIDR block notation",
            ),
            (r#"{"Gateway":"10.9.0.1"}"#, "invalid subnet : invalid CIDR block notation"),
            (r#"{"Subnet":"10.9.0.5/24"}"#, "invalid subnet 10.9.0.5/24: it should be 10.9.0.0/24"),
            (
                r#"{"Subnet":"10.9.0.0/24","IPRange":"10.8.0.0/25"}"#,
                "invalid ip-range 10.8.0.0/25: parent subnet 10.9.0.0/24 doesn't contain ip-range",
            ),
            (
                r#"{"Subnet":"10.9.0.0/24","IPRange":"10.0.0.0/8"}"#,
                "invalid ip-range 10.0.0.0/8: CIDR block is bigger than its parent subnet \
                 10.9.0.0/24",
            ),
            (
                r#"{"Subnet":"10.9.0.0/24","Gateway":"10.8.0.1"}"#,
                "invalid gateway 10.8.0.1: parent subnet 10.9.0.0/24 doesn't contain this address",
            ),
            (
                r#"{"Subnet":"10.9.0.0/24","Gateway":"fd00::1"}"#,
                "invalid gateway fd00::1: parent subnet is an IPv4 block",
            ),
            (
                r#"{"Subnet":"10.9.0.0/24","Gateway":"door"}"#,
                "invalid gateway door: invalid address",
            ),
        ] {
            let error = pools(&format!("[{config}]"), true).unwrap_err();
            assert_eq!(error, format!("invalid network config:\n{message}"));
        }
        for (config, message) in [
            (r#"{"Subnet":"10.9.0.0/24","Gateway":"10.9.0.0"}"#, "gateway (10.9.0.0)"),
            (
                r#"{"Subnet":"10.9.0.0/24","AuxiliaryAddresses":{"a":"10.9.0.1"}}"#,
                "secondary ip address (a:10.9.0.1)",
            ),
        ] {
            let error = pools(&format!("[{config}]"), true).unwrap_err();
            assert_eq!(error, format!("failed to allocate {message}: Address already in use"));
        }
        let two = r#"[{"Subnet":"10.9.0.0/24"},{"Subnet":"10.8.0.0/24"}]"#;
        assert!(pools(two, true).unwrap_err().contains("several subnets of one family"));
        let same = r#"[{"Subnet":"10.9.0.0/24"},{"Subnet":"10.9.0.0/16"}]"#;
        assert!(pools(same, true).unwrap_err().contains("Pool overlaps with other one"));
    }

    #[test]
    fn what_is_taken_is_not_chosen() {
        let taken = ["172.17.0.0/24".parse().unwrap(), "fd00::/8".parse::<Subnet>().unwrap()];
        assert_eq!(candidates(&taken)[0].to_string(), "172.18.0.0/16");
        let pools = pools(r#"[{"Subnet":"172.16.0.0/12"}]"#, false).unwrap();
        assert!(check_overlap(&pools, &taken).unwrap_err().to_string().contains("Pool overlaps"));
        check_overlap(&pools, &taken[1..]).unwrap();
        let local = local_ipv6(&[]).unwrap();
        assert!(taken[1].contains_subnet(local) && local.prefix_len() == 64, "{local}");
    }
}
