//! Registries that are reached through a proxy, or although there is one.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use naru_image_store::{HostConfig, ImageStore, Proxies, RegistryConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::registry::{Answer, Double};

/// Only a proxy can know where that is.
const NAME: &str = "registry.example";
const HTTPS: u16 = 443;

/// A double that knows of one tag.
async fn double() -> anyhow::Result<Double> {
    let double = Double::start().await?;
    let body = br#"{"tags":["1"]}"#.to_vec();
    double.set("tags/list", Answer { status: 200, body, ..Answer::default() });
    Ok(double)
}

/// The tags of a repository of `host`, which may be spoken to without TLS.
async fn tags(mut config: RegistryConfig, host: &str) -> anyhow::Result<Vec<String>> {
    config.hosts.entry(host.to_owned()).or_default().insecure = true;
    let directory = tempfile::tempdir()?;
    let store = ImageStore::open(directory.path(), config).await?;
    let tags = store.tags(&format!("{host}/app").parse()?, None).await?;
    Ok(tags.iter().map(ToString::to_string).collect())
}

/// For `NAME` alone.
fn own_proxy(url: String) -> RegistryConfig {
    let host = HostConfig { proxy: Some(url), ..HostConfig::default() };
    RegistryConfig { hosts: [(NAME.to_owned(), host)].into(), ..RegistryConfig::default() }
}

fn proxies(url: String) -> RegistryConfig {
    let proxies = Proxies { http: url.clone(), https: url, ..Proxies::default() };
    RegistryConfig { proxies, ..RegistryConfig::default() }
}

#[tokio::test]
async fn a_registry_is_asked_through_its_own_proxy_or_through_the_one_for_all() -> anyhow::Result<()>
{
    for settings in [own_proxy, proxies] {
        let proxy = double().await?;
        let found = tags(settings(format!("http://me:word@{}", proxy.address)), NAME).await?;
        assert_eq!(found, ["registry.example/app:1"]);
        let asked = &proxy.requests("tags/list")[0];
        assert_eq!(asked.target, "http://registry.example/v2/app/tags/list?n=1000");
        let password = asked.headers.get("proxy-authorization").map(String::as_str);
        assert_eq!(password, Some("Basic bWU6d29yZA=="));
        assert_eq!(proxy.requests("registry.example:443").len(), 1, "TLS is tried first");
    }
    Ok(())
}

#[tokio::test]
async fn a_registry_has_its_own_proxy_whatever_holds_for_others() -> anyhow::Result<()> {
    let (own, other) = (double().await?, double().await?);
    let mut config = own_proxy(format!("http://{}", own.address));
    config.proxies = proxies(format!("http://{}", other.address)).proxies;
    tags(config, NAME).await?;
    assert!(!own.requests("tags/list").is_empty());
    assert!(other.requests("").is_empty());
    Ok(())
}

#[tokio::test]
async fn what_is_on_the_loopback_is_asked_without_a_proxy() -> anyhow::Result<()> {
    let (registry, proxy) = (double().await?, double().await?);
    let host = registry.address.to_string();
    tags(proxies(format!("http://{}", proxy.address)), &host).await?;
    assert_eq!(registry.requests("tags/list")[0].target, "/v2/app/tags/list?n=1000");
    assert!(proxy.requests("").is_empty());
    Ok(())
}

#[tokio::test]
async fn a_registry_is_asked_through_a_socks_proxy_which_finds_its_name() -> anyhow::Result<()> {
    let registry = double().await?;
    let socks = Socks::before(registry.address).await?;
    let found = tags(own_proxy(format!("socks5h://{}", socks.address)), NAME).await?;
    assert_eq!(found, ["registry.example/app:1"]);
    assert_eq!(registry.requests("tags/list")[0].target, "/v2/app/tags/list?n=1000");
    let asked = socks.asked.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(asked[..2], ["registry.example:443", "registry.example:80"]);
    Ok(())
}

/// A SOCKS proxy (RFC 1928) that leads to one place, whatever it is asked for; to TLS it says no.
struct Socks {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    _connections: JoinSet<()>,
}

impl Socks {
    async fn before(to: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let shared = Arc::clone(&asked);
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let mut carried = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let asked = Arc::clone(&shared);
                carried.spawn(async move { carry(client, to, &asked).await.unwrap_or_default() });
            }
        });
        Ok(Self { address, asked, _connections: connections })
    }
}

async fn carry(mut client: TcpStream, to: SocketAddr, asked: &Mutex<Vec<String>>) -> Option<()> {
    let mut greeting = [0; 2];
    client.read_exact(&mut greeting).await.ok()?;
    let mut methods = vec![0; greeting[1].into()];
    client.read_exact(&mut methods).await.ok()?;
    client.write_all(&[5, 0]).await.ok()?;
    // The fourth says that a name comes, the fifth how long it is.
    let mut request = [0; 5];
    client.read_exact(&mut request).await.ok()?;
    if request[3] != 3 {
        return None;
    }
    let mut name = vec![0; request[4].into()];
    client.read_exact(&mut name).await.ok()?;
    let port = client.read_u16().await.ok()?;
    let place = format!("{}:{port}", String::from_utf8_lossy(&name));
    asked.lock().unwrap_or_else(PoisonError::into_inner).push(place);
    let refused = u8::from(port == HTTPS) * 5;
    client.write_all(&[5, refused, 0, 1, 0, 0, 0, 0, 0, 0]).await.ok()?;
    if refused > 0 {
        return None;
    }
    let mut server = TcpStream::connect(to).await.ok()?;
    copy_bidirectional(&mut client, &mut server).await.ok().map(drop)
}
