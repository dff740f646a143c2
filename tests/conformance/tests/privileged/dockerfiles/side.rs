//! Who builds: the engine under test, or one of Docker's builders.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use naru_test_framework::images::BUSYBOX;
use naru_test_framework::{DockerHost, Dockerd, Running};
use serde::Deserialize;
use serde_json::Value;

use super::context;
use super::image::Saved;
use crate::compare::differences::Peer;
use crate::raw::{Connection, request_at};

/// Of Debian's package docker.io, as the daemon is: newer ones need a plugin for its BuildKit.
const DOCKERS: &str = "/usr/bin/docker";
/// How long the server of files may take to listen.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// One that builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Builder {
    /// The engine under test, asked as the classic builder is.
    Naru,
    /// The engine under test, asked as BuildKit is: by buildx.
    Buildx,
    /// Docker's first.
    Classic,
    /// Docker's second.
    BuildKit,
}

impl Builder {
    /// The name by which the table of differences knows it.
    pub(super) fn as_peer(self) -> Peer {
        Peer { version: self.name().to_owned(), has_old_cgroups: false }
    }

    pub(super) fn is_naru(self) -> bool {
        matches!(self, Self::Naru | Self::Buildx)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Naru => "naru",
            Self::Buildx => "buildx",
            Self::Classic => "classic",
            Self::BuildKit => "buildkit",
        }
    }
}

/// One of them.
pub(super) struct Side<'a> {
    pub(super) builder: Builder,
    /// The engine under test; of Docker's builders, that which gives clients their directory.
    pub(super) naru: &'a DockerHost,
    /// Where Docker listens.
    pub(super) docker: &'a Path,
    /// The program.
    pub(super) buildx: &'a Path,
}

/// What a build said, and what came of it.
pub(super) struct Built {
    pub(super) code: i32,
    pub(super) said: String,
    /// Each step that changes files, and whether it was done before.
    pub(super) cached: BTreeMap<String, bool>,
    /// The image's name, if there is one.
    pub(super) tag: Option<String>,
    /// What [`Saved`] has of it.
    pub(super) outcome: Option<Value>,
}

impl Side<'_> {
    fn command(&self, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = match self.builder {
            Builder::Naru => self.naru.command(arguments),
            Builder::Buildx => {
                let mut command = self.naru.client(self.buildx);
                command.args(arguments);
                command
            }
            Builder::Classic | Builder::BuildKit => {
                let mut command = self.naru.client(DOCKERS);
                let host = format!("unix://{}", self.docker.display());
                command.args(arguments).env("DOCKER_HOST", host);
                command
            }
        };
        let buildkit = if self.builder == Builder::BuildKit { "1" } else { "0" };
        command.current_dir(folder).env("DOCKER_BUILDKIT", buildkit);
        command
    }

    /// Builds what is in the folder. `name` has a tag.
    pub(super) fn build(
        &self,
        folder: &Path,
        name: &str,
        options: &[String],
    ) -> anyhow::Result<Built> {
        let tag = format!("{}/{name}", self.builder.name());
        let mut arguments = vec!["build", "-t", &tag];
        // Docker makes its networks slowly, and only cases that say so have anything from one. Its
        // host has nothing but a loopback interface.
        match self.builder {
            Builder::Naru => {}
            Builder::Classic => arguments.push("--network=host"),
            Builder::BuildKit => arguments.extend(["--progress=plain", "--network=none"]),
            Builder::Buildx => arguments.extend(["--progress=plain", "--provenance=false"]),
        }
        arguments.extend(options.iter().map(String::as_str));
        // BuildKit takes files of the same name, time and size for the same, unless the whole name
        // of the folder is another.
        arguments.push(folder.to_str().context("the folder's name is text")?);
        let output = Running::start(self.command(folder, &arguments))?.finish()?;
        let said = format!("{}{}", output.stdout, output.stderr);
        let (code, cached) = (output.code, cached(&said));
        if code != 0 {
            let shown = self.ask(&format!("/images/{tag}/json"))?;
            ensure!(shown.status == 404, "a failed build leaves an image");
        }
        Ok(Built { code, said, cached, tag: (code == 0).then_some(tag), outcome: None })
    }

    /// Looks at what was built. It is asked for at once: most of all images is in each of them.
    pub(super) fn look<'b>(
        &self,
        built: impl Iterator<Item = &'b mut Built>,
    ) -> anyhow::Result<()> {
        let made: Vec<&mut Built> = built.filter(|built| built.tag.is_some()).collect();
        if made.is_empty() {
            return Ok(());
        }
        let tags = made.iter().filter_map(|built| built.tag.as_deref());
        let names: Vec<String> = tags.map(|tag| format!("names={tag}")).collect();
        let mut saved = self.ask(&format!("/images/get?{}", names.join("&")))?;
        ensure!(saved.status == 200, "they cannot be saved: {}", saved.message()?);
        let saved = Saved::read(&saved.body()?).context("the images are read")?;
        for built in made {
            let outcome = built.tag.as_deref().map(|tag| saved.outcome(tag));
            built.outcome = outcome.transpose()?;
        }
        Ok(())
    }

    /// Asks by hand what `docker` would ask: hundreds of its starts are worth saving.
    fn ask(&self, path: &str) -> anyhow::Result<Connection> {
        let socket = match self.builder {
            Builder::Naru | Builder::Buildx => self.naru.socket(),
            Builder::Classic | Builder::BuildKit => self.docker,
        };
        request_at(socket, "GET", path, &["Connection: close"], "")
    }
}

/// Files that `ADD` fetches, served at the same address here and in Docker's network.
pub(super) struct Files {
    servers: Vec<Child>,
    url: String,
}

impl Files {
    pub(super) fn serve(docker: &Dockerd, scratch: &Path) -> anyhow::Result<Self> {
        let folder = scratch.join("served");
        context::write_served(&folder)?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut files = Self { servers: Vec::new(), url: format!("http://127.0.0.1:{port}") };
        for mut command in [Command::new(BUSYBOX), docker.inside(BUSYBOX)] {
            let address = format!("127.0.0.1:{port}");
            command.args(["httpd", "-f", "-p", &address, "-h"]).arg(&folder);
            files.servers.push(command.spawn()?);
        }
        for here in [true, false] {
            let end = Instant::now() + START_DEADLINE;
            let ask = || if here { Command::new(BUSYBOX) } else { docker.inside(BUSYBOX) };
            let url = format!("{}/served", files.url);
            while !ask().args(["wget", "-q", "-O", "/dev/null", &url]).output()?.status.success() {
                ensure!(Instant::now() < end, "busybox httpd does not listen");
            }
        }
        Ok(files)
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for server in &mut self.servers {
            // Both fail only when it has ended by itself.
            let _ended = server.kill();
            let _reaped = server.wait();
        }
    }
}

/// Reads the steps of either builder's words: `Step 2/3 : RUN x` with ` ---> Using cache` below
/// it, or `#5 [stage-1 2/3] RUN x` with `#5 CACHED` somewhere.
pub(crate) fn cached(said: &str) -> BTreeMap<String, bool> {
    let mut cached = BTreeMap::new();
    let mut names: BTreeMap<&str, String> = BTreeMap::new();
    let mut last = None;
    for line in said.lines() {
        if let Some(rest) = line.strip_prefix("Step ") {
            last = rest.split_once(" : ").map(|(_, step)| step.to_owned());
            if let Some(step) = last.as_ref().filter(|step| changes_files(step)) {
                cached.insert(step.clone(), false);
            }
        } else if line == " ---> Using cache" {
            if let Some(known) = last.as_ref().and_then(|step| cached.get_mut(step)) {
                *known = true;
            }
        } else if let Some((number, rest)) = line.strip_prefix('#').and_then(|l| l.split_once(' '))
        {
            let step = rest.strip_prefix('[').and_then(|rest| rest.split_once("] "));
            if let Some((_, step)) = step.filter(|(_, step)| changes_files(step)) {
                names.insert(number, step.to_owned());
                cached.entry(step.to_owned()).or_insert(false);
            } else if let Some(step) = names.get(number).filter(|_| rest == "CACHED") {
                cached.insert(step.clone(), true);
            }
        }
    }
    cached
}

fn changes_files(step: &str) -> bool {
    ["RUN ", "COPY ", "ADD ", "WORKDIR "].iter().any(|keyword| step.starts_with(keyword))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_both_builders_are_read() {
        let classic = "Step 1/3 : FROM x\n ---> 1\nStep 2/3 : RUN a\n ---> Using cache\n ---> 2\n\
            Step 3/3 : COPY b /\n ---> 3\n";
        let buildkit = "#4 [stage-0 1/3] FROM x\n#4 CACHED\n\n#5 [stage-0 2/3] RUN a\n#5 CACHED\n\n\
            #6 [3/3] COPY b /\n#6 DONE 0.1s\n";
        let expected = BTreeMap::from([("RUN a".to_owned(), true), ("COPY b /".to_owned(), false)]);
        assert_eq!(cached(classic), expected);
        assert_eq!(cached(buildkit), expected);
    }
}
