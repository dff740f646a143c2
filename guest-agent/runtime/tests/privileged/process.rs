//! How a container's process starts, what it is, and how it ends.

use std::process::{Command, Stdio};

use anyhow::Result;
use serde_json::json;

use crate::bundle::{Bundle, RUN_BUNDLE};

#[test]
fn the_exit_code_comes_back() -> Result<()> {
    for code in [0, 1, 42] {
        let output = Bundle::shell(&format!("exit {code}"))?.run()?;
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
    Ok(())
}

#[test]
fn a_signal_is_128_and_its_number() -> Result<()> {
    // The first process of a PID namespace cannot kill itself, so that a second one must be
    // what dies.
    let mut bundle = Bundle::shell("kill -KILL $$")?;
    bundle.set("/linux/namespaces", json!([{"type": "mount"}]))?;
    bundle.set("/hostname", json!(null))?;
    assert_eq!(bundle.run()?.status.code(), Some(137));
    Ok(())
}

#[test]
fn it_is_process_1_with_its_own_hostname_and_processes() -> Result<()> {
    let bundle = Bundle::shell("echo $$; hostname; ls -d /proc/[0-9]*; true")?;
    assert_eq!(bundle.output()?, "1\nnaru-test\n/proc/1\n");
    Ok(())
}

#[test]
fn it_has_only_a_loopback_interface() -> Result<()> {
    let bundle = Bundle::shell("ls /sys/class/net")?;
    assert_eq!(bundle.output()?, "lo\n");
    Ok(())
}

#[test]
fn it_is_in_the_cgroup_of_the_specification_and_sees_it_as_the_root() -> Result<()> {
    let bundle = Bundle::shell("cat /proc/self/cgroup; cat /sys/fs/cgroup/cgroup.procs")?;
    let output = bundle.output()?;
    assert!(output.contains("0::/\n"), "{output}");
    assert!(output.lines().any(|line| line == "1"), "{output}");
    assert!(!bundle.cgroup()?.exists(), "the cgroup is gone afterwards");
    Ok(())
}

#[test]
fn it_has_the_user_and_groups_of_the_specification() -> Result<()> {
    let mut bundle = Bundle::shell("id -u; id -g; id -G; umask; echo $HOME")?;
    let user = json!({"uid": 33, "gid": 34, "additionalGids": [40, 41], "umask": 0o077});
    bundle.set("/process/user", user)?;
    assert_eq!(bundle.output()?, "33\n34\n34 40 41\n0077\n/srv\n");
    Ok(())
}

#[test]
fn a_missing_working_directory_is_made() -> Result<()> {
    let mut bundle = Bundle::new(&["pwd"])?;
    bundle.set("/process/cwd", json!("/srv/app"))?;
    assert_eq!(bundle.output()?, "/srv/app\n");
    Ok(())
}

#[test]
fn a_working_directory_that_is_a_file_is_an_error() -> Result<()> {
    let mut bundle = Bundle::new(&["pwd"])?;
    bundle.set("/process/cwd", json!("/etc/passwd"))?;
    let output = bundle.run()?;
    assert_eq!(output.status.code(), Some(125));
    let message = String::from_utf8(output.stderr)?;
    assert!(message.contains("cwd (\"/etc/passwd\")"), "{message}");
    Ok(())
}

#[test]
fn resource_limits_hold() -> Result<()> {
    let mut bundle = Bundle::shell("ulimit -n; ulimit -Hn")?;
    bundle.set("/process/rlimits", json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]))?;
    assert_eq!(bundle.output()?, "100\n200\n");
    Ok(())
}

#[test]
fn the_oom_score_is_set() -> Result<()> {
    let mut bundle = Bundle::shell("cat /proc/self/oom_score_adj")?;
    bundle.set("/process/oomScoreAdj", json!(321))?;
    assert_eq!(bundle.output()?, "321\n");
    Ok(())
}

#[test]
fn only_the_standard_streams_are_open() -> Result<()> {
    let bundle = Bundle::shell("ls /proc/self/fd")?;
    // The fourth is the directory that `ls` reads.
    assert_eq!(bundle.output()?, "0\n1\n2\n3\n");
    Ok(())
}

#[test]
fn signals_are_as_a_program_expects_them() -> Result<()> {
    let bundle = Bundle::new(&["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"])?;
    assert_eq!(bundle.output()?, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    Ok(())
}

#[test]
fn a_terminal_is_one_and_has_its_size() -> Result<()> {
    let mut bundle = Bundle::shell("test -t 0 && test -t 1 && tty; stty size; ls -l /dev/console")?;
    bundle.set("/process/terminal", json!(true))?;
    bundle.set("/process/consoleSize", json!({"height": 33, "width": 111}))?;
    let output = bundle.output()?;
    assert!(output.starts_with("/dev/pts/0\r\n33 111\r\n"), "{output:?}");
    assert!(output.contains("136,   0"), "the console is the terminal: {output:?}");
    Ok(())
}

#[test]
fn what_cannot_be_run_has_the_words_that_clients_know() -> Result<()> {
    let cases = [
        ("foo", 127, "exec: \"foo\": executable file not found in $PATH\n"),
        ("/x", 127, "exec: \"/x\": stat /x: no such file or directory\n"),
        ("/etc/passwd", 126, "exec: \"/etc/passwd\": permission denied\n"),
        ("/etc", 126, "exec: \"/etc\": is a directory: permission denied\n"),
    ];
    for (program, code, message) in cases {
        let bundle = Bundle::new(&[program])?;
        let output = bundle.run()?;
        assert_eq!(String::from_utf8(output.stderr)?, message);
        assert_eq!(output.status.code(), Some(code), "{program}");
        assert!(!bundle.cgroup()?.exists(), "nothing is left of {program}");
    }
    Ok(())
}

#[test]
fn a_limit_without_its_controller_is_refused_before_anything_is_made() -> Result<()> {
    let mut bundle = Bundle::new(&["true"])?;
    bundle.set("/linux/resources", json!({"unified": {"nonsense.max": "1"}}))?;
    let output = bundle.run()?;
    assert_eq!(output.status.code(), Some(125));
    let message = String::from_utf8(output.stderr)?;
    assert!(message.contains("needs the cgroup v2 controller nonsense"), "{message}");
    assert!(!bundle.cgroup()?.exists());
    Ok(())
}

#[test]
fn limits_of_huge_pages_and_of_files_by_name_hold_or_are_refused() -> Result<()> {
    let mut bundle =
        Bundle::shell("cat /sys/fs/cgroup/hugetlb.2MB.max /sys/fs/cgroup/hugetlb.2MB.rsvd.max")?;
    let limits = json!({
        "hugepageLimits": [{"pageSize": "2MB", "limit": 4_194_304}],
        "unified": {"hugetlb.2MB.rsvd.max": "2097152"},
    });
    bundle.set("/linux/resources", limits)?;
    let output = bundle.run()?;
    let root = bundle.cgroup()?;
    let root = root.ancestors().nth(2).unwrap_or(&root);
    let controllers = std::fs::read_to_string(root.join("cgroup.controllers"))?;
    if controllers.split_whitespace().any(|controller| controller == "hugetlb") {
        assert_eq!(String::from_utf8(output.stdout)?, "4194304\n2097152\n");
    } else {
        let message = String::from_utf8(output.stderr)?;
        assert!(message.contains("needs the cgroup v2 controller hugetlb"), "{message}");
    }
    Ok(())
}

#[test]
fn another_containers_namespaces_can_be_joined() -> Result<()> {
    let first = Bundle::shell("echo ready; cat")?;
    let running = first.start()?;
    let mut second = Bundle::shell("hostname; ps -o args | grep -c '[c]at'")?;
    let path = |name: &str| format!("/proc/{}/ns/{name}", running.pid);
    second.set(
        "/linux/namespaces",
        json!([
            {"type": "mount"}, {"type": "pid", "path": path("pid")},
            {"type": "uts", "path": path("uts")}, {"type": "network", "path": path("net")},
        ]),
    )?;
    second.set("/hostname", json!(null))?;
    assert_eq!(second.output()?, "naru-test\n1\n");
    running.stop()?;
    Ok(())
}

#[test]
fn a_caller_with_threads_is_refused() -> Result<()> {
    // This test is such a caller.
    let bundle = Bundle::new(&["true"])?;
    bundle.write()?;
    let spec = oci_spec::runtime::Spec::load(bundle.path().join("config.json"))?;
    let result = naru_runtime::create(naru_runtime::CreateRequest {
        id: "threads",
        spec: &spec,
        bundle: bundle.path(),
        stdio: naru_runtime::Stdio::default(),
        preserved: 0,
        supervised: false,
        gate: None,
    });
    let message = result.map(drop).map_err(|error| error.to_string());
    let expected = "the runtime was called from a process with several threads";
    assert_eq!(message, Err(expected.to_owned()));
    Ok(())
}

#[test]
fn a_container_dies_with_its_cgroup() -> Result<()> {
    let bundle = Bundle::shell("sleep 1000 & echo ready; cat")?;
    let mut running = bundle.start()?;
    std::fs::write(bundle.cgroup()?.join("cgroup.kill"), "1")?;
    assert_eq!(running.runner.wait()?.code(), Some(137));
    assert!(!bundle.cgroup()?.exists());
    Ok(())
}

#[test]
fn a_process_that_was_not_started_dies_with_its_parent() -> Result<()> {
    // The runner dies while the child looks for its working directory, at the latest; however
    // far the child has got, it finds its parent gone.
    let bundle = Bundle::shell("echo started")?;
    bundle.write()?;
    let mut runner =
        Command::new(RUN_BUNDLE).arg("run").arg(bundle.path()).stdout(Stdio::piped()).spawn()?;
    runner.kill()?;
    runner.wait()?;
    let group = naru_runtime::Cgroup::at(std::path::Path::new(
        bundle.spec["linux"]["cgroupsPath"].as_str().unwrap_or_default(),
    ))?;
    group.remove()?;
    assert!(!group.directory().exists());
    Ok(())
}
