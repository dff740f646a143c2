//! `--link` on the default bridge: lines in `hosts`, and variables. In networks of users it is
//! the name server that knows of links.

use bollard_stubs::models::HostConfig;

use super::files::format_line;
use super::{Container, Record};
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::network::{BRIDGE, HOST};

/// What links come to when the container starts.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// Lines of `/etc/hosts`.
    pub(super) hosts: Vec<String>,
    pub(super) env: Vec<String>,
}

/// The links of a container on the default bridge: whom, and what it calls them.
fn links(host_config: &HostConfig) -> impl Iterator<Item = (&str, &str)> {
    let on_bridge =
        matches!(host_config.network_mode.as_deref(), None | Some("" | "default" | BRIDGE));
    let links = host_config.links.iter().flatten().filter(move |_| on_bridge);
    links.map(|link| {
        let (name, alias) = link.split_once(':').unwrap_or((link, link));
        // One that was shown by `inspect` has its whole path.
        (name.trim_start_matches('/'), alias.rsplit('/').next().unwrap_or(alias))
    })
}

/// The links as Docker shows them.
pub(crate) fn shown_links(record: &Record) -> Option<Vec<String>> {
    let shown: Vec<String> = links(&record.host_config)
        .map(|(name, alias)| format!("/{name}:/{}/{alias}", record.name))
        .collect();
    (!shown.is_empty()).then_some(shown)
}

impl Engine {
    /// Holds if there is everyone to whom a new container is linked.
    pub(super) fn check_links(&self, host_config: &HostConfig) -> Result<()> {
        for link in host_config.links.iter().flatten() {
            let parts: Vec<&str> = link.split(':').collect();
            if !(1..=2).contains(&parts.len()) || parts.iter().any(|part| part.is_empty()) {
                return Err(EngineError::Invalid(format!("bad format for links: {link}")));
            }
        }
        for (name, _) in links(host_config) {
            let other = self.containers().find(name).map_err(|error| {
                EngineError::Invalid(format!("could not get container for {name}: {error}"))
            })?;
            if other.record().network_mode() == HOST {
                return Err(EngineError::Invalid(
                    "conflicting options: host type networking can't be used with links. This \
                     would result in undefined behavior"
                        .to_owned(),
                ));
            }
        }
        Ok(())
    }

    /// Finds those to whom a container is linked, which must run.
    pub(super) fn links_of(&self, record: &Record) -> Result<Links> {
        let mut found = Links::default();
        for (name, alias) in links(&record.host_config) {
            let other = self.containers().find(name)?;
            found.add(record, &other, alias)?;
        }
        Ok(found)
    }
}

impl Links {
    fn add(&mut self, record: &Record, other: &Container, alias: &str) -> Result<()> {
        let other = other.record();
        let endpoint = other.membership(BRIDGE).and_then(|membership| membership.endpoint.as_ref());
        let address = endpoint.and_then(|endpoint| endpoint.address(false));
        let Some(address) = address.map(|own| own.address.to_string()) else {
            return Err(EngineError::Conflict(format!(
                "Cannot link to a non running container: /{} AS /{}/{alias}",
                other.name, record.name
            )));
        };
        let hostname = other.config.hostname.as_deref().unwrap_or_default();
        let mut names = vec![alias];
        for name in [hostname, other.name.as_str()] {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        self.hosts.push(format_line(&address, &names.join(" ")));

        let prefix = alias.to_uppercase().replace('-', "_");
        let mut ports: Vec<(u16, &str)> = other
            .config
            .exposed_ports
            .iter()
            .flatten()
            .filter_map(|port| {
                let (port, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
                Some((port.parse().ok()?, protocol))
            })
            .collect();
        ports.sort_unstable();
        for (index, (port, protocol)) in ports.into_iter().enumerate() {
            let url = format!("{protocol}://{address}:{port}");
            if index == 0 {
                self.env.push(format!("{prefix}_PORT={url}"));
            }
            let of_port = format!("{prefix}_PORT_{port}_{}", protocol.to_uppercase());
            self.env.extend([
                format!("{of_port}={url}"),
                format!("{of_port}_ADDR={address}"),
                format!("{of_port}_PORT={port}"),
                format!("{of_port}_PROTO={protocol}"),
            ]);
        }
        self.env.push(format!("{prefix}_NAME=/{}/{alias}", record.name));
        for variable in other.config.env.iter().flatten() {
            if let Some((name, value)) = variable.split_once('=')
                && !matches!(name, "HOME" | "PATH")
            {
                self.env.push(format!("{prefix}_ENV_{name}={value}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::ShimAddress;
    use crate::container::tests_support::{member, record};

    #[test]
    fn a_link_is_a_line_and_variables() {
        let mut db = record();
        db.name = "db".to_owned();
        db.networks = vec![member("bridge", 0, true)];
        db.config.hostname = Some("base".to_owned());
        db.config.exposed_ports = Some(vec!["5432/tcp".to_owned()]);
        db.config.env = Some(vec!["PATH=/bin".to_owned(), "USER=me".to_owned()]);
        let shim = ShimAddress::new("/run/naru".as_ref(), &db.id);
        let mut links = Links::default();
        links.add(&record(), &Container::new(db.clone(), shim.clone()), "my-sql").unwrap();
        assert_eq!(links.hosts, ["10.0.0.2\tmy-sql base db\n"]);
        assert_eq!(
            links.env,
            [
                "MY_SQL_PORT=tcp://10.0.0.2:5432",
                "MY_SQL_PORT_5432_TCP=tcp://10.0.0.2:5432",
                "MY_SQL_PORT_5432_TCP_ADDR=10.0.0.2",
                "MY_SQL_PORT_5432_TCP_PORT=5432",
                "MY_SQL_PORT_5432_TCP_PROTO=tcp",
                "MY_SQL_NAME=/test/my-sql",
                "MY_SQL_ENV_USER=me",
            ]
        );
        db.forget_endpoints();
        let error = links.add(&record(), &Container::new(db, shim), "sql").unwrap_err();
        let said = "Cannot link to a non running container: /db AS /test/sql";
        assert_eq!(error.to_string(), said);
    }

    #[test]
    fn only_the_default_bridge_has_such_links() {
        let mut record = record();
        record.host_config.links = Some(vec!["db".to_owned(), "/store:/test/s".to_owned()]);
        let shown = ["/db:/test/db", "/store:/test/s"];
        assert_eq!(shown_links(&record).unwrap(), shown);
        record.host_config.network_mode = Some("web".to_owned());
        assert_eq!(shown_links(&record), None);
    }
}
