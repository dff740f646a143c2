//! `ports`, `port`.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::Context;

use super::Project;
use crate::ports::free_port;

const PATIENCE: Duration = Duration::from_secs(20);

fn fetch(address: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).context(address.to_owned())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn ports_are_published_as_the_file_says() -> anyhow::Result<()> {
    let project = Project::new("ports")?;
    let (first, range) = (free_port()?, free_port()?);
    let range_end = range + 2;
    fs::write(
        project.directory().join(".env"),
        format!("FIRST={first}\nRANGE={range}-{range_end}\n"),
    )?;
    project.said(&["up", "-d", "--wait"])?;
    assert_eq!(project.said(&["port", "web", "80"])?, format!("127.0.0.1:{first}"));
    for port in ["80", "81", "82"] {
        let address = project.said(&["port", "web", port])?;
        assert!(fetch(&address)?.contains("Served from a container"), "{port} at {address}");
    }
    for number in 0..3 {
        let shown = project.said(&["port", "range", &(8080 + number).to_string()])?;
        assert_eq!(shown, format!("127.0.0.1:{}", range + number));
    }
    // Both protocols may have the same number.
    let address = project.said(&["port", "--protocol", "udp", "range", "80"])?;
    assert_eq!(address, format!("127.0.0.1:{first}"));
    let output = project.compose(&["port", "range", "9"])?;
    assert!(!output.stdout.contains("127.0.0.1"), "exposed is not published: {output:?}");

    project.said(&["down", "-t", "0"])?;
    assert!(TcpStream::connect(("127.0.0.1", first)).is_err(), "it is closed again");
    Ok(())
}
