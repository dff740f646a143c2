//! The settings for registries, on their way to the engine, which keeps them and lets them
//! hold for everything that begins afterwards.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request};
use naru_ipc::{RegistryHostSettings, RegistrySettings};
use naru_protocol::registries::{PATH, Registries, RegistryHost};
use tokio_util::task::TaskTracker;

use crate::{AppError, Directories, http, local};

/// The request that tells the engine.
pub(crate) fn request(settings: RegistrySettings) -> Result<Request<Full<Bytes>>, AppError> {
    let body = serde_json::to_vec(&told(settings))
        .map_err(|source| AppError::Garbled { what: "the settings for registries", source })?;
    http::request(Method::PUT, PATH, None, body)
}

/// Tells the engine through the socket that all clients use, whoever owns the machine. While
/// the machine is being started it waits there for the engine.
pub(crate) async fn tell(
    directories: &Directories,
    tasks: &TaskTracker,
    settings: RegistrySettings,
) -> Result<(), AppError> {
    let address = directories.docker_socket();
    let stream = local::connect(&address).await.map_err(|source| AppError::File {
        action: "connect to",
        path: address.path().to_owned(),
        source,
    })?;
    http::send(stream, tasks, request(settings)?).await.map(drop)
}

fn told(settings: RegistrySettings) -> Registries {
    let RegistrySettings { hosts, insecure, ca, http_proxy, https_proxy, no_proxy, index } =
        settings;
    let hosts = hosts.into_iter().map(|(name, settings)| (name, host(settings))).collect();
    Registries { hosts, insecure, ca, http_proxy, https_proxy, no_proxy, index }
}

fn host(settings: RegistryHostSettings) -> RegistryHost {
    let RegistryHostSettings { insecure, ca, client_certificate, client_key, mirrors, proxy } =
        settings;
    RegistryHost { insecure, ca, client_certificate, client_key, mirrors, proxy }
}

#[cfg(test)]
mod tests {
    use tokio::io::copy_bidirectional;

    use super::*;
    use crate::config::Environment;
    use crate::fake_engine::FakeEngine;
    use crate::local::Listener;

    #[tokio::test]
    async fn the_engine_is_told_at_the_socket_that_clients_use() {
        let home = tempfile::tempdir().unwrap();
        let environment = Environment { home: Some(home.path().into()), ..Environment::default() };
        let directories = Directories::find(&environment, None).unwrap();
        directories.create().unwrap();
        let mut listener = Listener::bind(&directories.docker_socket()).unwrap();
        let (engine, _ports) = FakeEngine::new();
        let (guest, tasks) = (engine.guest(), TaskTracker::new());
        let proxy = async {
            let mut client = listener.accept().await.unwrap();
            copy_bidirectional(&mut client, &mut guest.dial().await.unwrap()).await
        };
        let settings =
            RegistrySettings { no_proxy: "here".to_owned(), ..RegistrySettings::default() };
        tokio::select! {
            told = tell(&directories, &tasks, settings) => told.unwrap(),
            ended = proxy => panic!("the proxy ended first: {ended:?}"),
        }
        let told = engine.registries.lock().unwrap().take().unwrap();
        assert_eq!(told.no_proxy, "here");
    }

    #[test]
    fn the_engine_knows_the_settings_by_the_same_names() {
        let text = r#"{
            "hosts": { "a:1": { "insecure": true, "ca": "c", "client_certificate": "d",
                "client_key": "e", "mirrors": ["m"], "proxy": "p" } },
            "insecure": ["b"], "ca": ["f"], "http_proxy": "g", "https_proxy": "h",
            "no_proxy": "i", "index": "j"
        }"#;
        let settings: RegistrySettings = serde_json::from_str(text).unwrap();
        let expected: Registries = serde_json::from_str(text).unwrap();
        assert_eq!(told(settings), expected);
    }
}
