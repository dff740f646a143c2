//! The runtime, asked for what the engine wants.

use std::fs;
use std::io::{self, pipe};
use std::os::fd::OwnedFd;
use std::path::Path;

use naru_runtime::{CreateRequest, Created, ExecRequest, RuntimeError, Stdio};
use oci_spec::runtime::Spec;

use crate::log::StreamName;
use crate::output::Output;
use crate::stdin::Stdin;
use crate::wire::{FailureKind, ShimConfig, ShimEvent, Target};

/// A process that waits to be started, and our ends of its streams.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) created: Created,
    pub(crate) stdin: Stdin,
    pub(crate) outputs: Vec<Output>,
    /// The terminal, to resize it.
    pub(crate) console: Option<OwnedFd>,
}

/// Why there is no process.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error("the specification is not understood: {0}")]
    Specification(#[from] serde_json::Error),
    #[error("the process's streams cannot be made: {0}")]
    Io(#[from] io::Error),
    #[error("the specification and the request differ about the terminal")]
    Terminal,
}

impl Refused {
    pub(crate) fn event(&self) -> ShimEvent {
        ShimEvent::Failed { kind: self.failure_kind(), message: self.to_string() }
    }

    fn failure_kind(&self) -> FailureKind {
        use naru_error::ErrorKind;

        match self {
            Self::Specification(_) | Self::Terminal => FailureKind::InvalidArgument,
            Self::Io(_) => FailureKind::Internal,
            Self::Runtime(error) if error.is_format_unknown() => FailureKind::UnknownFormat,
            Self::Runtime(error) if error.is_interpreter_missing() => FailureKind::NoInterpreter,
            Self::Runtime(error) if error.is_program_not_found() => FailureKind::NotFound,
            Self::Runtime(error) if error.is_permission_denied() => FailureKind::PermissionDenied,
            Self::Runtime(error) => match error.kind() {
                ErrorKind::Unsupported => FailureKind::Unsupported,
                ErrorKind::InvalidArgument => FailureKind::InvalidArgument,
                _ => FailureKind::Internal,
            },
        }
    }
}

/// Makes the process with its streams.
#[tracing::instrument(level = "debug", skip_all)]
pub(crate) fn prepare(config: &ShimConfig) -> Result<Prepared, Refused> {
    let mut outputs = Vec::new();
    let mut stdio = Stdio::default();
    let mut stdin = None;
    if !config.tty {
        let (stdout, theirs) = pipe()?;
        stdio.stdout = Some(theirs.into());
        let (stderr, theirs) = pipe()?;
        stdio.stderr = Some(theirs.into());
        outputs.push(Output::new(stdout.into(), StreamName::Stdout).map_err(io::Error::from)?);
        outputs.push(Output::new(stderr.into(), StreamName::Stderr).map_err(io::Error::from)?);
        if config.open_stdin {
            let (theirs, ours) = pipe()?;
            stdio.stdin = Some(theirs.into());
            stdin = Some(ours.into());
        }
    }
    let mut created = create(config, stdio)?;
    let console = created.take_console();
    if console.is_some() != config.tty {
        return Err(Refused::Terminal);
    }
    if let Some(console) = &console {
        let reader = console.try_clone()?;
        outputs.push(Output::new(reader, StreamName::Stdout).map_err(io::Error::from)?);
        stdin = config.open_stdin.then(|| console.try_clone()).transpose()?;
    }
    let stdin = Stdin::new(stdin).map_err(io::Error::from)?;
    Ok(Prepared { created, stdin, outputs, console })
}

fn create(config: &ShimConfig, stdio: Stdio) -> Result<Created, Refused> {
    match &config.target {
        Target::Container { bundle, init } => {
            let spec = load(bundle)?;
            Ok(naru_runtime::create(CreateRequest {
                id: &config.id,
                spec: &spec,
                bundle,
                stdio,
                preserved: 0,
                supervised: *init,
                gate: None,
            })?)
        }
        Target::Exec { container_pid, bundle, process } => {
            let spec = load(bundle)?;
            let (container, linux) = (*container_pid, spec.linux().as_ref());
            let request = ExecRequest { container, process, linux, stdio, preserved: 0 };
            Ok(naru_runtime::exec(request)?)
        }
    }
}

#[tracing::instrument(name = "load_specification", level = "debug", skip_all)]
fn load(bundle: &Path) -> Result<Spec, Refused> {
    Ok(serde_json::from_slice(&fs::read(bundle.join("config.json"))?)?)
}
