//! What the process is given.

use std::fs;

use naru_test_framework::Engine;

use super::{refused, said, shell, shown};

#[test]
fn user_is_a_name_a_number_or_both() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    for (user, expected) in [
        ("daemon", "uid=1(daemon) gid=1(daemon) groups=1(daemon),4(adm)"),
        ("33", "uid=33(www-data) gid=33(www-data) groups=33(www-data)"),
        ("www-data:adm", "uid=33(www-data) gid=4(adm) groups=4(adm)"),
        ("7:8", "uid=7 gid=8 groups=8"),
    ] {
        let output = engine.docker(&["run", "--rm", "--user", user, "busybox", "id"])?;
        assert_eq!(output.success()?, expected, "{user}");
    }
    Ok(())
}

#[test]
fn group_add_is_a_name_or_a_number() -> anyhow::Result<()> {
    let options = ["--user", "www-data", "--group-add", "adm", "--group-add", "4321"];
    assert_eq!(said(&options, &["id", "-G"])?, "33 4 4321");
    let said = refused(&["--group-add", "nosuch"], 125)?;
    assert!(
        said.contains("nable to find group nosuch: no matching entries in group file"),
        "{said}"
    );
    Ok(())
}

#[test]
fn workdir_is_made() -> anyhow::Result<()> {
    assert_eq!(said(&["--workdir", "/made/for/it"], &["pwd"])?, "/made/for/it");
    let said = refused(&["-w", "relative"], 125)?;
    assert!(said.contains("the working directory 'relative' is invalid"), "{said}");
    Ok(())
}

#[test]
fn env_is_given_taken_over_and_taken_away() -> anyhow::Result<()> {
    let options = ["--env", "ONE=1 2", "-e", "EMPTY=", "-e", "DOCKER_CONFIG", "-e", "NO_SUCH"];
    let said = shell(&options, "env")?;
    let has = |wanted: &str| said.lines().any(|line| line == wanted);
    assert!(has("ONE=1 2") && has("EMPTY="), "{said}");
    assert!(said.contains("DOCKER_CONFIG=/"), "the client's own value: {said}");
    assert!(!said.contains("NO_SUCH"), "{said}");
    assert!(has("HOME=/root"), "{said}");
    Ok(())
}

#[test]
fn env_file_gives_a_variable_a_line() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    fs::write(engine.scratch().join("env"), "# none\nA=from file\nB=overridden\n")?;
    let run = ["run", "--rm", "--env-file", "env", "-e", "B=flag", "busybox", "sh", "-c"];
    let output = engine.docker(&[&run[..], &["echo $A, $B"]].concat())?;
    assert_eq!(output.success()?, "from file, flag");
    Ok(())
}

#[test]
fn entrypoint_takes_the_place_of_the_command() -> anyhow::Result<()> {
    assert_eq!(said(&["--entrypoint", "echo"], &["a", "b"])?, "a b");
    assert_eq!(
        shown(&["--entrypoint", "top"], "{{.Path}} {{.Args}} {{.Config.Cmd}}")?,
        "top [] []"
    );
    Ok(())
}

#[test]
fn hostname_and_domainname_are_the_containers() -> anyhow::Result<()> {
    let options = ["--hostname", "ship", "--domainname", "harbour.test"];
    let script = "hostname; cat /proc/sys/kernel/domainname; grep -o 'ship.*' /etc/hosts";
    assert_eq!(shell(&options, script)?, "ship\nharbour.test\nship.harbour.test ship");
    let said = refused(&["--hostname", &"x".repeat(64)], 125);
    assert!(said.is_err() || said?.contains("hostname"), "it is too long for the kernel");
    Ok(())
}

#[test]
fn ulimit_has_a_soft_and_a_hard_value() -> anyhow::Result<()> {
    let options = ["--ulimit", "nofile=64:128", "--ulimit", "core=0", "--ulimit", "nproc=512"];
    let script = "ulimit -Sn; ulimit -Hn; ulimit -c; \
                  awk '/Max processes/{print $3, $4}' /proc/self/limits";
    assert_eq!(shell(&options, script)?, "64\n128\n0\n512 512");
    let shown = shown(&options[..2], "{{json .HostConfig.Ulimits}}")?;
    assert_eq!(shown, r#"[{"Name":"nofile","Hard":128,"Soft":64}]"#);
    Ok(())
}

#[test]
fn sysctl_is_set_in_the_containers_namespaces_alone() -> anyhow::Result<()> {
    let options = ["--sysctl", "net.ipv4.ip_forward=0", "--sysctl", "kernel.msgmax=4096"];
    let script = "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax";
    assert_eq!(shell(&options, script)?, "0\n4096");
    let said = refused(&["--sysctl", "kernel.panic=1"], 125)?;
    assert!(said.contains("kernel.panic"), "{said}");
    Ok(())
}

#[test]
fn oom_score_adj_is_the_processs() -> anyhow::Result<()> {
    assert_eq!(said(&["--oom-score-adj", "500"], &["cat", "/proc/self/oom_score_adj"])?, "500");
    Ok(())
}

#[test]
fn init_is_the_first_process_and_buries_orphans() -> anyhow::Result<()> {
    let script = "echo $$ | grep -vx 1 >/dev/null && echo second; (sleep 0 &); \
                  until ! grep -q ' Z ' /proc/[0-9]*/stat 2>/dev/null; do usleep 10000; done";
    assert_eq!(shell(&["--init"], script)?, "second");
    Ok(())
}

#[test]
fn labels_come_from_flags_and_files() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    fs::write(engine.scratch().join("labels"), "from=file\nother=file\n")?;
    let create = ["create", "--name", "shown", "--label-file", "labels", "--label", "from=flag"];
    engine.docker(&[&create[..], &["-l", "a.b=c=d", "busybox"]].concat())?.success()?;
    let shown = engine.docker(&["inspect", "-f", "{{json .Config.Labels}}", "shown"])?;
    assert_eq!(shown.success()?, r#"{"a.b":"c=d","from":"flag","other":"file"}"#);
    Ok(())
}

#[test]
fn annotations_are_kept() -> anyhow::Result<()> {
    let shown = shown(&["--annotation", "org.example=yes"], "{{json .HostConfig.Annotations}}")?;
    assert_eq!(shown, r#"{"org.example":"yes"}"#);
    Ok(())
}

#[test]
fn stop_signal_and_stop_timeout_are_those_of_a_stop() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let script = "trap 'exit 5' USR1; echo ready; while :; do usleep 20000; done";
    let run = ["run", "-d", "--name", "hears", "--stop-signal", "USR1", "--stop-timeout", "60"];
    engine.docker(&[&run[..], &["busybox", "sh", "-c", script]].concat())?.success()?;
    assert_eq!(engine.spawn(&["logs", "-f", "hears"])?.line()?, "ready");
    // PID 1 ignores what it has no handler for.
    let run = ["run", "-d", "--name", "deaf", "--stop-signal", "USR1", "--stop-timeout", "1"];
    engine.docker(&[&run[..], &["busybox", "sleep", "1000"]].concat())?.success()?;
    engine.docker(&["stop", "hears", "deaf"])?.success()?;
    let format = "{{.State.ExitCode}} {{.Config.StopSignal}} {{.Config.StopTimeout}}";
    let shown = engine.docker(&["inspect", "-f", format, "hears", "deaf"])?;
    assert_eq!(shown.success()?, "5 USR1 60\n137 USR1 1");
    drop(engine);
    let said = refused(&["--stop-signal", "NOPE"], 125)?;
    assert!(said.contains("nvalid signal: NOPE"), "{said}");
    Ok(())
}
