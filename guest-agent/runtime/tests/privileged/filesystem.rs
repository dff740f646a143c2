//! What a container finds in its file system.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::bundle::{Bundle, mounts};

#[test]
fn the_upper_layer_takes_the_changes_and_whiteouts_hide() -> Result<()> {
    let mut bundle = Bundle::shell("ls /srv; echo new > /srv/new; rm /srv/bottom")?;
    let top = bundle.path().join("top");
    fs::create_dir_all(bundle.lower().join("srv"))?;
    fs::create_dir_all(top.join("srv"))?;
    fs::write(bundle.lower().join("srv/bottom"), "")?;
    fs::write(bundle.lower().join("srv/hidden"), "")?;
    fs::write(top.join("srv/top"), "")?;
    let mut mknod = Command::new("mknod");
    ensure!(mknod.arg(top.join("srv/hidden")).args(["c", "0", "0"]).status()?.success());
    bundle.spec["mounts"] = mounts(bundle.path(), &["top", "lower"]);
    assert_eq!(bundle.output()?, "bottom\ntop\n");
    assert!(bundle.path().join("upper/srv/new").exists());
    assert!(bundle.lower().join("srv/bottom").exists(), "a layer never changes");
    Ok(())
}

#[test]
fn a_directory_can_be_the_root() -> Result<()> {
    let mut bundle = Bundle::shell("echo inside > /made; cat /made")?;
    bundle.spec["mounts"].as_array_mut().map(|mounts| mounts.remove(0));
    assert_eq!(bundle.output()?, "inside\n");
    assert!(bundle.lower().join("made").exists());
    Ok(())
}

#[test]
fn a_read_only_root_refuses_changes() -> Result<()> {
    let mut bundle = Bundle::shell("touch /x; touch /dev/shm/x && echo shm")?;
    bundle.set("/root/readonly", json!(true))?;
    let output = bundle.run()?;
    assert_eq!(String::from_utf8(output.stdout)?, "shm\n");
    assert!(String::from_utf8(output.stderr)?.contains("Read-only file system"));
    Ok(())
}

#[test]
fn nothing_stays_mounted_on_the_host() -> Result<()> {
    let bundle = Bundle::shell("echo ready; cat")?;
    let running = bundle.start()?;
    let directory = bundle.path().display().to_string();
    let while_running = fs::read_to_string("/proc/self/mountinfo")?;
    assert!(!while_running.contains(&directory), "the host never sees the container's mounts");
    running.stop()?;
    assert!(!fs::read_to_string("/proc/self/mountinfo")?.contains(&directory));
    Ok(())
}

#[test]
fn the_host_is_not_to_be_seen() -> Result<()> {
    let bundle = Bundle::shell("cut -d' ' -f5 /proc/self/mountinfo | head -1; ls /..")?;
    let output = bundle.output()?;
    assert_eq!(output, "/\nbin\ndev\netc\nproc\nsys\ntmp\n");
    Ok(())
}

#[test]
fn devices_and_their_links_are_there() -> Result<()> {
    let bundle = Bundle::shell(
        "for d in null zero full random urandom tty; do test -c /dev/$d || echo no $d; done; \
         for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done; echo x > /dev/null; \
         head -c 2 /dev/zero | wc -c; stat -c %a /dev/null",
    )?;
    assert_eq!(
        bundle.output()?,
        "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n2\n666\n"
    );
    Ok(())
}

#[test]
fn a_device_of_the_specification_is_made() -> Result<()> {
    let mut bundle = Bundle::shell("stat -c '%F %t:%T %a %u' /dev/sub/fuse")?;
    let device = json!([{"path": "/dev/sub/fuse", "type": "c", "major": 10, "minor": 229,
                         "fileMode": 0o640, "uid": 33, "gid": 0}]);
    bundle.set("/linux/devices", device)?;
    assert_eq!(bundle.output()?, "character special file a:e5 640 33\n");
    Ok(())
}

#[test]
fn a_bind_mount_shows_a_directory_or_a_file_of_the_host() -> Result<()> {
    let mut bundle = Bundle::shell(
        "cat /data/file /etc/one; echo changed > /data/file; \
         touch /etc/one 2>/dev/null || echo read-only",
    )?;
    let data = bundle.path().join("data");
    fs::create_dir(&data)?;
    fs::write(data.join("file"), "from the host\n")?;
    bundle.mount(json!({"destination": "/data", "type": "bind", "source": data,
                        "options": ["rbind", "rprivate"]}))?;
    bundle.mount(json!({"destination": "/etc/one", "type": "bind",
                        "source": data.join("file"), "options": ["bind", "ro"]}))?;
    assert_eq!(bundle.output()?, "from the host\nfrom the host\nread-only\n");
    assert_eq!(fs::read_to_string(data.join("file"))?, "changed\n");
    Ok(())
}

#[test]
fn a_link_in_the_image_cannot_lead_a_mount_outside() -> Result<()> {
    let mut bundle = Bundle::shell("cat /etc/escape/file /tmp/deep/file")?;
    let data = bundle.path().join("data");
    let outside = bundle.path().join("outside");
    fs::create_dir(&data)?;
    fs::create_dir(&outside)?;
    fs::write(data.join("file"), "mounted\n")?;
    symlink(&outside, bundle.lower().join("etc/escape"))?;
    symlink("../../../../../../../..", bundle.lower().join("tmp/up"))?;
    symlink(format!("up{}", outside.display()), bundle.lower().join("tmp/deep"))?;
    for destination in ["/etc/escape", "/tmp/deep"] {
        bundle.mount(json!({"destination": destination, "type": "bind", "source": data,
                            "options": ["bind"]}))?;
    }
    assert_eq!(bundle.output()?, "mounted\nmounted\n");
    assert_eq!(fs::read_dir(outside)?.count(), 0);
    Ok(())
}

#[test]
fn proc_behind_a_link_is_refused() -> Result<()> {
    let bundle = Bundle::new(&["true"])?;
    fs::create_dir(bundle.lower().join("fake"))?;
    symlink("fake", bundle.lower().join("proc"))?;
    let output = bundle.run()?;
    let message = String::from_utf8(output.stderr)?;
    assert_eq!(message, "mount point /proc is behind a symbolic link\n");
    Ok(())
}

#[test]
fn sysctls_of_own_namespaces_are_set() -> Result<()> {
    let mut bundle =
        Bundle::shell("cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shmmni")?;
    bundle.set(
        "/linux/sysctl",
        json!({"net.ipv4.ip_unprivileged_port_start": "0", "kernel.shmmni": "77"}),
    )?;
    assert_eq!(bundle.output()?, "0\n77\n");
    Ok(())
}

#[test]
fn a_layer_with_a_very_long_path_is_mounted_the_older_way() -> Result<()> {
    let mut bundle = Bundle::shell("cat /deep; touch /new")?;
    let name = "x".repeat(100);
    let layer = format!("{name}/{name}/{name}");
    fs::create_dir_all(bundle.path().join(&layer))?;
    fs::write(bundle.path().join(&layer).join("deep"), "found\n")?;
    bundle.spec["mounts"] = mounts(bundle.path(), &[&layer, "lower"]);
    assert_eq!(bundle.output()?, "found\n");
    assert!(bundle.path().join("upper/new").exists());
    let mounted = fs::read_to_string("/proc/self/mountinfo")?;
    assert!(!mounted.contains(&bundle.path().display().to_string()));
    Ok(())
}

#[test]
fn a_volatile_overlay_can_be_used_again() -> Result<()> {
    let mut bundle = Bundle::shell("cat /kept; echo kept > /kept")?;
    let options = bundle.spec.pointer_mut("/mounts/0/options").and_then(|o| o.as_array_mut());
    options.context("options")?.push(json!("volatile"));
    bundle.run()?;
    assert!(bundle.path().join("work/work/incompat/volatile").exists(), "the kernel's mark");
    assert_eq!(bundle.output()?, "kept\n");
    Ok(())
}

/// A mount on the host, gone at the end.
struct Mounted(PathBuf);

impl Mounted {
    fn tmpfs(path: &Path) -> Result<Self> {
        let status = Command::new("mount").args(["-t", "tmpfs", "none"]).arg(path).status()?;
        ensure!(status.success(), "mount");
        Ok(Self(path.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(&self.0).status());
    }
}

#[test]
fn a_tmpfs_can_begin_with_what_it_covers() -> Result<()> {
    let mut bundle = Bundle::shell("cat /data/word; rm /data/word; ls /data; stat -c %a /data")?;
    fs::create_dir(bundle.lower().join("data"))?;
    fs::write(bundle.lower().join("data/word"), "said\n")?;
    let options = ["tmpcopyup", "mode=700"];
    bundle.mount(json!({"destination": "/data", "type": "tmpfs", "options": options}))?;
    assert_eq!(bundle.output()?, "said\n700\n");
    assert!(bundle.lower().join("data/word").exists());
    Ok(())
}

#[test]
fn read_only_can_go_all_the_way_down() -> Result<()> {
    let script = "touch /data/file || echo top; touch /data/below/file || echo below; true";
    for (option, refused) in [("ro", "top\n"), ("rro", "top\nbelow\n")] {
        let mut bundle = Bundle::shell(script)?;
        let below = bundle.path().join("data/below");
        fs::create_dir_all(&below)?;
        let _mounted = Mounted::tmpfs(&below)?;
        let source = bundle.path().join("data");
        bundle.mount(
            json!({"destination": "/data", "source": source, "options": ["rbind", option]}),
        )?;
        assert_eq!(bundle.output()?, refused, "{option}");
    }
    Ok(())
}

#[test]
fn the_owners_of_a_mounts_files_can_be_mapped() -> Result<()> {
    let mut bundle = Bundle::shell("stat -c %u:%g /data/file; touch /data/new")?;
    let source = bundle.path().join("data");
    fs::create_dir(&source)?;
    // Not every file system of a host can do this; a tmpfs can.
    let _mounted = Mounted::tmpfs(&source)?;
    fs::write(source.join("file"), "")?;
    chown(source.join("file"), Some(5), Some(6))?;
    let map = json!([{"containerID": 0, "hostID": 0, "size": 1},
                     {"containerID": 5, "hostID": 1005, "size": 2}]);
    bundle.mount(json!({
        "destination": "/data", "source": source, "options": ["bind", "idmap"],
        "uidMappings": map, "gidMappings": map,
    }))?;
    assert_eq!(bundle.output()?, "1005:1006\n");
    assert_eq!(fs::metadata(source.join("new"))?.uid(), 0);

    let mut bundle = Bundle::shell("true")?;
    bundle
        .mount(json!({"destination": "/data", "source": "/tmp", "options": ["bind", "idmap"]}))?;
    let message = String::from_utf8(bundle.run()?.stderr)?;
    assert_eq!(message, "mount of /data has no id mappings\n");
    Ok(())
}
