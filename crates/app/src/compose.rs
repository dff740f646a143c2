//! The compose that the computer has: the plugin of `docker`, or a program of its own.
//!
//! It speaks to the engine as it would to Docker's, at the socket that all clients use.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use naru_ipc::ComposeFound;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::config::Environment;
use crate::{AppError, Directories};

/// What is tried, the usual one first: a program, and its words that mean compose.
const PROGRAMS: [(&str, &[&str]); 2] = [("docker", &["compose"]), ("docker-compose", &[])];
/// Where a person installs programs, which a window that was not opened from a shell may not know.
const USUAL_PLACES: &[&str] =
    if cfg!(unix) { &["/usr/local/bin", "/opt/homebrew/bin"] } else { &[] };
/// Variables by which a shell names another engine, or other files than those that are meant.
const OTHERS: [&str; 6] = [
    "DOCKER_CONTEXT",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
    "DOCKER_API_VERSION",
    "COMPOSE_FILE",
    "COMPOSE_PROJECT_NAME",
];
/// How long it may take to say its version.
const VERSION_DEADLINE: Duration = Duration::from_secs(20);
/// Bytes of its output at a time.
const PIECE: usize = 16 << 10;
/// How much of the end of its error output is looked at for why it failed.
const LAST: usize = 2000;
/// How much of its output is read as an answer; a file of a thousand services has less.
const ANSWER_MAX: usize = 16 << 20;
/// Keeps a program of the console from opening one.
#[cfg(windows)]
const CREATE_NO_WINDOW: u32 = 0x0800_0000;

/// A compose that answers.
#[derive(Clone, Debug)]
pub(crate) struct Compose {
    program: &'static str,
    words: &'static [&'static str],
    version: String,
    host: String,
    docker_config: PathBuf,
}

impl Compose {
    /// The first that says its version, and is one that can do what is asked of it.
    pub(crate) async fn find(directories: &Directories) -> Option<Self> {
        for (program, words) in PROGRAMS {
            let compose = Self {
                program,
                words,
                version: String::new(),
                host: directories.docker_socket().docker_host(),
                docker_config: directories.docker_config.clone(),
            };
            let answer = timeout(
                VERSION_DEADLINE,
                compose.command(compose.nowhere(), &["version", "--short"]).output(),
            );
            if let Ok(Ok(output)) = answer.await
                && output.status.success()
            {
                let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                if is_known(&version) {
                    return Some(Self { version, ..compose });
                }
            }
        }
        None
    }

    /// What the window is told of it.
    pub(crate) fn found(self) -> ComposeFound {
        let words: Vec<&str> =
            [self.program].into_iter().chain(self.words.iter().copied()).collect();
        ComposeFound { program: Some(words.join(" ")), version: self.version }
    }

    /// A directory without a compose file in it or above it, which compose would take.
    pub(crate) fn nowhere(&self) -> &Path {
        self.docker_config.ancestors().last().unwrap_or(&self.docker_config)
    }

    fn command(&self, directory: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command.args(self.words).args(arguments).current_dir(directory);
        command.env("DOCKER_HOST", &self.host).env("DOCKER_CONFIG", &self.docker_config);
        for variable in OTHERS {
            command.env_remove(variable);
        }
        if let Some(path) = with_usual_places(Environment::program_path()) {
            command.env("PATH", path);
        }
        #[cfg(windows)]
        command.creation_flags(CREATE_NO_WINDOW);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs it in `directory`, and gives `say` what it writes until it has ended. Dropping this
    /// ends it.
    pub(crate) async fn run(
        &self,
        directory: &Path,
        arguments: &[&str],
        mut say: impl FnMut(&'static str, &[u8]) -> bool + Send,
    ) -> Result<(), AppError> {
        let failed = |source| AppError::System { action: "run compose", source };
        let mut command = self.command(directory, arguments);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(failed)?;
        let mut last = Vec::new();
        let wanted = forward(&mut child, |source, bytes| {
            if source == "stderr" {
                last.extend_from_slice(bytes);
                last.drain(..last.len().saturating_sub(LAST));
            }
            say(source, bytes)
        });
        if !wanted.await.map_err(failed)? {
            return Err(AppError::TransferCancelled);
        }
        let status = child.wait().await.map_err(failed)?;
        if status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&last);
        let line = said.lines().map(str::trim).rfind(|line| !line.is_empty());
        let message = line.map_or_else(|| format!("compose ended: {status}"), str::to_owned);
        Err(AppError::ComposeFailed { message })
    }

    /// Runs it as [`Self::run`] does, and gives what it writes to its standard output.
    pub(crate) async fn ask(
        &self,
        directory: &Path,
        arguments: &[&str],
        mut say: impl FnMut(&'static str, &[u8]) -> bool + Send,
    ) -> Result<Vec<u8>, AppError> {
        let mut answer = Vec::new();
        let ended = self.run(directory, arguments, |source, bytes| {
            if source != "stdout" {
                return say(source, bytes);
            }
            answer.extend_from_slice(bytes);
            answer.len() <= ANSWER_MAX
        });
        let ended = ended.await;
        if answer.len() > ANSWER_MAX {
            let message = format!("compose answers with more than {} MiB", ANSWER_MAX >> 20);
            return Err(AppError::ComposeFailed { message });
        }
        ended.map(|()| answer)
    }
}
/// Whether it is the compose that is spoken to here. The first one, which some systems still call
/// `docker-compose`, was another program: it cannot say as JSON what a file means.
fn is_known(version: &str) -> bool {
    let first = version.trim_start_matches('v').split('.').next();
    first.and_then(|first| first.parse::<u32>().ok()).is_none_or(|major| major >= 2)
}

/// Gives what the program writes, until it writes no more; false when nobody wants it.
async fn forward(
    child: &mut Child,
    mut say: impl FnMut(&'static str, &[u8]) -> bool + Send,
) -> io::Result<bool> {
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    while stdout.is_some() || stderr.is_some() {
        let (source, bytes) = tokio::select! {
            bytes = piece(&mut stdout), if stdout.is_some() => ("stdout", bytes?),
            bytes = piece(&mut stderr), if stderr.is_some() => ("stderr", bytes?),
        };
        match (bytes.is_empty(), source) {
            (true, "stdout") => stdout = None,
            (true, _) => stderr = None,
            (false, _) if !say(source, &bytes) => return Ok(false),
            (false, _) => {}
        }
    }
    Ok(true)
}

/// What is written next; nothing at the end. Cancel safe: what is not given is still to be read.
async fn piece(from: &mut Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(PIECE);
    if let Some(from) = from {
        from.read_buf(&mut bytes).await?;
    }
    Ok(bytes)
}

/// Where programs are looked for, and then where a person installs some.
fn with_usual_places(path: Option<OsString>) -> Option<OsString> {
    let path = path.unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    for usual in USUAL_PLACES.iter().map(PathBuf::from) {
        if !places.contains(&usual) {
            places.push(usual);
        }
    }
    std::env::join_paths(places).ok()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell() -> Compose {
        Compose {
            program: "sh",
            words: &["-c"],
            version: String::new(),
            host: "unix:///naru.sock".to_owned(),
            docker_config: "/home/me/.docker".into(),
        }
    }

    /// How a script ended, and what it wrote to its standard output.
    async fn run(script: &str) -> (Result<(), AppError>, String) {
        let mut said = Vec::new();
        let (compose, arguments) = (shell(), [script]);
        let ended = compose.run(compose.nowhere(), &arguments, |source, bytes| {
            if source == "stdout" {
                said.extend_from_slice(bytes);
            }
            true
        });
        (ended.await, String::from_utf8_lossy(&said).into_owned())
    }

    #[tokio::test]
    async fn what_it_says_is_told_and_its_engine_is_ours_wherever_it_runs() {
        let (ended, said) = run("pwd; echo $DOCKER_HOST").await;
        ended.unwrap();
        assert_eq!(said, "/\nunix:///naru.sock\n");
    }

    #[tokio::test]
    async fn its_last_line_says_why_it_failed() {
        let (ended, said) = run("echo pulling; echo 'no such service: web' >&2; exit 14").await;
        assert_eq!(ended.unwrap_err().to_string(), "no such service: web");
        assert_eq!(said, "pulling\n");
        let (ended, _) = run("exit 3").await;
        assert!(ended.unwrap_err().to_string().contains('3'));
    }

    #[tokio::test]
    async fn it_ends_when_nobody_wants_to_hear_it() {
        let compose = shell();
        let script = "echo first; exec sleep 600";
        let ended = compose.run(compose.nowhere(), &[script], |_, _| false).await;
        assert!(matches!(ended, Err(AppError::TransferCancelled)));
    }

    #[tokio::test]
    async fn an_answer_is_its_output_and_has_a_limit() {
        let compose = shell();
        let mut errors = Vec::new();
        let script = ["echo warned >&2; echo answered"];
        let answer = compose.ask(compose.nowhere(), &script, |source, bytes| {
            errors.extend_from_slice(bytes);
            source == "stderr"
        });
        assert_eq!(answer.await.unwrap(), b"answered\n");
        assert_eq!(errors, b"warned\n");
        let endless = compose.ask(compose.nowhere(), &["exec yes"], |_, _| true).await;
        let error = endless.unwrap_err().to_string();
        assert_eq!(error, "compose answers with more than 16 MiB");
    }

    #[test]
    fn the_first_compose_is_none() {
        for version in ["2.26.1", "v2.40.0-desktop.1", "5.0.0", "dev"] {
            assert!(is_known(version), "{version}");
        }
        for version in ["1.29.2", "1.25.0, build 0a186604"] {
            assert!(!is_known(version), "{version}");
        }
    }

    #[test]
    fn usual_places_come_after_those_that_are_known() {
        let path = with_usual_places(Some("/bin:/usr/local/bin".into())).unwrap();
        assert_eq!(path, "/bin:/usr/local/bin:/opt/homebrew/bin");
    }
}
