//! Proxies between here and registries.

use reqwest::{NoProxy, Proxy};

use super::config::RegistryConfig;
use super::error::RegistryError;

/// What is never asked of a proxy, which would look for it on itself.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1/128";

impl RegistryConfig {
    /// The proxies to the registry `domain`, or to any without settings of its own.
    pub(super) fn proxies_for(&self, domain: Option<&str>) -> Result<Vec<Proxy>, RegistryError> {
        let own =
            domain.and_then(|domain| self.hosts.get(domain)).and_then(|host| host.proxy.as_deref());
        let mut exceptions = LOOPBACK.to_owned();
        // In the VM the host's loopback is another address.
        for more in
            self.localhost.map(|address| address.to_string()).iter().chain(
                own.is_none().then_some(&self.proxies.no_proxy).filter(|text| !text.is_empty()),
            )
        {
            exceptions.push(',');
            exceptions.push_str(more);
        }
        let exceptions = NoProxy::from_string(&exceptions);
        let proxies = match own {
            Some(own) => vec![(own, Proxy::all(own))],
            None => vec![
                (self.proxies.http.as_str(), Proxy::http(&self.proxies.http)),
                (self.proxies.https.as_str(), Proxy::https(&self.proxies.https)),
            ],
        };
        proxies
            .into_iter()
            .filter(|(url, _)| !url.is_empty())
            .map(|(_, proxy)| {
                // The URL is not told: it may have a password in it.
                let proxy = proxy.map_err(|_| RegistryError::Proxy)?;
                Ok(proxy.no_proxy(exceptions.clone()))
            })
            .collect()
    }
}
