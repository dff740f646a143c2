//! Runs an OCI bundle in the foreground: a small program of one thread, to try the runtime by
//! hand and to test it.
//!
//! ```text
//! run-bundle run BUNDLE [PID_FILE]       the container of BUNDLE/config.json
//! run-bundle run-supervised BUNDLE       the same, below a first process that looks after it
//! run-bundle exec BUNDLE PID PROCESS     one more process, from a JSON file
//! ```
//!
//! Its status is the process's, or 127, 126 or 125 if there is none.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use naru_runtime::{CreateRequest, Created, ExecRequest, ExitStatus, RuntimeError, Stdio};
use oci_spec::runtime::{Process, Spec};

type BoxError = Box<dyn Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["run", bundle] => run(Path::new(bundle), None, false),
        ["run", bundle, pid_file] => run(Path::new(bundle), Some(Path::new(pid_file)), false),
        ["run-supervised", bundle] => run(Path::new(bundle), None, true),
        ["exec", bundle, pid, process] => exec(Path::new(bundle), pid, Path::new(process)),
        _ => {
            Err("usage: run-bundle run[-supervised] BUNDLE [PID_FILE] | exec BUNDLE PID PROCESS"
                .into())
        }
    };
    let error = match result {
        Ok(status) => return ExitCode::from(u8::try_from(status.code).unwrap_or(255)),
        Err(error) => error,
    };
    // Without a standard error there is only the status left to tell.
    drop(writeln!(io::stderr(), "{error}"));
    ExitCode::from(match error.downcast_ref::<RuntimeError>() {
        Some(error) if error.is_program_not_found() => 127,
        Some(error) if error.is_permission_denied() => 126,
        _ => 125,
    })
}

fn run(bundle: &Path, pid_file: Option<&Path>, supervised: bool) -> Result<ExitStatus, BoxError> {
    let bundle: PathBuf = fs::canonicalize(bundle)?;
    let spec = Spec::load(bundle.join("config.json"))?;
    let id = format!("run-bundle-{}", std::process::id());
    let request = CreateRequest {
        id: &id,
        spec: &spec,
        bundle: &bundle,
        stdio: stdio()?,
        preserved: 0,
        supervised,
        gate: None,
    };
    let created = naru_runtime::create(request)?;
    let (mut process, console) = start(created)?;
    if let Some(path) = pid_file {
        let scratch = path.with_extension("new");
        fs::write(&scratch, process.pid().to_string())?;
        fs::rename(scratch, path)?;
    }
    copy_console(console)?;
    let status = process.wait()?;
    process.cgroup().remove()?;
    Ok(status)
}

fn exec(bundle: &Path, pid: &str, process: &Path) -> Result<ExitStatus, BoxError> {
    let spec = Spec::load(bundle.join("config.json"))?;
    let process: Process = serde_json::from_slice(&fs::read(process)?)?;
    let created = naru_runtime::exec(ExecRequest {
        container: pid.parse()?,
        process: &process,
        linux: spec.linux().as_ref(),
        stdio: stdio()?,
        preserved: 0,
    })?;
    let (mut process, console) = start(created)?;
    copy_console(console)?;
    Ok(process.wait()?)
}

fn start(mut created: Created) -> Result<(naru_runtime::Process, Option<OwnedFd>), RuntimeError> {
    let console = created.take_console();
    Ok((created.start()?, console))
}

/// This program's own streams.
fn stdio() -> io::Result<Stdio> {
    let own = |stream: &dyn AsFd| stream.as_fd().try_clone_to_owned().map(Some);
    Ok(Stdio {
        stdin: own(&io::stdin())?,
        stdout: own(&io::stdout())?,
        stderr: own(&io::stderr())?,
    })
}

/// Shows what the process writes to its terminal, until nobody has it open any more.
fn copy_console(console: Option<OwnedFd>) -> io::Result<()> {
    let Some(console) = console else { return Ok(()) };
    let mut console = File::from(console);
    let mut buffer = vec![0; 64 * 1024];
    // The kernel ends a terminal's output with EIO.
    while let Ok(length @ 1..) = console.read(&mut buffer) {
        io::stdout().write_all(&buffer[..length])?;
    }
    Ok(())
}
