//! A registry that is dialled at another address than the one in its name, as in the machine.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread;

use anyhow::Context as _;
use naru_error::chain;
use naru_image_store::{HostConfig, ImageStore, RegistryConfig};
use naru_test_framework::{Certificates, Guard, Registry};

/// No certificate of the tests' is for it.
const THERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Carries connections with the port at another address on to the registry. Its threads end with
/// the test's process.
fn carry(port: u16) -> anyhow::Result<()> {
    let listener = TcpListener::bind((THERE, port))?;
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { continue };
            thread::spawn(move || {
                thread::scope(|scope| {
                    scope.spawn(|| copy(&client, &server));
                    copy(&server, &client);
                });
            });
        }
    });
    Ok(())
}

/// Whoever breaks off, the other end sees it.
fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    drop(io::copy(&mut from, &mut to));
    drop(to.shutdown(Shutdown::Write));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_to_be_for_the_name_that_the_user_gave() -> anyhow::Result<()> {
    let certificates = Certificates::new()?;
    let registry = Registry::start_guarded(&Guard::Tls(&certificates))?;
    let port = registry.port();
    carry(port)?;
    // The certificate is for the first two.
    let hosts = ["localhost", "127.0.0.1", "127.0.0.3"].map(|name| format!("{name}:{port}"));
    let own = HostConfig { ca_pem: Some(certificates.pem("ca.crt")?.into()), ..<_>::default() };
    let config = RegistryConfig {
        hosts: hosts.iter().map(|host| (host.clone(), own.clone())).collect::<BTreeMap<_, _>>(),
        localhost: Some(IpAddr::V4(THERE)),
        ..RegistryConfig::default()
    };
    let directory = tempfile::tempdir()?;
    let store = ImageStore::open(directory.path(), config).await?;
    for host in &hosts[..2] {
        let found = store.search(&format!("{host}/"), 10, None).await;
        assert_eq!(found.with_context(|| host.clone())?, []);
    }
    let Err(error) = store.search(&format!("{}/", hosts[2]), 10, None).await else {
        anyhow::bail!("a certificate for another address was taken");
    };
    let said = chain(&error);
    assert!(said.contains("certificate") && said.contains("127.0.0.3"), "{said}");
    Ok(())
}
