//! A pull whose client goes away.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use naru_test_framework::oci::{OciImage, digest};
use naru_test_framework::{NativeEngine, images};

/// A slow computer fails no test.
const DEADLINE: Duration = Duration::from_mins(1);

/// What has become of the layer.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    /// Half of it was sent.
    Half,
    /// Who asked for it has gone.
    Gone,
}

/// A registry with one image, the second half of whose layer does not come before it may.
struct Slow {
    address: SocketAddr,
    may_end: Arc<AtomicBool>,
    said: Receiver<Said>,
}

impl Slow {
    /// Its threads end with the tests' process.
    fn start(image: OciImage) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let (sender, said) = channel();
        let (image, may_end) = (Arc::new(image), Arc::new(AtomicBool::new(false)));
        let shared = Arc::clone(&may_end);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (image, may_end) = (Arc::clone(&image), Arc::clone(&shared));
                let sender = sender.clone();
                // A client that goes away is its own business.
                thread::spawn(move || drop(answer(&stream, &image, &may_end, &sender)));
            }
        });
        Ok(Self { address, may_end, said })
    }

    fn says(&self, expected: &Said) -> anyhow::Result<()> {
        let said = self.said.recv_timeout(DEADLINE)?;
        ensure!(said == *expected, "{said:?} in place of {expected:?}");
        Ok(())
    }
}

fn answer(
    mut stream: &TcpStream,
    image: &OciImage,
    may_end: &AtomicBool,
    said: &Sender<Said>,
) -> io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = request.split(' ').nth(1).unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let blob = image.blobs.iter().position(|blob| digest(blob) == name);
    let (status, body) = match blob {
        Some(blob) => ("200 OK", image.blobs[blob].as_slice()),
        None if name == "1" => ("200 OK", image.document.as_slice()),
        None => ("404 Not Found", &[][..]),
    };
    let (length, kind) = (body.len(), &image.media_type);
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nContent-Type: {kind}\r\n\
         Connection: close\r\n\r\n"
    )?;
    // The first is the configuration.
    if blob != Some(1) || may_end.load(Ordering::SeqCst) {
        return stream.write_all(body);
    }
    stream.write_all(&body[..length / 2])?;
    drop(said.send(Said::Half));
    // Nothing comes any more; what ends this is the end.
    let _end = stream.read(&mut [0]);
    drop(said.send(Said::Gone));
    Ok(())
}

#[test]
fn a_pull_whose_client_goes_away_ends_and_leaves_nothing_half_done() -> anyhow::Result<()> {
    let registry = Slow::start(images::busybox()?)?;
    let engine = NativeEngine::start()?;
    let name = format!("{}/busybox:1", registry.address);
    let pull = engine.spawn(&["pull", &name])?;
    registry.says(&Said::Half)?;
    drop(pull);
    registry.says(&Said::Gone)?;

    let store = engine.root().join("images");
    let count =
        |name: &str| -> anyhow::Result<usize> { Ok(fs::read_dir(store.join(name))?.count()) };
    let end = Instant::now() + DEADLINE;
    while count("ingest")? > 0 {
        ensure!(Instant::now() < end, "half-done work is left");
        // The thread that cleans up goes on meanwhile.
        engine.docker(&["version"])?.success()?;
    }
    assert_eq!((count("layers")?, count("records")?), (0, 0));
    assert_eq!(engine.docker(&["images", "-aq"])?.success()?, "");

    registry.may_end.store(true, Ordering::SeqCst);
    engine.docker(&["pull", "-q", &name])?.success()?;
    assert_eq!(engine.docker(&["run", "--rm", &name, "echo", "whole"])?.success()?, "whole");
    Ok(())
}
