//! Asking the host for the ports of one container.

use std::time::Duration;

use naru_network::PortMapping;
use naru_protocol::ports::PortReply;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::PortHost;
use crate::error::{EngineError, Result};

/// How long the host may take to say whether it listens.
const BIND_TIMEOUT: Duration = Duration::from_secs(10);

/// How often any port that is to be free in both families is chosen anew.
const PAIR_ATTEMPTS: usize = 16;

impl PortHost {
    /// Has the host listen on all `mappings`, or on none; gives them back with the
    /// ports that it chose.
    pub(crate) async fn publish(
        &self,
        key: &str,
        mappings: &[PortMapping],
    ) -> Result<Vec<PortMapping>> {
        for _ in 0..PAIR_ATTEMPTS {
            match self.bind_all(key, mappings).await {
                Ok(Some(bound)) => return Ok(bound),
                Ok(None) => self.unpublish(key),
                Err(error) => {
                    self.unpublish(key);
                    return Err(error);
                }
            }
        }
        Err(EngineError::PortRefused("no port is free in both IPv4 and IPv6".to_owned()))
    }

    /// None where the port that was chosen in one family is taken in the other.
    async fn bind_all(
        &self,
        key: &str,
        mappings: &[PortMapping],
    ) -> Result<Option<Vec<PortMapping>>> {
        let mut bound: Vec<PortMapping> = Vec::with_capacity(mappings.len());
        let mut previous = None;
        for mapping in mappings {
            let first = previous.replace(mapping).filter(|first| is_one_wish(first, mapping));
            let chosen = first.and_then(|_| bound.last()).map(|bound| bound.host_port);
            let mapping =
                PortMapping { host_port: chosen.unwrap_or(mapping.host_port), ..*mapping };
            match self.bind(key, mapping).await? {
                (_, PortReply::Bound { host_port, .. }) => {
                    bound.push(PortMapping { host_port, ..mapping });
                }
                // Docker, too, leaves out what the host does not have.
                (id, PortReply::NoFamily { .. }) if first.is_some() => {
                    self.state().bindings.remove(&id);
                }
                (_, PortReply::NoFamily { .. }) => {
                    let ip = mapping.host_ip;
                    let message = format!("{ip} is not an address of this computer");
                    return Err(EngineError::PortRefused(message));
                }
                (_, PortReply::Refused { .. })
                    if first.is_some_and(|first| first.host_port == 0) =>
                {
                    return Ok(None);
                }
                (_, PortReply::Refused { message, .. }) => {
                    return Err(EngineError::PortRefused(message));
                }
            }
        }
        Ok(Some(bound))
    }

    /// Asks for one port, and waits for the host's answer.
    async fn bind(&self, key: &str, mapping: PortMapping) -> Result<(u64, PortReply)> {
        let (answer, answered) = oneshot::channel();
        let (id, request, connection, host) = {
            let mut state = self.state();
            let Some((connection, host)) = state.host.clone() else {
                return Err(EngineError::NoPortHost(mapping.host_port));
            };
            state.check_free(&mapping)?;
            let id = state.add(key, mapping, Some(answer));
            (id, state.request(id), connection, host)
        };
        let lost = || EngineError::NoPortHost(mapping.host_port);
        // A connection that came meanwhile asks for it with all the others.
        if host.send(request).await.is_err() && !self.state().is_after(connection) {
            return Err(lost());
        }
        let reply = timeout(BIND_TIMEOUT, answered).await.map_err(|_| lost())?;
        Ok((id, reply.map_err(|_| lost())?))
    }
}

/// Whether two neighbours are one wish, for a port of all addresses.
fn is_one_wish(first: &PortMapping, second: &PortMapping) -> bool {
    first.host_ip.is_unspecified()
        && second.host_ip.is_unspecified()
        && first.host_ip.is_ipv4()
        && second.host_ip.is_ipv6()
        && first.host_port == second.host_port
        && first.container_port == second.container_port
        && first.protocol == second.protocol
}

#[cfg(test)]
mod tests {
    use naru_protocol::ports::PortRequest;
    use tokio::sync::mpsc;
    use tokio::task::JoinSet;

    use super::super::fake_host::{FakeHost, in_ipv6, mapping};
    use super::*;

    #[tokio::test]
    async fn without_a_host_nothing_is_published() {
        let error = PortHost::default().publish("c", &[mapping(80)]).await.unwrap_err();
        assert!(matches!(error, EngineError::NoPortHost(80)));
    }

    #[tokio::test]
    async fn what_another_container_has_is_not_asked_for() {
        let ports = PortHost::default();
        let mut tasks = JoinSet::new();
        let _host = FakeHost::connect(&ports, &mut tasks);
        ports.connected().await;
        ports.restore("old", &[mapping(80)]);
        let error = ports.publish("c", &[mapping(80)]).await.unwrap_err();
        assert_eq!(error.to_string(), "Bind for 0.0.0.0:80 failed: port is already allocated");
        ports.unpublish("old");
        assert!(ports.state().bindings.is_empty());
    }

    #[tokio::test]
    async fn what_an_earlier_host_says_is_not_heeded() {
        let ports = PortHost::default();
        let mut tasks = JoinSet::new();
        let mut first = FakeHost::connect(&ports, &mut tasks);
        ports.connected().await;
        let wanted = [mapping(80)];
        let publish = ports.publish("c", &wanted);
        let answer = async {
            let PortRequest::Bind { id, .. } = first.request().await else { panic!("no bind") };
            let mut second = FakeHost::connect(&ports, &mut tasks);
            assert!(matches!(second.request().await, PortRequest::Bind { .. }));
            first.reply(PortReply::Bound { id, host_port: 80 }).await;
            assert_eq!(first.requests.next_line().await.unwrap(), None);
            second.refuse(id, "port 80 is already in use").await;
        };
        let (published, ()) = tokio::join!(publish, answer);
        assert_eq!(published.unwrap_err().to_string(), "port 80 is already in use");
    }

    #[tokio::test]
    async fn what_one_connection_does_not_take_is_asked_for_on_the_next() {
        let ports = PortHost::default();
        let mut tasks = JoinSet::new();
        let (full, requests) = mpsc::channel(1);
        full.try_send(PortRequest::Release { id: 7 }).unwrap();
        ports.state().host = Some((1, full));
        ports.state().connections = 1;
        let wanted = [mapping(80)];
        let publish = ports.publish("c", &wanted);
        let answer = async {
            let mut next = FakeHost::connect(&ports, &mut tasks);
            let PortRequest::Bind { id, .. } = next.request().await else { panic!("no bind") };
            drop(requests);
            next.reply(PortReply::Bound { id, host_port: 80 }).await;
        };
        let (published, ()) = tokio::join!(publish, answer);
        assert_eq!(published.unwrap(), wanted);
    }

    #[tokio::test]
    async fn any_port_is_the_same_in_both_families() {
        let ports = PortHost::default();
        let mut tasks = JoinSet::new();
        let mut host = FakeHost::connect(&ports, &mut tasks);
        ports.connected().await;
        let wanted = [mapping(0), in_ipv6(0)];
        let publish = ports.publish("c", &wanted);
        let answer = async {
            assert_eq!(host.bound(4001).await, 0);
            let PortRequest::Bind { id, host_port: 4001, .. } = host.request().await else {
                panic!("not the port that the other family has");
            };
            host.refuse(id, "port 4001 is already in use").await;
            for _ in 0..2 {
                assert!(matches!(host.request().await, PortRequest::Release { .. }));
            }
            assert_eq!(host.bound(4002).await, 0);
            assert_eq!(host.bound(4002).await, 4002);
        };
        let (published, ()) = tokio::join!(publish, answer);
        assert_eq!(published.unwrap(), [mapping(4002), in_ipv6(4002)]);
    }

    #[tokio::test]
    async fn a_host_without_ipv6_publishes_in_ipv4_alone() {
        let ports = PortHost::default();
        let mut tasks = JoinSet::new();
        let mut host = FakeHost::connect(&ports, &mut tasks);
        ports.connected().await;
        let wanted = [mapping(80), in_ipv6(80)];
        let publish = ports.publish("c", &wanted);
        let answer = async {
            assert_eq!(host.bound(80).await, 80);
            let PortRequest::Bind { id, .. } = host.request().await else { panic!("no bind") };
            host.reply(PortReply::NoFamily { id }).await;
        };
        let (published, ()) = tokio::join!(publish, answer);
        assert_eq!(published.unwrap(), [mapping(80)]);
        assert_eq!(ports.state().bindings.len(), 1, "it would be asked for again");
    }

    #[tokio::test]
    async fn a_refusal_is_told_and_leaves_nothing_published() {
        let ports = PortHost::default();
        let mut tasks = JoinSet::new();
        let mut host = FakeHost::connect(&ports, &mut tasks);
        tokio::task::yield_now().await;
        let wanted = [mapping(80)];
        let publish = ports.publish("c", &wanted);
        let answer = async {
            let PortRequest::Bind { id, .. } = host.request().await else { panic!("no bind") };
            let message = "port 80 is already in use by nginx (pid 1)".to_owned();
            host.reply(PortReply::Refused { id, message }).await;
        };
        let (published, ()) = tokio::join!(publish, answer);
        assert_eq!(
            published.unwrap_err().to_string(),
            "port 80 is already in use by nginx (pid 1)"
        );
        assert!(ports.state().bindings.is_empty());
    }
}
