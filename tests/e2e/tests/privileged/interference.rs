//! A way to the registry that can be made to fail.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Result;
use naru_test_framework::Registry;

/// What happens to the registry's answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// After so many bytes, over all connections, no more arrive.
    Cut { after: usize },
    /// In each connection, the byte after so many is another one.
    Flip { at: usize },
}

/// A port of the loopback that leads to a registry.
#[derive(Debug)]
pub(crate) struct Interference {
    port: u16,
    fault: Arc<Mutex<Fault>>,
}

impl Interference {
    /// Begins without a fault. Its threads end with the test's process.
    pub(crate) fn before(registry: &Registry) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let fault = Arc::new(Mutex::new(Fault::None));
        let (shared, registry) = (Arc::clone(&fault), registry.port());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, registry)) else {
                    continue;
                };
                let fault = Arc::clone(&shared);
                thread::spawn(move || carry(&client, &server, &fault));
            }
        });
        Ok(Self { port, fault })
    }

    /// Takes effect at once, also for connections there are.
    pub(crate) fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// The whole name of an image behind it.
    pub(crate) fn reference(&self, repository: &str, tag: &str) -> String {
        format!("localhost:{}/{repository}:{tag}", self.port)
    }
}

/// Carries both directions until one breaks; an error is its end as well.
fn carry(client: &TcpStream, server: &TcpStream, fault: &Mutex<Fault>) {
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut from, mut to) = (client, server);
            drop(std::io::copy(&mut from, &mut to));
            drop(server.shutdown(Shutdown::Write));
        });
        drop(answers(server, client, fault));
        drop(client.shutdown(Shutdown::Both));
        drop(server.shutdown(Shutdown::Both));
    });
}

fn answers(mut from: &TcpStream, mut to: &TcpStream, fault: &Mutex<Fault>) -> Result<()> {
    let mut buffer = [0; 16 * 1024];
    let mut before = 0;
    loop {
        let length = from.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        let bytes = &mut buffer[..length];
        let allowed = match &mut *fault.lock().unwrap_or_else(PoisonError::into_inner) {
            Fault::None => length,
            Fault::Cut { after } => {
                let allowed = length.min(*after);
                *after -= allowed;
                allowed
            }
            Fault::Flip { at } => {
                if let Some(byte) = at.checked_sub(before).and_then(|at| bytes.get_mut(at)) {
                    *byte = !*byte;
                }
                length
            }
        };
        to.write_all(&bytes[..allowed])?;
        if allowed < length {
            return Ok(());
        }
        before += length;
    }
}
