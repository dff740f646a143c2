//! The words between engine and shim, compared with files: a change to them must be seen.
#![expect(clippy::panic_in_result_fn, reason = "a test asserts")]

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use naru_shim::wire::{
    ControlRequest, ExitRecord, FailureKind, LogConfig, LogPosition, ShimAnswer, ShimConfig,
    ShimEvent, ShimRequest, ShimState, Target,
};
use oci_spec::runtime::Process;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Each line of the file is one message; both ways of reading it must agree.
fn check<T>(file: &str, messages: &[T]) -> Result<()>
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let lines: Vec<String> =
        messages.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
    assert_eq!(lines, text.lines().collect::<Vec<_>>(), "{file} differs");
    for (line, message) in text.lines().zip(messages) {
        assert_eq!(&serde_json::from_str::<T>(line)?, message);
    }
    Ok(())
}

fn config(target: Target, log: Option<LogConfig>) -> ShimConfig {
    ShimConfig {
        id: "0123".to_owned(),
        run_dir: PathBuf::from("/run/naru/0123"),
        target,
        tty: false,
        open_stdin: true,
        stdin_once: true,
        log,
        exit_path: PathBuf::from("/root/containers/0123/exit.json"),
    }
}

fn record() -> ExitRecord {
    ExitRecord { code: 137, oom_killed: true, at: "2024-01-01T00:00:00.000000000Z".to_owned() }
}

#[test]
fn configurations_are_as_in_the_file() -> Result<()> {
    let bundle = PathBuf::from("/root/containers/0123");
    let path = bundle.join("0123-json.log");
    let attributes = [("a".to_owned(), "1".to_owned())].into();
    let log = LogConfig { path, max_size: Some(10), max_file: None, attributes };
    let process: Process =
        serde_json::from_str(r#"{"cwd":"/","args":["true"],"user":{"uid":0,"gid":0}}"#)?;
    let exec = Target::Exec { container_pid: 7, bundle: bundle.clone(), process: process.into() };
    check(
        "config.jsonl",
        &[config(Target::Container { bundle, init: false }, Some(log)), config(exec, None)],
    )
}

#[test]
fn events_are_as_in_the_file() -> Result<()> {
    let message = "exec: \"foo\": executable file not found in $PATH".to_owned();
    let at = "2024-01-01T00:00:00.000000000Z".to_owned();
    let kinds = [
        FailureKind::PermissionDenied,
        FailureKind::UnknownFormat,
        FailureKind::NoInterpreter,
        FailureKind::Unsupported,
        FailureKind::InvalidArgument,
        FailureKind::Internal,
    ];
    let mut events = vec![
        ShimEvent::Created { pid: 7 },
        ShimEvent::Started { at },
        ShimEvent::Exited(record()),
        ShimEvent::Failed { kind: FailureKind::NotFound, message },
    ];
    events.extend(kinds.map(|kind| ShimEvent::Failed { kind, message: String::new() }));
    check("events.jsonl", &events)
}

#[test]
fn requests_are_as_in_the_file() -> Result<()> {
    let resources = serde_json::from_str(r#"{"pids":{"limit":7}}"#)?;
    check(
        "requests.jsonl",
        &[
            ShimRequest::Attach { stdin: true, stdout: true, stderr: false },
            ShimRequest::AttachAfterLog { stdin: false, stdout: true, stderr: true },
            ShimRequest::FollowLog,
            ShimRequest::Resize { rows: 24, cols: 80 },
            ShimRequest::Signal { signal: 15 },
            ShimRequest::CloseStdin,
            ShimRequest::Pause,
            ShimRequest::Resume,
            ShimRequest::Update { resources: Box::new(resources) },
            ShimRequest::Watch,
            ShimRequest::State,
        ],
    )?;
    check("control.jsonl", &[ControlRequest::Start])
}

#[test]
fn answers_are_as_in_the_file() -> Result<()> {
    let started_at = Some("2024-01-01T00:00:00.000000000Z".to_owned());
    check(
        "answers.jsonl",
        &[
            ShimAnswer::Ok,
            ShimAnswer::Error { message: "the process has ended".to_owned() },
            ShimAnswer::State(ShimState { pid: 7, started_at: None, exited: None, paused: false }),
            ShimAnswer::State(ShimState {
                pid: 7,
                started_at,
                exited: Some(record()),
                paused: true,
            }),
            ShimAnswer::Attached(LogPosition { inode: 12, length: 4096 }),
        ],
    )
}
