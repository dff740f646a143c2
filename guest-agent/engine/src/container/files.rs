//! The three files of the network in a container: `hosts`, `hostname`, `resolv.conf`.

use std::net::IpAddr;
use std::path::Path;

use super::{Membership, Record};
use crate::error::{EngineError, Result};

/// What a container asks when the host's only name servers are its own loopback's,
/// which a container cannot reach; Docker's choice.
const FALLBACK_NAMESERVERS: [&str; 2] = ["8.8.8.8", "8.8.4.4"];

/// Names of the host, as containers of Docker Desktop know it.
const HOST_NAMES: [&str; 2] = ["host.docker.internal", "gateway.docker.internal"];

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
        ("resolv.conf", resolv_conf(record, request.host_resolv_conf)),
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

fn line(keyword: &str, words: &str) -> String {
    format!("{keyword} {words}\n")
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

fn resolv_conf(record: &Record, host: &str) -> String {
    let host_config = &record.host_config;
    let given = |list: &Option<Vec<String>>| list.clone().filter(|list| !list.is_empty());
    let own_network = record.network_mode() != "host";
    let of_host = |keyword: &str| -> Vec<String> {
        let lines = host.lines().filter_map(|line| line.trim().strip_prefix(keyword));
        lines
            .flat_map(str::split_whitespace)
            .filter(|word| keyword != "nameserver" || !own_network || !is_loopback(word))
            .map(str::to_owned)
            .collect()
    };
    let mut servers = given(&host_config.dns).unwrap_or_else(|| of_host("nameserver"));
    if servers.is_empty() {
        servers = FALLBACK_NAMESERVERS.map(str::to_owned).to_vec();
    }
    let search = given(&host_config.dns_search).unwrap_or_else(|| of_host("search"));
    let options = given(&host_config.dns_options).unwrap_or_else(|| of_host("options"));

    let mut text = String::new();
    for server in servers {
        text.push_str(&line("nameserver", &server));
    }
    if !search.is_empty() && search != ["."] {
        text.push_str(&line("search", &search.join(" ")));
    }
    if !options.is_empty() {
        text.push_str(&line("options", &options.join(" ")));
    }
    text
}

fn is_loopback(server: &str) -> bool {
    server.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
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
