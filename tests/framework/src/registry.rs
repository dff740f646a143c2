//! A real registry: Debian's `docker-registry` on the loopback, ended with its handle.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

use crate::certificates::Certificates;
use crate::oci::{OciImage, digest};
use crate::token_server::TokenServer;

const PROGRAM: &str = "docker-registry";
/// Between finding a free port and the registry taking it, someone else may.
const PORT_ATTEMPTS: usize = 5;

/// The only user that registries under test know.
pub const USER: &str = "me";
/// The user's password.
pub const PASSWORD: &str = "word";
/// The line of user and password as `htpasswd -B` writes it.
const HTPASSWD: &str = "me:$2b$04$pMKo7NNEDXIgZglwIDYxguDSJ2M.eB5DWRFraGL8wamnLWBi2FyXe\n";

/// What a registry asks of its clients.
#[derive(Clone, Copy, Debug)]
pub enum Guard<'a> {
    /// Nothing.
    None,
    /// [`USER`] and [`PASSWORD`].
    Password,
    /// A token of this server.
    Token(&'a TokenServer),
    /// TLS, with a certificate of this authority.
    Tls(&'a Certificates),
    /// The same, and that clients show one of it, too.
    MutualTls(&'a Certificates),
}

impl Guard<'_> {
    /// What is to be added to the registry's configuration; `http` is its last section.
    fn config(&self, directory: &Path) -> anyhow::Result<String> {
        let tls = |certificates: &Certificates| {
            format!(
                "  tls:\n    certificate: {}\n    key: {}\n",
                certificates.file("server.cert").display(),
                certificates.file("server.key").display()
            )
        };
        Ok(match self {
            Self::None => String::new(),
            Self::Password => {
                let file = directory.join("htpasswd");
                fs::write(&file, HTPASSWD)?;
                format!("auth:\n  htpasswd:\n    realm: here\n    path: {}\n", file.display())
            }
            Self::Token(server) => format!(
                "auth:\n  token:\n    realm: {}\n    service: here\n    issuer: tests\n    \
                 rootcertbundle: {}\n",
                server.realm(),
                server.certificate().display()
            ),
            Self::Tls(certificates) => tls(certificates),
            Self::MutualTls(certificates) => format!(
                "{}    clientcas: [{}]\n",
                tls(certificates),
                certificates.file("ca.crt").display()
            ),
        })
    }
}

/// A running registry.
#[derive(Debug)]
pub struct Registry {
    child: Child,
    port: u16,
    _storage: TempDir,
}

impl Registry {
    /// Starts a registry with empty storage on a free port of 127.0.0.1, which everybody may use.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_guarded(&Guard::None)
    }

    /// Starts one that `guard` keeps.
    pub fn start_guarded(guard: &Guard<'_>) -> anyhow::Result<Self> {
        let mut last = anyhow::anyhow!("{PROGRAM} was not tried");
        for _ in 0..PORT_ATTEMPTS {
            match Self::start_once(guard) {
                Ok(registry) => return Ok(registry),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn start_once(guard: &Guard<'_>) -> anyhow::Result<Self> {
        let storage = tempfile::tempdir()?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let config = storage.path().join("config.yml");
        let root = storage.path().join("data");
        fs::write(
            &config,
            format!(
                "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    \
                 rootdirectory: {}\n  delete:\n    enabled: true\nhttp:\n  addr: 127.0.0.1:{port}\n  \
                 secret: not-a-secret\n{}",
                root.display(),
                guard.config(storage.path())?
            ),
        )?;
        let mut child = Command::new(PROGRAM)
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {PROGRAM} (Debian package docker-registry)"))?;
        let log = child.stderr.take().context("the registry's log is piped")?;
        let registry = Self { child, port, _storage: storage };
        wait_until_listening(log)?;
        Ok(registry)
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The port on the loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The whole name of an image here.
    pub fn reference(&self, repository: &str, tag: &str) -> String {
        format!("{}/{repository}:{tag}", self.address())
    }

    /// Pushes an image or index under a tag; gives its digest.
    pub fn push(&self, repository: &str, tag: &str, image: &OciImage) -> anyhow::Result<String> {
        for manifest in &image.manifests {
            self.push(repository, &manifest.digest(), manifest)?;
        }
        for blob in &image.blobs {
            self.push_blob(repository, blob)?;
        }
        let path = format!("/v2/{repository}/manifests/{tag}");
        let answer = self.request("PUT", &path, &image.media_type, &image.document)?;
        ensure!(answer.status == 201, "push of manifest {tag} answers {}", answer.status);
        Ok(image.digest())
    }

    fn push_blob(&self, repository: &str, blob: &[u8]) -> anyhow::Result<()> {
        let path = format!("/v2/{repository}/blobs/uploads/");
        let answer = self.request("POST", &path, "application/octet-stream", b"")?;
        ensure!(answer.status == 202, "beginning an upload answers {}", answer.status);
        let location = answer.location.context("an upload has a location")?;
        let start = location.find("/v2/").context("an upload is beneath /v2/")?;
        let joint = if location.contains('?') { '&' } else { '?' };
        let path = format!("{}{joint}digest={}", &location[start..], digest(blob));
        let answer = self.request("PUT", &path, "application/octet-stream", blob)?;
        ensure!(answer.status == 201, "an upload answers {}", answer.status);
        Ok(())
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: &[u8],
    ) -> anyhow::Result<Answer> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: {content_type}\r\n\
             Content-Length: {}\r\n\r\n",
            self.address(),
            body.len()
        )?;
        stream.write_all(body)?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let status = line.split(' ').nth(1).context("a status line")?.parse()?;
        let mut location = None;
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            match line.trim_end().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("location") => {
                    location = Some(value.to_owned());
                }
                Some(_) => {}
                None => break,
            }
        }
        io::copy(&mut reader, &mut io::sink())?;
        Ok(Answer { status, location })
    }
}

struct Answer {
    status: u16,
    location: Option<String>,
}

impl Drop for Registry {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Reads the log up to the line that says so, and keeps the pipe empty afterwards.
fn wait_until_listening(log: ChildStderr) -> anyhow::Result<()> {
    let mut log = BufReader::new(log);
    let mut said = String::new();
    loop {
        let before = said.len();
        if log.read_line(&mut said)? == 0 {
            bail!("{PROGRAM} ended: {said}");
        }
        if said[before..].contains("listening on") {
            break;
        }
    }
    thread::spawn(move || io::copy(&mut log.by_ref(), &mut io::sink()));
    Ok(())
}
