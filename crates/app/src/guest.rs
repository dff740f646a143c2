//! The engine in the machine, as far as Docker's API does not go: the handshake, the
//! clock, tunnels and the ports channel.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::Method;
use naru_ipc::RegistrySettings;
use naru_protocol::handshake::{self, Handshake};
use naru_protocol::ports::PortProtocol;
use naru_protocol::{CLOCK_PATH, POWER_OFF_PATH, Port, SetClock, TUNNEL_PATH, ports};
use naru_transport::{BoxedStream, Dialer};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::http::{self, RawStream};
use crate::{AppError, VERSION, registries};

/// How long one dial may take; a guest that is up accepts at once.
const DIAL_DEADLINE: Duration = Duration::from_secs(10);

/// A way to the engine of a running machine.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    dialer: Arc<dyn Dialer>,
    tasks: TaskTracker,
}

impl Guest {
    /// Speaks through `dialer`; connections' tasks are counted by `tasks`.
    pub(crate) fn new(dialer: Arc<dyn Dialer>, tasks: TaskTracker) -> Self {
        Self { dialer, tasks }
    }

    /// A new connection to the engine's HTTP server.
    pub(crate) async fn dial(&self) -> Result<BoxedStream, AppError> {
        match timeout(DIAL_DEADLINE, self.dialer.dial(Port::API)).await {
            Ok(dialled) => dialled.map_err(AppError::Transport),
            Err(_) => Err(AppError::Deadline { what: "a connection to the engine" }),
        }
    }

    /// Asks the agent who it is, and refuses one that speaks another protocol.
    pub(crate) async fn handshake(&self) -> Result<Handshake, AppError> {
        let request = http::request(Method::GET, handshake::PATH, None, Vec::new())?;
        let response = http::send(self.dial().await?, &self.tasks, request).await?;
        let body = http::read_whole(handshake::PATH, response).await?;
        let handshake: Handshake = serde_json::from_slice(&body)
            .map_err(|source| AppError::Garbled { what: "the agent's handshake", source })?;
        handshake.check(VERSION).map_err(AppError::Mismatch)?;
        Ok(handshake)
    }

    /// Sets the guest's clock to the host's.
    pub(crate) async fn set_clock(&self) -> Result<(), AppError> {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_nanos = u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX);
        let body = serde_json::to_vec(&SetClock { unix_nanos })
            .map_err(|source| AppError::Garbled { what: "the clock", source })?;
        let request = http::request(Method::POST, CLOCK_PATH, None, body)?;
        http::send(self.dial().await?, &self.tasks, request).await.map(drop)
    }

    /// Tells the engine how registries are reached.
    pub(crate) async fn set_registries(&self, settings: RegistrySettings) -> Result<(), AppError> {
        let request = registries::request(settings)?;
        http::send(self.dial().await?, &self.tasks, request).await.map(drop)
    }

    /// Asks the engine to stop all containers and to power the machine off.
    pub(crate) async fn power_off(&self) -> Result<(), AppError> {
        self.ask(Method::POST, POWER_OFF_PATH).await
    }

    /// Opens the channel on which the engine asks for ports.
    pub(crate) async fn ports(&self) -> Result<RawStream, AppError> {
        let request = http::request(Method::POST, ports::PATH, Some("naru-ports"), Vec::new())?;
        http::upgrade(self.dial().await?, &self.tasks, request).await
    }

    /// Opens a byte stream to `address` as the guest sees it.
    pub(crate) async fn tunnel(&self, address: SocketAddr) -> Result<RawStream, AppError> {
        self.tunnel_for(PortProtocol::Tcp, address).await
    }

    /// Opens a stream of datagrams (see [`naru_transport::datagrams`]) to and from `address`
    /// as the guest sees it.
    pub(crate) async fn datagrams(&self, address: SocketAddr) -> Result<RawStream, AppError> {
        self.tunnel_for(PortProtocol::Udp, address).await
    }

    async fn tunnel_for(
        &self,
        protocol: PortProtocol,
        address: SocketAddr,
    ) -> Result<RawStream, AppError> {
        let protocol = protocol.as_str();
        let path = format!("{TUNNEL_PATH}?address={address}&protocol={protocol}");
        let request = http::request(Method::POST, &path, Some(protocol), Vec::new())?;
        http::upgrade(self.dial().await?, &self.tasks, request).await
    }

    /// Asks for `path` and heeds only whether the answer is a good one.
    pub(crate) async fn ask(&self, method: Method, path: &str) -> Result<(), AppError> {
        let request = http::request(method, path, None, Vec::new())?;
        http::send(self.dial().await?, &self.tasks, request).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_engine::FakeEngine;

    #[tokio::test]
    async fn an_agent_of_another_protocol_is_refused_with_both_versions() {
        let (engine, _ports) = FakeEngine::new();
        engine.handshake.lock().unwrap().protocol_version = 77;
        let error = engine.guest().handshake().await.unwrap_err();
        let message = error.to_string();
        for part in [VERSION, "9.8.7", "protocol 77", "protocol 1"] {
            assert!(message.contains(part), "{part:?} is missing in {message:?}");
        }
        assert_eq!(error.kind(), naru_error::ErrorKind::Precondition);
    }

    #[tokio::test]
    async fn a_fitting_agent_is_accepted_and_gets_the_time() {
        let (engine, _ports) = FakeEngine::new();
        let guest = engine.guest();
        assert_eq!(guest.handshake().await.unwrap().agent_version, "9.8.7");
        guest.set_clock().await.unwrap();
        let set = engine.clock.lock().unwrap().clone().unwrap();
        let year_2020 = 1_577_836_800_000_000_000;
        assert!(set.unix_nanos > year_2020, "{set:?}");
    }

    #[tokio::test]
    async fn a_route_that_the_agent_lacks_is_an_error_with_its_path() {
        let (engine, _ports) = FakeEngine::new();
        let error = engine.guest().power_off().await.unwrap_err();
        assert_eq!(error.kind(), naru_error::ErrorKind::NotFound);
    }
}
