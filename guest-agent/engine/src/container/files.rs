//! The three files of the network in a container: `hosts`, `hostname`, `resolv.conf`.

use std::net::IpAddr;
use std::path::Path;

use super::{Membership, Record, Resolving};
use crate::error::{EngineError, Result};
use crate::network::HOST_NAMES;

/// What the files are about.
#[derive(Clone, Copy, Debug)]
pub(super) struct FilesRequest<'a> {
    pub(super) directory: &'a Path,
    /// Where the host is, if not where the container's packets leave.
    pub(super) host_address: Option<IpAddr>,
    /// Lines of the containers that it is linked to.
    pub(super) links: &'a [String],
    /// The engine's own `/etc/resolv.conf` and `/etc/hosts`, as text.
    pub(super) host_resolv_conf: &'a str,
    pub(super) host_hosts: &'a str,
}

/// Writes them into the container's directory.
#[tracing::instrument(name = "write_files", level = "debug", skip_all)]
pub(super) fn write(record: &Record, request: FilesRequest<'_>) -> Result<()> {
    let hostname = record.config.hostname.as_deref().unwrap_or_default();
    for (name, text) in [
        ("hostname", format!("{hostname}\n")),
        ("hosts", hosts(record, request)?),
        ("resolv.conf", Resolving::of(record, request.host_resolv_conf).text()),
    ] {
        let path = request.directory.join(name);
        std::fs::write(&path, text).map_err(EngineError::io("writing", path))?;
    }
    Ok(())
}

fn hosts(record: &Record, request: FilesRequest<'_>) -> Result<String> {
    let mut text = if record.network_mode() == "host" {
        request.host_hosts.to_owned()
    } else {
        "127.0.0.1\tlocalhost\n\
         ::1\tlocalhost ip6-localhost ip6-loopback\n\
         fe00::\tip6-localnet\n\
         ff00::\tip6-mcastprefix\n\
         ff02::1\tip6-allnodes\n\
         ff02::2\tip6-allrouters\n"
            .to_owned()
    };
    let way_out = record.way_out(false).or_else(|| record.way_out(true));
    let gateway = way_out.and_then(|(_, address)| request.host_address.or(address.gateway));
    let mut extra_names = Vec::new();
    for extra in record.host_config.extra_hosts.iter().flatten() {
        let (name, address) = split_extra_host(extra)?;
        let address = match (address, gateway) {
            ("host-gateway", Some(gateway)) => gateway.to_string(),
            ("host-gateway", None) => "127.0.0.1".to_owned(),
            (address, _) => address.to_owned(),
        };
        text.push_str(&format_line(&address, name));
        extra_names.push(name);
    }
    if let Some(gateway) = gateway {
        for name in HOST_NAMES.iter().filter(|name| !extra_names.contains(name)) {
            text.push_str(&format_line(&gateway.to_string(), name));
        }
    }
    for line in request.links {
        text.push_str(line);
    }
    for membership in &record.networks {
        text.push_str(&own_lines(record, membership));
    }
    Ok(text)
}

/// Changes whom a running container asks for names, unless the file is its own by now. In its
/// place: the container has it mounted.
pub(super) fn change_resolv_conf(directory: &Path, old: &str, new: &str) -> Result<()> {
    let path = directory.join("resolv.conf");
    let found = std::fs::read_to_string(&path).map_err(EngineError::io("reading", path.clone()))?;
    if old == new || found != old {
        return Ok(());
    }
    std::fs::write(&path, new).map_err(EngineError::io("writing", path))
}

/// The lines of a container's own name, one for each address in this network.
fn own_lines(record: &Record, membership: &Membership) -> String {
    let config = &record.config;
    let hostname = config.hostname.as_deref().unwrap_or_default();
    let domain = config.domainname.as_deref().unwrap_or_default();
    let names = if domain.is_empty() {
        hostname.to_owned()
    } else {
        format!("{hostname}.{domain} {hostname}")
    };
    let addresses = membership.endpoint.iter().flat_map(|endpoint| &endpoint.addresses);
    addresses.map(|own| format_line(&own.address.to_string(), &names)).collect()
}

/// Adds the lines of a network that a running container has come into. The rest of the file may
/// be its own by now.
pub(super) fn add_host_lines(directory: &Path, record: &Record, network: &str) -> Result<()> {
    let Some(membership) = record.membership(network) else { return Ok(()) };
    let added = own_lines(record, membership);
    change_hosts(directory, |text| text.push_str(&added))
}

/// Removes those of a network that it has left.
pub(super) fn remove_host_lines(
    directory: &Path,
    record: &Record,
    left: &Membership,
) -> Result<()> {
    let removed = own_lines(record, left);
    change_hosts(directory, |text| {
        let kept = text.lines().filter(|line| !removed.lines().any(|removed| removed == *line));
        *text = kept.flat_map(|line| [line, "\n"]).collect();
    })
}

/// Changes the file in its place: the container has it mounted.
fn change_hosts(directory: &Path, change: impl FnOnce(&mut String)) -> Result<()> {
    let path = directory.join("hosts");
    let mut text =
        std::fs::read_to_string(&path).map_err(EngineError::io("reading", path.clone()))?;
    change(&mut text);
    std::fs::write(&path, text).map_err(EngineError::io("writing", path))
}

pub(super) fn format_line(address: &str, names: &str) -> String {
    format!("{address}\t{names}\n")
}

/// `name:address`, where the address may hold colons of its own.
pub(super) fn split_extra_host(text: &str) -> Result<(&str, &str)> {
    let invalid = || EngineError::Invalid(format!("bad format for add-host: \"{text}\""));
    let (name, address) = text.split_once([':', '=']).ok_or_else(invalid)?;
    let known = address == "host-gateway" || address.parse::<IpAddr>().is_ok();
    if name.is_empty() || !known || name.contains(char::is_whitespace) {
        return Err(EngineError::Invalid(format!("invalid IP address in add-host: \"{address}\"")));
    }
    Ok((name, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_hosts_take_ipv6_and_refuse_nonsense() {
        assert_eq!(split_extra_host("db:::1").unwrap(), ("db", "::1"));
        assert_eq!(split_extra_host("h:host-gateway").unwrap(), ("h", "host-gateway"));
        split_extra_host("db").unwrap_err();
        split_extra_host("db:1.2.3").unwrap_err();
    }
}
