//! Whom a container asks for names: its `resolv.conf`, and whom its name server asks in turn.

use std::net::{IpAddr, SocketAddr};

use naru_dns::{Side, Upstream, Upstreams};
use naru_network::RESOLVER_ADDRESS;

use super::Record;
use crate::network::is_predefined;

/// What is asked when the host's only name servers are its own loopback's, which a container
/// cannot reach; Docker's choice.
const FALLBACK_NAMESERVERS: [&str; 2] = ["8.8.8.8", "8.8.4.4"];

const PORT: u16 = 53;

/// What was asked for, and of the host's where nothing was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Resolving {
    servers: Vec<String>,
    search: Vec<String>,
    options: Vec<String>,
    /// Which of the three are the container's own.
    overrides: Vec<&'static str>,
    /// It has a name server of its own, because networks of users have names.
    embedded: bool,
    /// Its packets leave its networks.
    has_way_out: bool,
}

impl Resolving {
    /// Of a container on a host with this `resolv.conf`.
    pub(crate) fn of(record: &Record, host: &str) -> Self {
        let host_config = &record.host_config;
        let mut overrides = Vec::new();
        let mut choose = |list: &Option<Vec<String>>, name, keyword| match list {
            Some(given) if !given.is_empty() => {
                overrides.push(name);
                given.clone()
            }
            _ => words(host, keyword),
        };
        let servers = choose(&host_config.dns, "nameservers", "nameserver");
        let search = choose(&host_config.dns_search, "search", "search");
        let options = choose(&host_config.dns_options, "options", "options");
        let embedded =
            record.networks.iter().any(|m| m.endpoint.is_some() && !is_predefined(&m.network));
        let has_way_out = record.way_out(false).or_else(|| record.way_out(true)).is_some();
        let mut resolving = Self { servers, search, options, overrides, embedded, has_way_out };
        if record.network_mode() != "host" && !embedded && !resolving.is_own("nameservers") {
            resolving.servers.retain(|server| !is_loopback(server));
        }
        if resolving.servers.is_empty() && !embedded {
            resolving.servers = FALLBACK_NAMESERVERS.map(str::to_owned).to_vec();
        }
        resolving
    }

    /// Whether the container has a name server of its own.
    pub(crate) fn is_embedded(&self) -> bool {
        self.embedded
    }

    /// The container's `resolv.conf`.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |keyword: &str, words: &str| {
            for word in [keyword, " ", words, "\n"] {
                text.push_str(word);
            }
        };
        if self.embedded {
            line("nameserver", &RESOLVER_ADDRESS.to_string());
        } else {
            self.servers.iter().for_each(|server| line("nameserver", server));
        }
        if !self.search.is_empty() && self.search != ["."] {
            line("search", &self.search.join(" "));
        }
        let mut options = self.options.clone();
        if self.embedded && !self.has_ndots() {
            // So that the names of other containers are asked for as they are.
            options.push("ndots:0".to_owned());
        }
        if !options.is_empty() {
            line("options", &options.join(" "));
        }
        if !self.embedded {
            return text;
        }
        let servers = self.upstreams().servers;
        let ext_servers = servers.iter().map(|server| match server.side {
            Side::Container => server.address.ip().to_string(),
            Side::Host => format!("host({})", server.address.ip()),
        });
        let ext_servers = ext_servers.collect::<Vec<_>>().join(" ");
        let ndots_from = match () {
            () if !self.has_ndots() => "internal",
            () if self.is_own("options") => "override",
            () => "host",
        };
        format!(
            "# The names of the container's networks are served at {RESOLVER_ADDRESS}.\n\n{text}\n\
             # Based on host file: '/etc/resolv.conf' (internal resolver)\n\
             # ExtServers: [{ext_servers}]\n\
             # Overrides: [{}]\n\
             # Option ndots from: {ndots_from}\n",
            self.overrides.join(" ")
        )
    }

    /// Whom its name server asks for names that are not its networks'.
    pub(crate) fn upstreams(&self) -> Upstreams {
        let servers = self.servers.iter().filter_map(|server| {
            let address: IpAddr = server.parse().ok()?;
            // The host's servers need be in reach of the host alone.
            let side = if self.is_own("nameservers") { Side::Container } else { Side::Host };
            // Who cannot leave must not get the host to carry its questions out.
            (side == Side::Container || self.has_way_out)
                .then_some(Upstream { address: SocketAddr::new(address, PORT), side })
        });
        Upstreams { servers: servers.collect(), single_labels: !self.has_ndots() }
    }

    fn has_ndots(&self) -> bool {
        self.options.iter().any(|option| option.starts_with("ndots:"))
    }

    fn is_own(&self, what: &str) -> bool {
        self.overrides.contains(&what)
    }
}

/// What stands behind a keyword of the host's file.
fn words(host: &str, keyword: &str) -> Vec<String> {
    let lines = host.lines().filter_map(|line| line.trim().strip_prefix(keyword));
    lines.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

fn is_loopback(server: &str) -> bool {
    server.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::tests_support::{member, record};

    const HOST: &str = "nameserver 127.0.0.53\nnameserver 10.0.0.1\nsearch lan\noptions edns0\n";

    #[test]
    fn on_the_default_bridge_the_hosts_servers_are_asked() {
        let record = record();
        let text = Resolving::of(&record, HOST).text();
        assert_eq!(text, "nameserver 10.0.0.1\nsearch lan\noptions edns0\n");
        let text = Resolving::of(&record, "nameserver 127.0.0.53").text();
        assert_eq!(text, "nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
    }

    #[test]
    fn in_a_users_network_the_containers_own_server_is_asked() {
        let mut record = record();
        record.networks = vec![member("web", 0, true)];
        let resolving = Resolving::of(&record, HOST);
        let text = resolving.text();
        let lines = "\nnameserver 127.0.0.11\nsearch lan\noptions edns0 ndots:0\n\n";
        assert!(text.contains(lines), "{text}");
        assert!(text.contains("\n# ExtServers: [host(127.0.0.53) host(10.0.0.1)]\n"), "{text}");
        assert!(resolving.upstreams().single_labels);

        record.host_config.dns = Some(vec!["10.9.9.9".to_owned()]);
        record.host_config.dns_options = Some(vec!["ndots:2".to_owned()]);
        let resolving = Resolving::of(&record, HOST);
        let text = resolving.text();
        assert!(text.contains("options ndots:2\n"), "{text}");
        assert!(text.contains("\n# Overrides: [nameservers options]\n"), "{text}");
        assert!(text.ends_with("# Option ndots from: override\n"), "{text}");
        let Upstreams { servers, single_labels } = resolving.upstreams();
        assert_eq!(servers[0].address, "10.9.9.9:53".parse().unwrap());
        assert!(!single_labels);
    }

    #[test]
    fn who_cannot_leave_does_not_ask_by_the_host() {
        let mut record = record();
        record.networks = vec![member("inside", 0, false)];
        assert_eq!(Resolving::of(&record, HOST).upstreams().servers, []);
        record.host_config.dns = Some(vec!["10.9.9.9".to_owned()]);
        let servers = Resolving::of(&record, HOST).upstreams().servers;
        let sides: Vec<_> = servers.iter().map(|server| server.side).collect();
        assert_eq!(sides, [Side::Container]);
    }
}
