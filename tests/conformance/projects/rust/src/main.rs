//! A server that greets whoever is named by the path.

use std::env;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt as _;

fn greeting(name: &str) -> io::Result<String> {
    let user = fs::metadata("/proc/self")?.uid();
    Ok(format!("hello {name} {}", wording::origin(env!("CARGO_PKG_VERSION"), user)))
}

fn answer(mut client: TcpStream) -> io::Result<()> {
    let mut asked = String::new();
    BufReader::new(&client).read_line(&mut asked)?;
    let path = asked.split(' ').nth(1).unwrap_or("/");
    let said = greeting(path.trim_start_matches('/'))?;
    write!(client, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{said}", said.len())
}

fn main() -> io::Result<()> {
    if env::args().nth(1).as_deref() == Some("--check") {
        return TcpStream::connect("127.0.0.1:8080").map(drop);
    }
    for client in TcpListener::bind("0.0.0.0:8080")?.incoming() {
        if let Err(error) = client.and_then(answer) {
            eprintln!("{error}");
        }
    }
    Ok(())
}
