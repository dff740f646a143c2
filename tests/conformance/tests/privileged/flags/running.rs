//! How a container is run: its streams, its end, its image, its log.

use std::fs;

use naru_test_framework::Engine;
use nix::sys::signal::Signal;

use super::{refused, said, shown};

const CATCHES: &str = "trap 'echo caught; exit 5' TERM; echo ready; while :; do usleep 20000; done";

#[test]
fn attach_chooses_the_streams() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let both = ["busybox", "sh", "-c", "echo out; echo err >&2"];
    let output = engine.docker(&[&["run", "--rm", "-a", "stderr"], &both[..]].concat())?;
    assert_eq!((output.success()?, output.stderr.as_str()), ("", "err\n"));
    let output = engine.docker(&[&["run", "--rm", "--attach", "stdout"], &both[..]].concat())?;
    assert_eq!((output.success()?, output.stderr.as_str()), ("out", ""));
    Ok(())
}

#[test]
fn interactive_keeps_the_input_open() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let run = ["run", "--rm", "--interactive", "busybox", "cat"];
    assert_eq!(engine.docker_with_input(&run, b"typed\n")?.success()?, "typed");
    let run = ["run", "--rm", "busybox", "cat"];
    assert_eq!(engine.docker_with_input(&run, b"typed\n")?.success()?, "");
    Ok(())
}

#[test]
fn tty_is_a_terminal() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let run = ["run", "--rm", "--tty", "busybox", "sh", "-c", "tty; echo $TERM"];
    assert_eq!(engine.docker(&run)?.success()?, "/dev/pts/0\r\nxterm\r");
    Ok(())
}

#[test]
fn detach_gives_the_id_and_goes() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let run = ["run", "--detach", "--name", "away", "busybox", "sleep", "1000"];
    let id = engine.docker(&run)?.success()?.to_owned();
    assert_eq!(engine.docker(&["ps", "-q", "--no-trunc"])?.success()?, id);
    Ok(())
}

#[test]
fn sig_proxy_hands_signals_on_or_not() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let mut run = engine.spawn(&["run", "--rm", "busybox", "sh", "-c", CATCHES])?;
    assert_eq!(run.line()?, "ready");
    run.signal(Signal::SIGTERM);
    assert_eq!(run.line()?, "caught");
    run.finish()?.failure(5)?;

    let run = ["run", "--name", "stays", "--sig-proxy=false", "busybox", "sh", "-c", CATCHES];
    let mut run = engine.spawn(&run)?;
    assert_eq!(run.line()?, "ready");
    run.signal(Signal::SIGTERM);
    engine.docker(&["kill", "stays"])?.success()?;
    let output = run.finish()?;
    output.failure(137)?;
    assert_eq!(output.stdout, "", "it was not told");
    Ok(())
}

#[test]
fn detach_keys_are_those_of_the_flag() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let run = ["run", "-it", "--name", "shell", "--detach-keys", "ctrl-x,q", "busybox", "sh"];
    let mut terminal = engine.terminal(&run, 24, 80)?;
    terminal.expect("/ # ")?;
    terminal.type_in("\x18q")?;
    terminal.finish()?;
    assert_eq!(engine.docker(&["ps", "--format", "{{.Names}}"])?.success()?, "shell");
    Ok(())
}

#[test]
fn name_is_the_only_one_of_its_kind() -> anyhow::Result<()> {
    assert_eq!(shown(&[], "{{.Name}}")?, "/shown");
    let said = refused(&["--name", "-x"], 125)?;
    assert!(said.contains("nvalid container name (-x)"), "{said}");
    Ok(())
}

#[test]
fn cidfile_has_the_id() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let id = engine.docker(&["create", "--cidfile", "id", "busybox"])?.success()?.to_owned();
    assert_eq!(fs::read_to_string(engine.scratch().join("id"))?, id);
    engine.docker(&["create", "--cidfile", "id", "busybox"])?.failure(1)?;
    Ok(())
}

#[test]
fn rm_takes_the_container_away_at_its_end() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let filter = ["events", "--since", engine.since(), "--filter", "event=destroy"];
    engine.docker(&["run", "-d", "--rm", "--name", "brief", "busybox", "true"])?.success()?;
    let format = ["--format", "{{.Actor.Attributes.name}}"];
    assert_eq!(engine.spawn(&[&filter[..], &format].concat())?.line()?, "brief");
    assert_eq!(engine.docker(&["ps", "-aq"])?.success()?, "");
    Ok(())
}

#[test]
fn restart_on_failure_tries_so_often() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let run = ["run", "-d", "--name", "fails", "--restart", "on-failure:2", "busybox", "false"];
    engine.docker(&run)?.success()?;
    let events = ["events", "--since", engine.since(), "--filter", "container=fails"];
    let filter = ["--filter", "event=die", "--format", "{{.Action}}"];
    let mut deaths = engine.spawn(&[&events[..], &filter].concat())?;
    for _ in 0..3 {
        assert_eq!(deaths.line()?, "die");
    }
    engine.docker(&["wait", "fails"])?.success()?;
    let format = "{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}";
    assert_eq!(engine.docker(&["inspect", "-f", format, "fails"])?.success()?, "2 exited 1");
    Ok(())
}

#[test]
fn health_flags_are_in_the_configuration() -> anyhow::Result<()> {
    let flags = ["--health-cmd", "true", "--health-interval", "2s", "--health-timeout", "3s"];
    let more = ["--health-retries", "4", "--health-start-period", "5s"];
    let format = "{{json .Config.Healthcheck}}";
    assert_eq!(
        shown(&[&flags[..], &more].concat(), format)?,
        r#"{"Test":["CMD-SHELL","true"],"Interval":2000000000,"Timeout":3000000000,"StartPeriod":5000000000,"Retries":4}"#
    );
    assert_eq!(shown(&["--no-healthcheck"], format)?, r#"{"Test":["NONE"]}"#);
    Ok(())
}

#[test]
fn pull_says_whether_an_image_may_be_fetched() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let never = ["run", "--rm", "--pull", "never", "busybox", "echo", "here"];
    assert_eq!(engine.docker(&never)?.success()?, "here");
    let output = engine.docker(&["run", "--pull=never", "nosuch"])?;
    assert!(output.failure(125)?.contains("No such image: nosuch:latest"), "{output:?}");
    // No such registry: a pull is tried, and fails.
    let always = ["run", "--rm", "--pull", "always", "127.0.0.1:1/nosuch", "true"];
    assert!(engine.docker(&always)?.failure(125)?.contains("refused"));
    Ok(())
}

#[test]
fn platform_is_that_of_the_image() -> anyhow::Result<()> {
    let own = if cfg!(target_arch = "x86_64") { "linux/amd64" } else { "linux/arm64" };
    assert_eq!(said(&["--platform", own, "--pull=never"], &["echo", "runs"])?, "runs");
    let said = refused(&["--platform", "linux/s390x", "--pull=never"], 125)?;
    assert!(said.contains("does not match the specified platform"), "{said}");
    Ok(())
}

#[test]
fn log_driver_and_log_opt_are_kept() -> anyhow::Result<()> {
    let format = "{{json .HostConfig.LogConfig}}";
    let options = ["--log-driver", "local", "--log-opt", "max-size=10k"];
    let expected = r#"{"Type":"local","Config":{"max-size":"10k"}}"#;
    assert_eq!(shown(&options, format)?, expected);
    let engine = Engine::with_busybox()?;
    let run = ["run", "--name", "quiet", "--log-driver", "none", "busybox", "echo", "said"];
    assert_eq!(engine.docker(&run)?.success()?, "said");
    let output = engine.docker(&["logs", "quiet"])?;
    let said = "configured logging driver does not support reading";
    assert!(output.failure(1)?.contains(said), "{output:?}");
    Ok(())
}

#[test]
fn cgroup_parent_is_above_the_container() -> anyhow::Result<()> {
    let options = ["--cgroup-parent", "/naru-tests", "--cgroupns", "host"];
    let seen = said(&options, &["cat", "/proc/self/cgroup"])?;
    assert!(seen.contains(":/naru-tests/"), "{seen}");
    Ok(())
}

#[test]
fn what_is_for_windows_is_refused() -> anyhow::Result<()> {
    let said = refused(&["--isolation", "hyperv"], 125)?;
    assert!(said.contains("nvalid isolation: \"hyperv\""), "{said}");
    Ok(())
}
