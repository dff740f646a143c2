//! A BuildKit of the user's own, in a container that buildx makes, fills and calls into.
//!
//! The container is what the engine has to do with it. What answers in it here is the engine's own
//! door for BuildKit's clients, for no image of a BuildKit is to be had without a network.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;

use super::Buildx;

const IMAGE: &str =
    "FROM busybox\nCOPY --chmod=755 buildkitd buildctl /bin/\nENTRYPOINT [\"buildkitd\"]\n";
/// Ends at the first signal, as the real one does.
const BUILDKITD: &str = "#!/bin/sh\ntrap exit TERM INT\nwhile :; do sleep 86400 & wait; done\n";

/// Brings what connects to a loopback port to the engine; gives the port.
fn forward(socket: &Path) -> io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    let socket = socket.to_owned();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, socket) = (client?, socket.clone());
            thread::spawn(move || carry(&client, &socket));
        }
        io::Result::Ok(())
    });
    Ok(port)
}

fn carry(client: &TcpStream, socket: &PathBuf) -> io::Result<()> {
    let engine = UnixStream::connect(socket)?;
    thread::scope(|scope| {
        scope.spawn(|| {
            io::copy(&mut &*client, &mut &engine)?;
            engine.shutdown(Shutdown::Write)
        });
        io::copy(&mut &engine, &mut &*client)?;
        client.shutdown(Shutdown::Write)
    })
}

#[test]
fn a_builder_in_a_container_of_its_own_is_made_used_and_removed() -> anyhow::Result<()> {
    let buildx = Buildx::with("FROM busybox\nCOPY a /a\nCMD [\"cat\", \"/a\"]\n")?;
    buildx.write("context/a", "by its own")?;
    buildx.write("buildkit/Dockerfile", IMAGE)?;
    buildx.write("buildkit/buildkitd", BUILDKITD)?;
    let port = forward(buildx.engine.socket())?;
    let buildctl = format!(
        "#!/bin/sh\ncase \"$*\" in *dial-stdio*) exec nc 127.0.0.1 {port} ;; *workers*) ;; *) exit 1 ;; esac\n"
    );
    buildx.write("buildkit/buildctl", &buildctl)?;
    buildx.write("buildkitd.toml", "debug = true\n")?;
    buildx.build(&["-t", "moby/buildkit:buildx-stable-1", "buildkit"])?;

    let create = ["create", "--name=own", "--driver=docker-container", "--bootstrap"];
    let options = ["--driver-opt=network=host", "--config=buildkitd.toml"];
    buildx.run(&[&create[..], &options].concat())?.success()?;
    let engine = &buildx.engine;
    let container = "buildx_buildkit_own0";
    let format =
        "{{.HostConfig.Privileged}} {{.HostConfig.NetworkMode}} {{(index .Mounts 0).Name}}";
    let shown = engine.docker(&["inspect", "-f", format, container])?;
    assert_eq!(shown.success()?, format!("true host {container}_state"));
    let config = ["exec", container, "cat", "/etc/buildkit/buildkitd.toml"];
    assert_eq!(engine.docker(&config)?.success()?, "debug = true");
    let inspected = buildx.run(&["inspect", "own"])?;
    assert!(inspected.success()?.contains("running"), "{inspected:?}");

    buildx.build(&["--builder=own", "--load", "-t", "app", "context"])?;
    assert_eq!(buildx.app(&[])?, "by its own");

    buildx.run(&["stop", "own"])?.success()?;
    let state = ["inspect", "-f", "{{.State.Status}}", container];
    assert_eq!(engine.docker(&state)?.success()?, "exited");
    // Begun again by the next build, from the same state.
    buildx.build(&["--builder=own", "--output=type=local,dest=out", "context"])?;
    assert!(buildx.path("out/a").is_file());
    buildx.run(&["rm", "own"])?.success()?;
    assert_eq!(engine.docker(&["ps", "-aq"])?.success()?, "");
    assert_eq!(engine.docker(&["volume", "ls", "-q"])?.success()?, "");
    Ok(())
}
