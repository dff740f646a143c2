//! What Docker Hub answers to searches, as far as its clients use it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use serde_json::{Value, json};

/// Names, stars and badges of what every search finds.
const FOUND: [(&str, u32, &str); 4] = [
    ("nginx", 20_000, "official"),
    ("bitnami/nginx", 200, "verified_publisher"),
    ("linuxserver/nginx", 200, "open_source"),
    ("someone/nginx", 2, "none"),
];

/// A hub on the loopback, whose thread ends with the test's process.
#[derive(Debug)]
pub struct FakeHub {
    address: SocketAddr,
}

impl FakeHub {
    /// Starts one on a free port.
    pub fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // The client tells of an answer that is cut off.
                drop(serve(stream));
            }
        });
        Ok(Self { address })
    }

    /// For the setting `index`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn serve(stream: TcpStream) -> anyhow::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let target = line.split(' ').nth(1).unwrap_or_default();
    let answer = match target.split('?').next() {
        Some("/v1/search") => index(),
        Some("/api/search/v4") => pages(),
        _ => Value::Null,
    };
    let status = if answer.is_null() { "404 Not Found" } else { "200 OK" };
    while reader.read_line(&mut line)? > 2 {}
    let body = answer.to_string();
    let head = format!("Connection: close\r\nContent-Length: {}", body.len());
    write!(reader.get_mut(), "HTTP/1.1 {status}\r\n{head}\r\n\r\n{body}")?;
    Ok(())
}

/// `docker search` asks for this.
fn index() -> Value {
    let results = FOUND.map(|(name, stars, badge)| {
        json!({
            "name": name, "star_count": stars, "is_official": badge == "official",
            "is_automated": false, "description": format!("{name}, served"),
        })
    });
    json!({ "num_results": FOUND.len(), "results": results })
}

/// The hub's own pages ask for this.
fn pages() -> Value {
    let results = FOUND.map(|(name, stars, badge)| {
        let name = if name.contains('/') { name.to_owned() } else { format!("library/{name}") };
        json!({ "name": name, "type": "image", "badge": badge, "star_count": stars })
    });
    json!({ "total": FOUND.len(), "results": results })
}
