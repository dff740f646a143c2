//! A server that gives out tokens for registries (distribution's token authentication).
//!
//! It knows one user, to whom it permits everything; a stranger may read below `public/`.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::certificates::openssl;
use crate::registry::{PASSWORD, USER};

/// What stands for the user's password after a login.
pub const IDENTITY_TOKEN: &str = "identity-of-me";

/// A running server; its thread goes with the process.
#[derive(Debug)]
pub struct TokenServer {
    address: SocketAddr,
    directory: Arc<TempDir>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl TokenServer {
    /// Starts one on a free port of 127.0.0.1.
    pub fn start() -> anyhow::Result<Self> {
        let directory = Arc::new(tempfile::tempdir()?);
        openssl(
            directory.path(),
            "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=tokens -keyout key.pem -out ca.crt",
        )?;
        openssl(directory.path(), "x509 -in ca.crt -outform DER -out ca.der")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let (kept, files) = (Arc::clone(&requests), Arc::clone(&directory));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, files) = (Arc::clone(&kept), Arc::clone(&files));
                // A client that speaks nonsense sees its connection closed.
                thread::spawn(move || drop(serve(stream, &kept, &files)));
            }
        });
        Ok(Self { address, directory, requests })
    }

    /// Where tokens are to be asked for.
    pub fn realm(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// The certificate that registries check tokens with.
    pub fn certificate(&self) -> PathBuf {
        self.directory.path().join("ca.crt")
    }

    /// The queries and forms so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(stream: TcpStream, kept: &Mutex<Vec<String>>, files: &TempDir) -> anyhow::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let target = line.split(' ').nth(1).context("a request line")?.to_owned();
    let (mut length, mut authorization) = (0, String::new());
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse()?;
            }
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                value.clone_into(&mut authorization);
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut form = vec![0; length];
    reader.read_exact(&mut form)?;
    let query = match target.split_once('?') {
        Some((_, query)) => query.to_owned(),
        None => String::from_utf8(form)?,
    };
    kept.lock().unwrap_or_else(PoisonError::into_inner).push(query.clone());
    let values: Vec<(String, String)> = query.split('&').filter_map(pair).collect();
    let value = |key: &str| values.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
    let password = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
    let known = authorization == password || value("refresh_token") == Some(IDENTITY_TOKEN);
    let stranger = authorization.is_empty() && value("refresh_token").is_none();
    let (status, body) = if known || stranger {
        let scopes = values.iter().filter(|(key, _)| key == "scope");
        let scopes = scopes.flat_map(|(_, scopes)| scopes.split(' '));
        let access: Vec<Value> = scopes.filter_map(|scope| permitted(scope, known)).collect();
        let mut answer = json!({ "token": token(files, &json!(access))? });
        if known && value("offline_token").is_some() {
            answer["refresh_token"] = json!(IDENTITY_TOKEN);
        }
        ("200 OK", answer)
    } else {
        let errors = [("code", "UNAUTHORIZED"), ("message", "incorrect username or password")];
        let error: serde_json::Map<String, Value> =
            errors.map(|(key, value)| (key.to_owned(), json!(value))).into_iter().collect();
        ("401 Unauthorized", json!({ "errors": [error] }))
    };
    let body = body.to_string();
    write!(
        reader.get_mut(),
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    Ok(())
}

/// `repository:public/app:pull,push` as a token says it; what is left of it for a stranger.
fn permitted(scope: &str, known: bool) -> Option<Value> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    let actions: Vec<&str> = actions
        .split(',')
        .filter(|action| known || (*action == "pull" && name.starts_with("public/")))
        .collect();
    Some(json!({ "type": kind, "name": name, "actions": actions }))
}

fn token(files: &TempDir, access: &Value) -> anyhow::Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let certificate = STANDARD.encode(fs::read(files.path().join("ca.der"))?);
    let header = json!({ "typ": "JWT", "alg": "RS256", "x5c": [certificate] });
    let claims = json!({
        "iss": "tests", "sub": USER, "aud": "here", "access": access,
        "iat": now - 60, "nbf": now - 60, "exp": now + 300, "jti": "1",
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let mut file = tempfile::NamedTempFile::new_in(files.path())?;
    file.write_all(signed.as_bytes())?;
    let path = file.path().to_str().context("a path that is text")?;
    let signature = openssl(files.path(), &format!("dgst -sha256 -sign key.pem {path}"))?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// `key=value`, decoded.
fn pair(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once('=')?;
    Some((key.to_owned(), decoded(value).ok()?))
}

fn decoded(text: &str) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let Some((digits, tail)) = rest.split_at_checked(2) else { bail!("{text:?}") };
                rest = tail;
                u8::from_str_radix(std::str::from_utf8(digits)?, 16)?
            }
            other => *other,
        });
    }
    Ok(String::from_utf8(bytes)?)
}
