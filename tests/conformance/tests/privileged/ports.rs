//! `run -p`, `port`.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use naru_test_framework::Engine;

use crate::expect_error;

/// What a web server answers on a port of the loopback.
pub(crate) fn fetch(port: u16) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// A port that nobody listens on just now.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

#[test]
fn a_published_port_answers_on_the_host() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let port = free_port()?;
    let publish = format!("127.0.0.1:{port}:80");
    // The server says so once it listens.
    let serve = "httpd -h /www && echo ready && sleep 1000";
    let run = ["run", "-d", "--name", "web", "-p", &publish, "busybox", "sh", "-c", serve];
    engine.docker(&run)?.success()?;
    assert_eq!(engine.spawn(&["logs", "-f", "web"])?.line()?, "ready");

    assert!(fetch(port)?.contains("Served from a container by Naru."));
    let all = format!("80/tcp -> 127.0.0.1:{port}");
    assert_eq!(engine.docker(&["port", "web"])?.success()?, all);
    let one = format!("127.0.0.1:{port}");
    assert_eq!(engine.docker(&["port", "web", "80"])?.success()?, one);
    assert_eq!(engine.docker(&["port", "web", "80/tcp"])?.success()?, one);
    let output = engine.docker(&["port", "web", "81"])?;
    assert!(output.failure(1)?.contains("No public port '81"), "{output:?}");
    let shown = engine.docker(&["ps", "--format", "{{.Ports}}"])?;
    assert_eq!(shown.success()?, format!("127.0.0.1:{port}->80/tcp"));

    let output = engine.docker(&["run", "--rm", "-p", &publish, "busybox", "true"])?;
    let said = output.failure(125)?;
    assert!(said.contains(&format!("Bind for 127.0.0.1:{port} failed: port is already allocated")));
    engine.docker(&["rm", "-f", "web"])?.success()?;
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err(), "it is closed again");
    Ok(())
}

#[test]
fn a_port_that_a_program_of_the_host_has_is_refused() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = taken.local_addr()?.port();
    let publish = format!("127.0.0.1:{port}:80");

    let output = engine.docker(&["run", "--rm", "-p", &publish, "busybox", "true"])?;
    let said = output.failure(125)?;
    assert!(said.contains("already") && said.contains(&port.to_string()), "{said}");
    Ok(())
}

#[test]
fn a_port_is_chosen_when_none_is_given() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let run = ["run", "-d", "--name", "web", "-p", "127.0.0.1::80", "busybox", "sleep", "1000"];
    engine.docker(&run)?.success()?;

    let shown = engine.docker(&["port", "web", "80"])?;
    let port = shown.success()?.strip_prefix("127.0.0.1:").unwrap_or_default().to_owned();
    assert!(port.parse::<u16>().is_ok_and(|port| port >= 1024), "{shown:?}");
    Ok(())
}

#[test]
fn containers_reach_each_other_by_address() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let serve = "httpd -h /www && echo ready && sleep 1000";
    engine.docker(&["run", "-d", "--name", "web", "busybox", "sh", "-c", serve])?.success()?;
    assert_eq!(engine.spawn(&["logs", "-f", "web"])?.line()?, "ready");
    let address = engine.docker(&["inspect", "-f", "{{.NetworkSettings.IPAddress}}", "web"])?;
    let url = format!("http://{}/", address.success()?);

    let output = engine.docker(&["run", "--rm", "busybox", "wget", "-qO-", &url])?;
    assert!(output.success()?.contains("Served from a container"), "{output:?}");
    let output = engine.docker(&["run", "--rm", "--network", "nosuch", "busybox", "true"])?;
    let said = "network nosuch not found";
    expect_error(&output, 125, said)
}
