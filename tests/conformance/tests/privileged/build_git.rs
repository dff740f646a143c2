//! Builds of git repositories, as git's own server gives them.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, ensure};
use naru_test_framework::{DockerHost, Engine};

use crate::build::{build, context};
use crate::raw::ask;

/// A server of the repositories in a directory.
pub(crate) struct GitServer {
    address: SocketAddr,
    root: PathBuf,
    asked: Arc<Mutex<Vec<String>>>,
}

impl GitServer {
    /// Its thread waits for connections until the tests' process ends.
    pub(crate) fn start(root: PathBuf) -> anyhow::Result<Self> {
        Self::serve(root, None)
    }

    /// One that answers only who says this as `Authorization`.
    pub(crate) fn guarded(root: PathBuf, authorization: &str) -> anyhow::Result<Self> {
        Self::serve(root, Some(authorization.to_owned()))
    }

    fn serve(root: PathBuf, authorization: Option<String>) -> anyhow::Result<Self> {
        fs::create_dir_all(&root)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let (served, asked) = (root.clone(), Arc::<Mutex<Vec<String>>>::default());
        let told = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away is its own business.
                drop(answer(&stream, &served, authorization.as_deref(), &told));
            }
        });
        Ok(Self { address, root, asked })
    }

    /// What each request said as `Authorization` since this was asked.
    pub(crate) fn authorizations(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn url(&self, repository: &str) -> String {
        format!("http://{}/{repository}", self.address)
    }

    pub(crate) fn git(&self, repository: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let directory = self.root.join(repository);
        let made = Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"])
            .args(["-c", "protocol.file.allow=always", "-C"])
            .arg(&directory)
            .args(arguments)
            .env("GIT_COMMITTER_DATE", "1700000000 +0100")
            .output()?;
        ensure!(made.status.success(), "git {arguments:?}: {made:?}");
        Ok(String::from_utf8(made.stdout)?.trim().to_owned())
    }

    /// Makes a repository of these files, or goes on with one.
    pub(crate) fn commit(
        &self,
        repository: &str,
        files: &[(&str, &str)],
    ) -> anyhow::Result<String> {
        let directory = self.root.join(repository);
        if !directory.exists() {
            fs::create_dir_all(&directory)?;
            self.git(repository, &["init", "-q"])?;
        }
        for (name, content) in files {
            let path = directory.join(name);
            fs::create_dir_all(path.parent().context("it is in a directory")?)?;
            fs::write(path, content)?;
        }
        self.git(repository, &["add", "-A"])?;
        self.git(repository, &["commit", "-qm", "x"])?;
        self.git(repository, &["rev-parse", "HEAD"])
    }
}

/// Runs git's own program for one request, as a web server does.
fn answer(
    mut stream: &TcpStream,
    root: &Path,
    authorization: Option<&str>,
    told: &Mutex<Vec<String>>,
) -> anyhow::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim().split_once(": ") {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.to_owned())),
            None => break,
        }
    }
    let header = |name: &str| {
        let found = headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let said = header("authorization");
    let is_known = authorization.is_none_or(|wanted| wanted == said);
    told.lock().unwrap_or_else(PoisonError::into_inner).push(said);
    if !is_known {
        let refused =
            b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return Ok(stream.write_all(refused)?);
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut program = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", method)
        .env("CONTENT_TYPE", header("content-type"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    program.stdin.take().context("it is piped")?.write_all(&body)?;
    let said = program.wait_with_output()?.stdout;
    let end = said.windows(4).position(|part| part == b"\r\n\r\n").context("it has a head")?;
    let (head, body) = (String::from_utf8_lossy(&said[..end]).into_owned(), &said[end + 4..]);
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")?;
    Ok(stream.write_all(body)?)
}

fn in_made(engine: &DockerHost, command: &str) -> anyhow::Result<String> {
    Ok(engine.docker(&["run", "--rm", "made", "sh", "-c", command])?.success()?.to_owned())
}

fn build_remote(engine: &DockerHost, remote: &str) -> anyhow::Result<String> {
    let remote = remote.replace('#', "%23").replace('?', "%3F").replace('&', "%26");
    let mut answer = ask(engine, "POST", &format!("/build?t=made&remote={remote}"))?;
    Ok(String::from_utf8_lossy(&answer.body()?).into_owned())
}

#[test]
fn a_context_may_be_a_repository() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let server = GitServer::start(engine.scratch().join("git"))?;
    let text = "line\n".repeat(5000);
    server.commit("a.git", &[("Dockerfile", "FROM busybox\nCOPY . /x/\n"), ("large", &text)])?;
    server.git("a.git", &["tag", "-a", "-m", "x", "v1"])?;
    server.git("a.git", &["checkout", "-qb", "other"])?;
    let inner = server.root.join("a.git/sub");
    fs::create_dir_all(&inner)?;
    symlink("run", inner.join("link"))?;
    fs::write(inner.join("run"), "")?;
    fs::set_permissions(inner.join("run"), Permissions::from_mode(0o755))?;
    let dockerfile = "FROM busybox\nCOPY run link /x/\n";
    // Told by how it differs, once it is packed.
    let changed = format!("{text}more\n");
    let commit = server.commit("a.git", &[("large", &changed), ("sub/Dockerfile", dockerfile)])?;
    server.git("a.git", &["repack", "-adq"])?;
    server.git("a.git", &["checkout", "-q", "main"])?;
    let url = server.url("a.git");
    for (remote, command, expected) in [
        (url.clone(), "ls -A /x; wc -l < /x/large", "Dockerfile\nlarge\n5000"),
        (format!("{url}#v1"), "wc -l < /x/large", "5000"),
        (format!("{url}#other"), "tail -n 1 /x/large", "more"),
        (format!("{url}#{commit}"), "ls -A /x/sub", "Dockerfile\nlink\nrun"),
        (
            format!("{url}#other:sub"),
            "ls -A /x; stat -c '%a %u %Y' /x/run",
            "link\nrun\n755 0 1700000000",
        ),
    ] {
        let said = build_remote(&engine, &remote)?;
        ensure!(said.contains("Successfully tagged made:latest"), "{remote}: {said}");
        assert_eq!(in_made(&engine, command)?, expected, "{remote}");
    }
    // As the same clone, with a tag, a branch, and what was written once kept.
    let kept = build_remote(&engine, &format!("{url}?keep-git-dir=true#v1"))?;
    ensure!(kept.contains("Successfully tagged made:latest"), "{kept}");
    engine.docker(&["create", "--name", "kept", "made"])?.success()?;
    engine.docker(&["cp", "kept:/x", "git/kept"])?.success()?;
    engine.docker(&["rm", "kept"])?.success()?;
    assert_eq!(server.git("kept", &["describe"])?, "v1");
    assert_eq!(server.git("kept", &["status", "--porcelain"])?, "");
    server.git("kept", &["fsck", "--full"])?;
    for (remote, message) in [
        (format!("{url}#nothing"), "repository does not contain ref nothing"),
        (format!("{url}#:gone"), "has no directory"),
        (server.url("b.git"), "404"),
        (format!("{url}?checksum=0123456789"), "expected checksum to match 0123456789"),
        ("git://127.0.0.1/a.git".to_owned(), "otherwise than by http is not supported"),
    ] {
        let said = build_remote(&engine, &remote)?;
        ensure!(said.contains(message), "{remote}: {said}");
    }
    Ok(())
}

#[test]
fn a_repository_may_be_added_with_those_in_it() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let server = GitServer::start(engine.scratch().join("git"))?;
    server.commit("team/inner.git", &[("inner.txt", "inner"), ("d/deep.md", "deep")])?;
    let commit = server.commit("team/outer.git", &[("outer.txt", "outer"), ("notes.md", "")])?;
    server.git("team/outer.git", &["submodule", "add", "-q", "../inner.git", "lib/inner"])?;
    let file = server.root.join("team/outer.git/.gitmodules");
    let modules = "[submodule \"inner\"]\n\tpath = lib/inner\n\turl = ../inner.git\n";
    fs::write(&file, modules)?;
    let whole = server.commit("team/outer.git", &[])?;
    let url = server.url("team/outer.git");
    let dockerfile = format!(
        "FROM busybox\n\
         ADD --chown=3:4 {url} /whole\n\
         ADD --exclude=*.md --checksum={commit} {url}#{commit} /first/\n\
         ADD {url}#{whole}:lib/inner /part\n\
         ADD {url}?submodules=false /without\n"
    );
    context(&engine, &[("Dockerfile", &dockerfile)])?;
    build(&engine, &["-t", "made"])?.success()?;
    let list =
        "cd / && find whole first part without -type f | sort; stat -c %u:%g /whole/outer.txt";
    let expected = "first/outer.txt\npart/d/deep.md\npart/inner.txt\nwhole/.gitmodules\n\
                    whole/lib/inner/d/deep.md\nwhole/lib/inner/inner.txt\nwhole/notes.md\n\
                    whole/outer.txt\nwithout/.gitmodules\nwithout/notes.md\nwithout/outer.txt\n3:4";
    assert_eq!(in_made(&engine, list)?, expected);
    let again = build(&engine, &["-t", "made"])?;
    assert_eq!(again.success()?.matches("Using cache").count(), 4, "{again:?}");
    let dockerfile = format!("FROM busybox\nCOPY {url} /x\n");
    context(&engine, &[("Dockerfile", &dockerfile)])?;
    let failed = build(&engine, &["-t", "failed"])?;
    ensure!(failed.failure(1)?.contains("source can't be a git ref for COPY"), "{failed:?}");
    Ok(())
}
