//! Further processes in a running container.

use anyhow::Result;
use serde_json::{Value, json};

use crate::bundle::Bundle;

fn process(arguments: &[&str]) -> Value {
    json!({"cwd": "/", "args": arguments, "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}})
}

#[test]
fn it_sees_what_the_container_sees() -> Result<()> {
    let bundle = Bundle::shell("echo here > /tmp/mark; echo ready; cat; true")?;
    let running = bundle.start()?;
    let script = "hostname; cat /tmp/mark; ls /sys/class/net; cat /proc/1/comm; \
                  cat /proc/self/cgroup | grep -o '0::/$'";
    let output = bundle.exec(&running, &process(&["sh", "-c", script]))?;
    assert_eq!(String::from_utf8(output.stdout)?, "naru-test\nhere\nlo\nsh\n0::/\n");
    running.stop()?;
    Ok(())
}

#[test]
fn it_has_a_user_a_directory_and_an_exit_code_of_its_own() -> Result<()> {
    let bundle = Bundle::shell("echo ready; cat")?;
    let running = bundle.start()?;
    let mut process = process(&["sh", "-c", "id -u; pwd; exit 7"]);
    process["user"] = json!({"uid": 33, "gid": 33});
    process["cwd"] = json!("/tmp");
    let output = bundle.exec(&running, &process)?;
    assert_eq!(String::from_utf8(output.stdout)?, "33\n/tmp\n");
    assert_eq!(output.status.code(), Some(7));
    running.stop()?;
    Ok(())
}

#[test]
fn its_terminal_is_in_the_containers_devpts() -> Result<()> {
    let bundle = Bundle::shell("echo ready; cat")?;
    let running = bundle.start()?;
    let mut process = process(&["sh", "-c", "tty; stty size"]);
    process["terminal"] = json!(true);
    process["consoleSize"] = json!({"height": 20, "width": 70});
    let output = bundle.exec(&running, &process)?;
    assert_eq!(String::from_utf8(output.stdout)?, "/dev/pts/0\r\n20 70\r\n");
    running.stop()?;
    Ok(())
}

#[test]
fn a_missing_program_has_the_words_that_clients_know() -> Result<()> {
    let bundle = Bundle::shell("echo ready; cat")?;
    let running = bundle.start()?;
    let output = bundle.exec(&running, &process(&["foo"]))?;
    let message = String::from_utf8(output.stderr)?;
    assert_eq!(message, "exec: \"foo\": executable file not found in $PATH\n");
    assert_eq!(output.status.code(), Some(127));
    running.stop()?;
    Ok(())
}
