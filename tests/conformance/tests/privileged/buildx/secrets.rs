//! What a build is trusted with and leaves nowhere.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};

use super::Buildx;

#[test]
fn a_secret_is_seen_by_its_step_alone() -> anyhow::Result<()> {
    let buildx = Buildx::with(
        "FROM busybox\nRUN --mount=type=secret,id=token wc -c < /run/secrets/token > /length\n\
         RUN --mount=type=secret,id=other test ! -e /run/secrets/other\n\
         CMD [\"sh\", \"-c\", \"cat /length; ls /run/secrets\"]\n",
    )?;
    buildx.write("token", "hush")?;
    buildx.build(&["--secret=id=token,src=token", "-t", "app", "context"])?;
    let output = buildx.engine.docker(&["run", "--rm", "app"])?;
    assert_eq!(output.stdout.trim(), "4", "{output:?}");
    buildx.write(
        "context/Dockerfile",
        "FROM busybox\nRUN --mount=type=secret,id=missing,required true\n",
    )?;
    let refused = buildx.failure(&["context"])?;
    assert!(refused.contains("missing"), "{refused}");
    Ok(())
}

/// An agent with one key, ended with this.
pub(super) struct Agent {
    child: Child,
    pub(super) socket: PathBuf,
}

impl Agent {
    pub(super) fn start(buildx: &Buildx) -> anyhow::Result<Self> {
        let (socket, key) = (buildx.path("agent.sock"), buildx.path("key"));
        let mut agent = Command::new("ssh-agent");
        agent.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null());
        let agent = Self { child: agent.spawn().context("start ssh-agent")?, socket };
        let mut make = Command::new("ssh-keygen");
        make.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key);
        ensure!(make.status()?.success(), "no key was made");
        loop {
            let mut add = Command::new("ssh-add");
            add.arg("-q").arg(&key).env("SSH_AUTH_SOCK", &agent.socket).stderr(Stdio::null());
            if add.status()?.success() {
                return Ok(agent);
            }
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// Asks the agent for its keys, and prints how its answer begins.
const ASK: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main(void) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    strncpy(address.sun_path, getenv("SSH_AUTH_SOCK"), sizeof address.sun_path - 1);
    int agent = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(agent, (struct sockaddr *)&address, sizeof address)) return 1;
    if (write(agent, "\0\0\0\1\13", 5) != 5) return 2;
    for (int count = 0; count < 9; count++) {
        unsigned char byte;
        if (read(agent, &byte, 1) != 1) return 3;
        printf("%02x ", byte);
    }
    return 0;
}
"#;

#[test]
fn a_step_reaches_the_clients_agent() -> anyhow::Result<()> {
    let buildx = Buildx::with(
        "FROM busybox\nCOPY ask /\nRUN --mount=type=ssh /ask > /answer\nCMD [\"cat\", \"/answer\"]\n",
    )?;
    buildx.write("ask.c", ASK)?;
    let mut compile = Command::new("cc");
    compile.args(["-static", "-o"]).args([buildx.path("context/ask"), buildx.path("ask.c")]);
    ensure!(compile.status()?.success(), "the program was not compiled");
    let agent = Agent::start(&buildx)?;
    let ssh = format!("--ssh=default={}", agent.socket.display());
    buildx.build(&[&ssh, "-t", "app", "context"])?;
    // The answer's length, its kind, and that there is one key.
    let answer = buildx.app(&[])?;
    let bytes: Vec<&str> = answer.split_whitespace().collect();
    assert_eq!(bytes.get(4..), Some(&["0c", "00", "00", "00", "01"][..]), "{answer}");
    Ok(())
}
