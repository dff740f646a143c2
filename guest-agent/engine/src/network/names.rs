//! The names that a container knows: those of its networks, its links, the host.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use naru_dns::{Family, Lookup, Names, Upstreams};

use super::live::Network;
use crate::container::Membership;

/// The host, as containers of Docker Desktop know it.
pub(crate) const HOST_NAMES: [&str; 2] = ["host.docker.internal", "gateway.docker.internal"];

/// One container's view of all names.
#[derive(Debug)]
pub(super) struct ContainerNames(RwLock<View>);

/// What it is at present.
#[derive(Debug)]
pub(super) struct View {
    /// Those that have names, in the order in which they are asked.
    pub(super) networks: Vec<KnownNetwork>,
    /// Where the host is.
    pub(super) host: Option<IpAddr>,
    pub(super) upstreams: Upstreams,
}

/// A network, and what the container calls others in it.
#[derive(Debug)]
pub(super) struct KnownNetwork {
    network: Arc<Network>,
    /// `.name` in small letters: what a name may have at its end.
    suffix: String,
    /// A name of the container's own, and whom it means by it.
    links: Vec<(String, String)>,
}

impl KnownNetwork {
    pub(super) fn new(network: Arc<Network>, membership: &Membership) -> Self {
        let links = membership.asked.links.iter().flatten().map(|link| {
            let (container, alias) = link.split_once(':').unwrap_or((link, link));
            (alias.to_lowercase(), container.trim_start_matches('/').to_lowercase())
        });
        let links = links.collect();
        let suffix = format!(".{}", network.record.name.to_lowercase());
        Self { network, suffix, links }
    }

    /// The addresses of a name; none if nobody here has it.
    fn addresses(&self, name: &str, v6: bool) -> Option<Vec<IpAddr>> {
        let name = name.strip_suffix(&self.suffix).unwrap_or(name);
        let linked = self.links.iter().find(|(alias, _)| alias == name);
        let linked = linked.and_then(|(_, container)| self.network.addresses(container, v6));
        linked.or_else(|| self.network.addresses(name, v6))
    }
}

impl ContainerNames {
    pub(super) fn new(view: View) -> Self {
        Self(RwLock::new(view))
    }

    /// The container's networks have changed.
    pub(super) fn change(&self, view: View) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = view;
    }

    fn view(&self) -> RwLockReadGuard<'_, View> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Names for ContainerNames {
    fn lookup(&self, name: &str, family: Family) -> Lookup {
        let view = self.view();
        let v6 = family == Family::V6;
        let mut is_ours = false;
        for network in &view.networks {
            match network.addresses(name, v6) {
                Some(addresses) if !addresses.is_empty() => return Lookup::Found(addresses),
                Some(_) => is_ours = true,
                None => {}
            }
        }
        match view.host {
            _ if is_ours => Lookup::NoAddress,
            Some(host) if HOST_NAMES.contains(&name) => {
                if host.is_ipv6() == v6 {
                    Lookup::Found(vec![host])
                } else {
                    Lookup::NoAddress
                }
            }
            _ => Lookup::Unknown,
        }
    }

    fn reverse(&self, address: IpAddr) -> Option<String> {
        self.view().networks.iter().find_map(|known| {
            let name = known.network.container_at(address)?;
            Some(format!("{name}{}", known.suffix))
        })
    }

    fn upstreams(&self) -> Upstreams {
        self.view().upstreams.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::tests_support::record;
    use crate::network::tests_support::live;

    fn asked(text: &str) -> Membership {
        Membership::asked("Web", serde_json::from_str(text).unwrap())
    }

    #[tokio::test]
    async fn a_name_is_found_by_each_of_its_forms() {
        let network = Arc::new(live("Web", &["10.9.0.0/24"]));
        let mut db = record();
        db.name = "Db".to_owned();
        let endpoint = network.join(&db, &asked(r#"{"Aliases":["store"]}"#)).await.unwrap();
        let address = endpoint.addresses[0].address;
        let own = asked(r#"{"Links":["db:mysql"]}"#);
        let names = ContainerNames::new(View {
            networks: vec![KnownNetwork::new(Arc::clone(&network), &own)],
            host: Some("10.9.0.1".parse().unwrap()),
            upstreams: Upstreams { servers: Vec::new(), single_labels: true },
        });
        for name in ["db", "store", "db.web", "0123456789ab", "mysql"] {
            assert_eq!(names.lookup(name, Family::V4), Lookup::Found(vec![address]), "{name}");
            assert_eq!(names.lookup(name, Family::V6), Lookup::NoAddress, "{name}");
        }
        assert_eq!(names.lookup("other", Family::V4), Lookup::Unknown);
        assert_eq!(names.reverse(address).as_deref(), Some("Db.web"));
        let host = "10.9.0.1".parse().unwrap();
        assert_eq!(names.lookup(HOST_NAMES[0], Family::V4), Lookup::Found(vec![host]));

        db.name = "base".to_owned();
        network.rename(&db, &asked("{}"));
        assert_eq!(names.lookup("db", Family::V4), Lookup::Unknown);
        assert_eq!(names.lookup("base", Family::V4), Lookup::Found(vec![address]));
        network.depart(&db.id);
        assert_eq!(names.lookup("base", Family::V4), Lookup::Unknown);
    }
}
