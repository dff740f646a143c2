//! `import` of what a web server has.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use anyhow::ensure;
use naru_test_framework::{DockerHost, Engine};

use crate::expect_error;
use crate::raw::ask;

/// Serves one file as `/file`, of 1994, and moves people there from `/moved`.
pub(crate) struct Web {
    address: SocketAddr,
}

impl Web {
    /// Its thread waits for connections until the tests' process ends.
    pub(crate) fn start(file: Vec<u8>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let file = Arc::new(file);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away is its own business.
                drop(answer(&stream, &file));
            }
        });
        Ok(Self { address })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

fn answer(mut stream: &TcpStream, file: &[u8]) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (status, header, body) = match path {
        "/file" | "/" => ("200 OK", "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", file),
        "/moved" => ("302 Found", "Location: /file\r\n", &b""[..]),
        _ => ("404 Not Found", "", &b"nothing here\n"[..]),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{header}Connection: close\r\n\r\n"
    )?;
    stream.write_all(body)
}

/// busybox, as the archive of a file system.
fn archive(engine: &DockerHost) -> anyhow::Result<Vec<u8>> {
    engine.docker(&["create", "--name", "source", "busybox"])?.success()?;
    engine.docker(&["export", "-o", "root.tar", "source"])?.success()?;
    engine.docker(&["rm", "source"])?.success()?;
    Ok(std::fs::read(engine.scratch().join("root.tar"))?)
}

#[test]
fn what_a_url_leads_to_becomes_an_image() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let web = Web::start(archive(&engine)?)?;
    for path in ["/file", "/moved"] {
        let url = web.url(path);
        let name = format!("imported{}", path.replace('/', ":"));
        let imported = engine.docker(&["import", "-c", "CMD echo hi", &url, &name])?;
        let said = imported.success()?;
        ensure!(said.contains(&format!("Downloading from {url}")), "{said}");
        ensure!(said.lines().last().is_some_and(|id| id.starts_with("sha256:")), "{said}");
        assert_eq!(engine.docker(&["run", "--rm", &name])?.success()?, "hi");
        let comment = ["image", "inspect", "-f", "{{.Comment}}", &name];
        assert_eq!(engine.docker(&comment)?.success()?, format!("Imported from {url}"));
    }
    Ok(())
}

#[test]
fn progress_is_told_while_it_comes() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let file = archive(&engine)?;
    let size = file.len();
    let web = Web::start(file)?;
    // As with Docker HTTP is meant where no scheme is said.
    let path = format!("/v1.40/images/create?fromSrc={}/file&repo=told", web.address);
    let mut answer = ask(&engine, "POST", &path)?;
    assert_eq!(answer.status, 200);
    let text = String::from_utf8(answer.body()?)?;
    ensure!(text.contains(r#""status":"Importing""#), "{text}");
    ensure!(text.contains(&format!(r#""total":{size}"#)), "{text}");
    Ok(())
}

#[test]
fn what_a_url_does_not_have_is_no_image() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let web = Web::start(b"this is no archive".repeat(100))?;
    let missing = web.url("/missing");
    let output = engine.docker(&["import", &missing, "none"])?;
    let message = format!("failed to GET {missing} with status 404 Not Found: nothing here");
    expect_error(&output, 1, &message)?;
    engine.docker(&["import", &web.url("/file"), "none"])?.failure(1)?;
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    engine.docker(&["import", &format!("http://{nobody}/file"), "none"])?.failure(1)?;
    engine.docker(&["import", "ftp://127.0.0.1/file", "none"])?.failure(1)?;
    assert_eq!(engine.docker(&["images", "-aq"])?.success()?.lines().count(), 1);
    Ok(())
}
