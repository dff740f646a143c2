//! Containers whose files are not what the engine may expect: links, other roots, devices.

use std::fs;
use std::path::PathBuf;

use naru_test_framework::NativeEngine;

use crate::expect_error;

/// An empty directory of the host, by a path that a container can name too.
fn outside(engine: &NativeEngine) -> anyhow::Result<PathBuf> {
    let outside = engine.scratch().join("outside");
    fs::create_dir(&outside)?;
    Ok(outside)
}

fn is_empty(directory: &PathBuf) -> anyhow::Result<bool> {
    Ok(fs::read_dir(directory)?.next().is_none())
}

#[test]
fn a_mount_below_a_link_is_made_inside() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    let outside = outside(&engine)?;
    let host = outside.display();
    let data = engine.scratch().join("data");
    fs::create_dir(&data)?;
    let binds = ["/one/in", "/two/in"].map(|target| format!("{}:{target}", data.display()));
    // The first time it puts links where directories were, which its mounts are below.
    let shell = format!(
        "if [ -L /one ]; then grep -o '{host}/[^ ]*' /proc/self/mountinfo | sort; exit; fi; \
         mv /one /old1; mv /two /old2; mv /three /old3; \
         ln -s {host} /one; ln -s ../../../../../../../..{host}/x /two; ln -s {host}/y /three"
    );
    let create = ["create", "--name", "links", "-v", &binds[0], "-v", &binds[1]];
    let command = ["--tmpfs", "/three/in", "busybox", "sh", "-c", &shell];
    engine.docker(&[&create[..], &command].concat())?.success()?;
    assert_eq!(engine.docker(&["start", "-a", "links"])?.success()?, "");
    let seen = engine.docker(&["start", "-a", "links"])?;
    assert_eq!(seen.success()?, format!("{host}/in\n{host}/x/in\n{host}/y/in"));
    assert!(is_empty(&outside)?, "nothing was made on the host");
    Ok(())
}

#[test]
fn a_race_over_the_target_of_a_mount_is_won_by_nobody() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    let outside = outside(&engine)?;
    let host = outside.display();
    for name in ["shared", "data"] {
        fs::create_dir(engine.scratch().join(name))?;
    }
    let shared = format!("{}:/shared", engine.scratch().join("shared").display());
    let below = format!("{}:/shared/target/in", engine.scratch().join("data").display());
    let flip = format!(
        "cd /shared; while :; do mkdir -p real/in; mv real target; mv target real; \
         ln -s {host} target; rm target; done 2>/dev/null"
    );
    let run = ["run", "-d", "-v", &shared, "busybox", "sh", "-c", &flip];
    engine.docker(&run)?.success()?;
    let mut mounted = 0;
    for _ in 0..40 {
        let run = ["run", "--rm", "-v", &shared, "-v", &below, "busybox"];
        let look = ["grep", "-c", "/in ", "/proc/self/mountinfo"];
        mounted += u32::from(engine.docker(&[&run[..], &look].concat())?.code == 0);
        assert!(is_empty(&outside)?, "the mount was made on the host");
    }
    assert!(mounted > 0, "no mount was ever made");
    Ok(())
}

#[test]
fn an_exec_enters_the_root_that_the_container_has_now() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    let shell = "mkdir /new && mount -t tmpfs none /new && cp -a /bin /new && cd /new && \
                 mkdir old proc dev etc && echo new > marker && \
                 mkdir -p proc/self/fd proc/self/ns proc/self/attr proc/1 && \
                 ln -s /old proc/1/root && mkfifo proc/self/oom_score_adj proc/self/mountinfo && \
                 pivot_root . old && umount -l old && echo ready && exec sleep 1000";
    let run = ["run", "-d", "--privileged", "--name", "swaps", "busybox", "sh", "-c", shell];
    engine.docker(&run)?.success()?;
    assert_eq!(engine.spawn(&["logs", "-f", "swaps"])?.line()?, "ready");

    let look = "cat /marker; ls -d /old/* /proc/1/root/* /proc/self/exe 2>/dev/null";
    let seen = engine.docker(&["exec", "swaps", "sh", "-c", look])?;
    assert_eq!(seen.stdout, "new\n", "{seen:?}");
    for directory in ["/proc/1/root/etc", "/proc/self/cwd/etc", "/old/etc"] {
        let exec = engine.docker(&["exec", "-w", directory, "swaps", "true"])?;
        assert_ne!(exec.code, 0, "{directory}");
    }
    // No devpts is there any more to have a terminal of.
    let mut screen = engine.terminal(&["exec", "-t", "swaps", "true"], 24, 80)?;
    screen.expect("/dev/pts/ptmx")?;
    assert_ne!(screen.finish()?.0, 0);
    Ok(())
}

#[test]
fn an_exec_does_not_believe_a_user_of_the_host() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    let outside = outside(&engine)?;
    fs::write(outside.join("passwd"), "evil:x:4242:4242::/:/bin/sh\n")?;
    let host = format!("{}/passwd", outside.display());
    engine.docker(&["run", "-d", "--name", "host", "busybox", "sleep", "1000"])?.success()?;
    // It does not ask who it is, as `id` would, by the very file.
    let exec = |user: &str| {
        engine.docker(&["exec", "-u", user, "host", "grep", "^Uid:", "/proc/self/status"])
    };
    for file in [
        format!("ln -s {host} /etc/passwd"),
        format!("ln -s ../../../../../../../../..{host} /etc/passwd"),
        "ln -s /proc/1/root/etc/passwd /etc/passwd".to_owned(),
        "mkfifo /etc/passwd".to_owned(),
        "mknod /etc/passwd c 1 5".to_owned(),
        "mkdir /etc/passwd".to_owned(),
    ] {
        let swap = format!("rm -rf /etc/passwd; {file}");
        engine.docker(&["exec", "-u", "0", "host", "sh", "-c", &swap])?.success()?;
        let said = "unable to find user evil: no matching entries in passwd file";
        expect_error(&exec("evil")?, 1, said)?;
        assert!(exec("33")?.success()?.starts_with("Uid:\t33\t"), "{file}");
    }
    // What stands in its own files is believed.
    let own = "rm -rf /etc/passwd; echo evil:x:4242:4242::/:/bin/sh > /etc/passwd";
    engine.docker(&["exec", "-u", "0", "host", "sh", "-c", own])?.success()?;
    assert!(exec("evil")?.success()?.starts_with("Uid:\t4242\t"));
    Ok(())
}

#[test]
fn a_raw_device_is_not_opened_whoever_makes_its_node() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    // The kernel's log: reading it changes nothing.
    let shell = "mknod /tmp/kmsg c 1 11 && exec 3< /tmp/kmsg";
    let run = ["run", "--rm", "--cap-add", "SYSLOG"];
    let command = ["busybox", "sh", "-c", shell];
    let refused = engine.docker(&[&run[..], &command].concat())?;
    assert!(refused.stderr.contains("Operation not permitted"), "{refused:?}");
    let allowed = ["--device-cgroup-rule", "c 1:11 r"];
    engine.docker(&[&run[..], &allowed, &command].concat())?.success()?;
    // A node that lies in a directory of the host is one as well.
    let node = engine.scratch().join("nodes");
    fs::create_dir(&node)?;
    let bind = format!("{}:/nodes", node.display());
    let make = ["run", "--rm", "-v", &bind, "busybox", "mknod", "/nodes/kmsg", "c", "1", "11"];
    engine.docker(&make)?.success()?;
    let read = ["-v", &bind, "busybox", "sh", "-c", "exec 3< /nodes/kmsg"];
    let refused = engine.docker(&[&run[..], &read].concat())?;
    assert!(refused.stderr.contains("Operation not permitted"), "{refused:?}");
    engine.docker(&[&run[..], &allowed, &read].concat())?.success()?;
    Ok(())
}

#[test]
fn what_is_read_only_and_masked_is_so_for_the_unprivileged_alone() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    // Every attempt writes what is there already.
    let write = |path: &str| format!("read word < {path}; echo \"$word\" > {path}");
    for (path, said) in [
        ("/proc/sys/kernel/core_pattern", "Read-only file system"),
        ("/proc/sys/vm/swappiness", "Read-only file system"),
        ("/proc/irq/default_smp_affinity", "Read-only file system"),
        ("/sys/kernel/mm/ksm/run", "Read-only file system"),
    ] {
        if !fs::exists(path)? {
            continue;
        }
        let command = ["busybox", "sh", "-c", &write(path)];
        let refused = engine.docker(&[&["run", "--rm"][..], &command].concat())?;
        assert!(refused.stderr.contains(said), "{path}: {refused:?}");
        let privileged = ["run", "--rm", "--privileged"];
        engine.docker(&[&privileged[..], &command].concat())?.success()?;
    }
    let group = ["busybox", "sh", "-c", "mkdir /sys/fs/cgroup/mine && rmdir /sys/fs/cgroup/mine"];
    let refused = engine.docker(&[&["run", "--rm"][..], &group].concat())?;
    assert!(refused.stderr.contains("Read-only file system"), "{refused:?}");
    engine.docker(&[&["run", "--rm", "--privileged"][..], &group].concat())?.success()?;
    let count = ["busybox", "sh", "-c", "wc -c < /proc/keys; wc -c < /proc/timer_list"];
    let masked = engine.docker(&[&["run", "--rm"][..], &count].concat())?;
    assert_eq!(masked.stdout.lines().next(), Some("0"), "{masked:?}");
    let open = engine.docker(&[&["run", "--rm", "--privileged"][..], &count].concat())?;
    assert_ne!(open.stdout.lines().next(), Some("0"), "{open:?}");
    Ok(())
}
