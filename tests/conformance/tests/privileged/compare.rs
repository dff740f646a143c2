//! Naru's answers beside Docker's, field by field.
//!
//! The same requests go to both engines at each API version that both speak. What differs is
//! listed in `differences.toml` with the reason for it; what differs and is not listed fails the
//! test, and so does what is listed and does not differ any more. Docker is Debian's, or the one
//! at `NARU_PEER_HOST` (`unix:///…`, which must see this machine's `/tmp`).

pub(crate) mod differences;
mod errors;
mod normal;
mod scenario;
mod side;

use std::env::var_os;
use std::slice;
use std::thread;

use anyhow::{Context, bail, ensure};
use naru_test_framework::{Dockerd, NativeEngine};

use differences::{Answers, Difference, Peer, Table};
use side::Side;

const DIFFERENCES: &str = include_str!("../../differences.toml");

/// Those that clients pin, and those at which shapes changed.
const VERSIONS: [&str; 6] = ["1.24", "1.32", "1.40", "1.44", "1.47", "1.51"];

#[test]
fn answers_differ_from_dockers_only_where_it_is_written_down() -> anyhow::Result<()> {
    let naru = NativeEngine::start()?;
    let peer = var_os("NARU_PEER_HOST").map(|host| host.to_string_lossy().into_owned());
    let started = peer.is_none().then(Dockerd::start).transpose()?;
    let socket = started.as_ref().map(Dockerd::socket);
    let socket = socket.or_else(|| Some(peer?.trim_start_matches("unix://").into()));
    let socket = socket.context("one of them there is")?;
    let (naru, docker) = (Side::new(naru.socket().to_owned())?, Side::new(socket)?);
    let peer = Peer {
        version: docker.info("ServerVersion")?,
        // Where cgroup v1 has the controllers, Docker counts and limits by them.
        has_old_cgroups: docker.info("CgroupVersion")? != "2",
    };
    let spoken: Vec<&str> = VERSIONS.into_iter().filter(|version| docker.speaks(version)).collect();
    ensure!(!spoken.is_empty(), "Docker {} speaks none of {VERSIONS:?}", peer.version);

    let mut table = Table::read(DIFFERENCES).context("differences.toml")?;
    let mut unlisted = Vec::new();
    for version in &spoken {
        for difference in compare(&naru, &docker, version)? {
            if !table.covers(&difference, &peer, version) {
                unlisted.push(format!("{version} {difference}"));
            }
        }
    }
    let stale = table.stale(slice::from_ref(&peer), &spoken);
    if unlisted.is_empty() && stale.is_empty() {
        return Ok(());
    }
    bail!(
        "unlike Docker {} and not listed:\n{}\n\nlisted and not so:\n{}",
        peer.version,
        unlisted.join("\n"),
        stale.join("\n")
    )
}

/// Both at the same time, for it is the longer part that one waits for.
fn compare(naru: &Side, docker: &Side, version: &str) -> anyhow::Result<Vec<Difference>> {
    let (naru, docker) = thread::scope(|scope| {
        let naru = scope.spawn(|| answers(naru, version).context("Naru"));
        let docker = scope.spawn(|| answers(docker, version).context("Docker"));
        (naru.join(), docker.join())
    });
    let ended = |_| anyhow::anyhow!("the thread panicked");
    Ok(differences::between(&docker.map_err(ended)??, &naru.map_err(ended)??))
}

fn answers(side: &Side, version: &str) -> anyhow::Result<Answers> {
    let mut asking = side.at(version);
    let done = scenario::life(&mut asking).and_then(|()| errors::wrong_requests(&mut asking));
    // The next version begins with nothing, and so does who uses Docker afterwards.
    let removed = asking.remove_all();
    done?;
    removed?;
    Ok(asking.finish())
}
