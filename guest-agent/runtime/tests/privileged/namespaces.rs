//! Namespaces of users and of time, and a first process of the runtime's own.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::process::Command;

use anyhow::Result;
use serde_json::json;

use crate::bundle::{Bundle, RUN_BUNDLE};

/// Where the users of these tests' containers begin on the host.
const FIRST: u32 = 100_000;

fn in_user_namespace(command: &str) -> Result<Bundle> {
    let mut bundle = Bundle::shell(command)?;
    let map = json!([{"containerID": 0, "hostID": FIRST, "size": 65536}]);
    bundle.set("/linux/uidMappings", map.clone())?;
    bundle.set("/linux/gidMappings", map)?;
    let namespaces = ["mount", "pid", "uts", "ipc", "network", "cgroup", "user"];
    let namespaces: Vec<_> = namespaces.iter().map(|name| json!({"type": name})).collect();
    bundle.set("/linux/namespaces", json!(namespaces))?;
    // Its files are its own users'.
    let status = Command::new("chown")
        .args(["-R", "-h", &format!("{FIRST}:{FIRST}")])
        .arg(bundle.path())
        .status()?;
    anyhow::ensure!(status.success(), "chown");
    Ok(bundle)
}

#[test]
fn root_inside_is_nobody_outside() -> Result<()> {
    let script = "id -u; cat /proc/self/uid_map; touch /made; stat -c %u /made; \
                  head -c 1 /dev/zero | wc -c; echo > /dev/null; ls /sys/class/net; \
                  mount -t tmpfs none /tmp 2>/dev/null || echo refused; hostname";
    let mut bundle = in_user_namespace(script)?;
    bundle.set("/process/oomScoreAdj", json!(77))?;
    bundle.set("/process/rlimits", json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]))?;
    let output = bundle.output()?;
    let lines: Vec<&str> = output.lines().map(str::trim).collect();
    let map = format!("0     {FIRST}      65536");
    assert_eq!(lines, ["0", &map, "0", "1", "lo", "refused", "naru-test"], "{output}");
    let made = fs::metadata(bundle.path().join("upper/made"))?;
    assert_eq!(made.uid(), FIRST);
    Ok(())
}

#[test]
fn the_hosts_files_are_not_roots_inside() -> Result<()> {
    let mut bundle = in_user_namespace("cat /secret; stat -c %u /secret")?;
    let secret = bundle.path().join("secret");
    fs::write(&secret, "host\n")?;
    chown(&secret, Some(0), Some(0))?;
    fs::set_permissions(&secret, PermissionsExt::from_mode(0o600))?;
    bundle.mount(json!({"destination": "/secret", "source": secret, "options": ["bind"]}))?;
    let output = bundle.run()?;
    assert_eq!(String::from_utf8(output.stdout)?, "65534\n");
    assert!(String::from_utf8(output.stderr)?.contains("Permission denied"));
    Ok(())
}

#[test]
fn a_further_process_is_in_the_same_user_namespace() -> Result<()> {
    let bundle = in_user_namespace("echo ready; cat")?;
    let running = bundle.start()?;
    let process = json!({
        "cwd": "/", "args": ["sh", "-c", "id -u; (readlink /proc/self/ns/user; readlink /proc/1/ns/user) | uniq | wc -l"],
        "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0},
    });
    let output = bundle.exec(&running, &process)?;
    assert_eq!(String::from_utf8(output.stdout)?, "0\n1\n", "{:?}", output.stderr);
    running.stop()?;
    Ok(())
}

#[test]
fn mappings_and_namespace_go_together() -> Result<()> {
    let mut bundle = Bundle::shell("true")?;
    bundle.set("/linux/namespaces", json!([{"type": "mount"}, {"type": "user"}]))?;
    bundle.set("/hostname", json!(null))?;
    let message = String::from_utf8(bundle.run()?.stderr)?;
    assert_eq!(message, "a user namespace needs uidMappings\n");
    let map = json!([{"containerID": 0, "hostID": FIRST, "size": 1}]);
    bundle.set("/linux/uidMappings", map.clone())?;
    bundle.set("/linux/gidMappings", map)?;
    bundle.set("/linux/namespaces", json!([{"type": "mount"}]))?;
    let message = String::from_utf8(bundle.run()?.stderr)?;
    assert_eq!(message, "uidMappings need a new user namespace\n");
    Ok(())
}

#[test]
fn clocks_can_be_others() -> Result<()> {
    if !fs::exists("/proc/self/ns/time")? {
        return Ok(());
    }
    let mut bundle = Bundle::shell("cut -d. -f1 /proc/uptime; readlink /proc/self/ns/time")?;
    let mut namespaces = bundle.spec["linux"]["namespaces"].clone();
    if let Some(list) = namespaces.as_array_mut() {
        list.push(json!({"type": "time"}));
    }
    bundle.set("/linux/namespaces", namespaces)?;
    bundle.set("/linux/timeOffsets", json!({"boottime": {"secs": 864_000_000}}))?;
    let output = bundle.output()?;
    let (uptime, namespace) = output.split_once('\n').unwrap_or_default();
    assert!(uptime.parse::<u64>()? >= 864_000_000, "{output}");
    let own = fs::read_link("/proc/self/ns/time")?;
    assert_ne!(own.to_str(), Some(namespace.trim()));

    bundle.set("/linux/timeOffsets", json!({"realtime": {"secs": 1}}))?;
    let message = String::from_utf8(bundle.run()?.stderr)?;
    assert_eq!(message, "clock \"realtime\" has no time offset\n");
    Ok(())
}

#[test]
fn the_personality_is_the_specifications() -> Result<()> {
    let mut bundle = Bundle::shell("uname -m")?;
    bundle.set("/linux/personality", json!({"domain": "LINUX32"}))?;
    let expected = if cfg!(target_arch = "x86_64") { "i686\n" } else { "armv8l\n" };
    assert_eq!(bundle.output()?, expected);
    bundle.set("/linux/personality", json!({"domain": "LINUX", "flags": ["ADDR_NO_RANDOMIZE"]}))?;
    let message = String::from_utf8(bundle.run()?.stderr)?;
    assert_eq!(message, "linux.personality.flags is not supported\n");
    Ok(())
}

#[test]
fn a_container_has_a_keyring_of_its_own() -> Result<()> {
    if !fs::exists("/proc/keys")? {
        return Ok(());
    }
    // The first column is the key's number. Other sessions of root's are seen as well.
    let bundle = Bundle::shell("grep ' _ses: ' /proc/keys | cut -d' ' -f1")?;
    let (first, second) = (bundle.output()?, bundle.output()?);
    assert!(second.lines().any(|key| !first.lines().any(|known| known == key)), "{second}");
    Ok(())
}

fn supervised(bundle: &Bundle) -> Result<std::process::Output> {
    bundle.write()?;
    Ok(Command::new(RUN_BUNDLE).arg("run-supervised").arg(bundle.path()).output()?)
}

#[test]
fn a_supervisor_ends_as_the_program_does() -> Result<()> {
    let bundle = Bundle::shell("cat /proc/1/comm; ls /proc/self/fd | wc -l; exit 9")?;
    let output = supervised(&bundle)?;
    assert_eq!(String::from_utf8(output.stdout)?, "docker-init\n4\n");
    assert_eq!(output.status.code(), Some(9));
    let output = supervised(&Bundle::shell("kill -TERM $$")?)?;
    assert_eq!(output.status.code(), Some(143));
    let output = supervised(&Bundle::new(&["nosuch"])?)?;
    assert_eq!(output.status.code(), Some(127));
    Ok(())
}

#[test]
fn a_supervisor_cannot_be_looked_into() -> Result<()> {
    let bundle = Bundle::shell("cat /proc/1/environ; cat /proc/1/exe; true")?;
    let output = supervised(&bundle)?;
    assert_eq!(String::from_utf8(output.stdout)?, "");
    assert_eq!(String::from_utf8(output.stderr)?.matches("Permission denied").count(), 2);
    Ok(())
}
