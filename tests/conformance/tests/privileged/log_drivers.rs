//! `--log-driver`, `--log-opt`.

use naru_test_framework::Engine;

use crate::expect_error;
use crate::raw::upgrade;

const UNREADABLE: &str = "configured logging driver does not support reading";

#[test]
fn what_was_not_kept_cannot_be_read() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let run = ["run", "--log-driver", "none", "--name", "quiet", "busybox", "echo", "heard"];
    assert_eq!(engine.docker(&run)?.success()?, "heard");
    expect_error(&engine.docker(&["logs", "quiet"])?, 1, UNREADABLE)?;
    let mut attached = upgrade(&engine, "/containers/quiet/attach?logs=1&stdout=1", "")?;
    assert_eq!((attached.status, attached.message()?.as_str()), (501, UNREADABLE));
    let path = engine.docker(&["inspect", "-f", "[{{.LogPath}}]", "quiet"])?;
    assert_eq!(path.success()?, "[]");
    Ok(())
}

#[test]
fn local_is_read_as_json_file_is() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let shell = "echo one; echo two >&2; printf three";
    let run = ["run", "--log-driver", "local", "--name", "xx", "busybox", "sh", "-c", shell];
    engine.docker(&run)?.success()?;
    let output = engine.docker(&["logs", "xx"])?;
    assert_eq!((output.success()?, output.stderr.as_str()), ("one\nthree", "two\n"));
    assert_eq!(engine.docker(&["logs", "--tail", "1", "xx"])?.success()?, "three");
    let format = "{{.HostConfig.LogConfig.Type}}[{{.LogPath}}]";
    assert_eq!(engine.docker(&["inspect", "-f", format, "xx"])?.success()?, "local[]");
    Ok(())
}

#[test]
fn details_show_what_the_options_name() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let run = [
        "run",
        "--name",
        "xx",
        "--label",
        "a=1",
        "--label",
        "b=2",
        "--env",
        "C=3 4",
        "--log-opt",
        "labels=a,nosuch",
        "--log-opt",
        "env=C",
        "--log-opt",
        "tag=of {{.Name}}",
        "busybox",
        "echo",
        "hi",
    ];
    engine.docker(&run)?.success()?;
    assert_eq!(engine.docker(&["logs", "xx"])?.success()?, "hi");
    let detailed = engine.docker(&["logs", "--details", "xx"])?;
    assert_eq!(detailed.success()?, "C=3+4,a=1,tag=of+xx hi");
    engine.docker(&["run", "--name", "plain", "busybox", "echo", "hi"])?.success()?;
    assert_eq!(engine.docker(&["logs", "--details", "plain"])?.success()?, " hi");
    Ok(())
}

#[test]
fn drivers_and_options_that_are_not_honoured_are_refused_by_name() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    for (options, message) in [
        (
            "--log-driver fluentd",
            "not supported by this engine yet: --log-driver fluentd (json-file, local and none are)",
        ),
        (
            "--log-driver nosuch",
            "error looking up logging plugin nosuch: plugin \"nosuch\" not found",
        ),
        ("--log-opt colour=red", "unknown log opt 'colour' for json-file log driver"),
        ("--log-driver local --log-opt labels=a", "unknown log opt 'labels' for local log driver"),
        (
            "--log-opt mode=non-blocking",
            "not supported by this engine yet: log option mode=non-blocking",
        ),
        ("--log-opt max-file=0", "max-file cannot be less than 1"),
    ] {
        let mut command = vec!["create"];
        command.extend(options.split(' '));
        command.push("busybox");
        expect_error(&engine.docker(&command)?, 1, message)?;
    }
    assert_eq!(engine.docker(&["ps", "-aq"])?.success()?, "");
    Ok(())
}
