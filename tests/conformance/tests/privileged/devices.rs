//! `run`: devices, and limits on them.

use naru_test_framework::Engine;

use crate::expect_error;

#[test]
fn a_device_is_there_and_may_be_used() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;

    let run = ["run", "--rm", "--device", "/dev/null:/dev/other:rw", "busybox", "sh", "-c"];
    let shell = "stat -c '%F %t:%T' /dev/other; echo gone > /dev/other";
    let output = engine.docker(&[run.as_slice(), &[shell]].concat())?;
    assert_eq!(output.success()?, "character special file 1:3");

    // /dev/kmsg is no device that every container may open; it also wants a capability.
    let read = ["busybox", "sh", "-c", "exec 3< /dev/kmsg && echo open"];
    let with = ["run", "--rm", "--cap-add=SYSLOG", "--device", "/dev/kmsg"];
    assert_eq!(engine.docker(&[with.as_slice(), &read].concat())?.success()?, "open");
    let make = "mknod /tmp/kmsg c 1 11 && exec 3< /tmp/kmsg && echo open";
    let run = ["run", "--rm", "--cap-add=SYSLOG"];
    let command = ["busybox", "sh", "-c", make];
    let output = engine.docker(&[run.as_slice(), &command].concat())?;
    assert!(output.failure(1)?.contains("Operation not permitted"), "{output:?}");
    let rule = [run.as_slice(), &["--device-cgroup-rule=c 1:11 r"], &command].concat();
    assert_eq!(engine.docker(&rule)?.success()?, "open");

    let output = engine.docker(&["run", "--rm", "--device", "/dev/nosuch", "busybox", "true"])?;
    // The client takes the words for those about a missing program.
    expect_error(
        &output,
        127,
        "error gathering device information while adding custom device \"/dev/nosuch\": no such \
         file or directory",
    )?;
    let output = engine.docker(&["run", "--rm", "--device", "/proc/version", "busybox", "true"])?;
    assert!(output.failure(125)?.contains("not a device node"), "{output:?}");
    assert_eq!(engine.docker(&["ps", "-aq"])?.success()?, "", "nothing is left");
    Ok(())
}

#[test]
fn a_privileged_container_has_all_devices_and_may_write_to_the_kernel() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;

    let shell = "test -c /dev/kmsg && exec 3< /dev/kmsg && echo device; \
                 mkdir /sys/fs/cgroup/own && rmdir /sys/fs/cgroup/own && echo cgroup; \
                 mount -t tmpfs none /mnt 2>/dev/null || mkdir /mnt && mount -t tmpfs none /mnt; \
                 grep -c ' /mnt tmpfs' /proc/mounts; grep Seccomp: /proc/self/status; \
                 test -w /proc/sys/kernel/panic && echo proc";
    let output = engine.docker(&["run", "--rm", "--privileged", "busybox", "sh", "-c", shell])?;
    assert_eq!(output.success()?, "device\ncgroup\n1\nSeccomp:\t0\nproc");
    Ok(())
}

#[test]
fn limits_that_no_block_device_has_are_refused() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let output = engine.docker(&["run", "--rm", "--blkio-weight=5", "busybox", "true"])?;
    expect_error(&output, 125, "Range of blkio weight is from 10 to 1000")?;
    let output =
        engine.docker(&["run", "--rm", "--device-read-bps=/dev/nosuch:1", "busybox", "true"])?;
    expect_error(&output, 127, "stat /dev/nosuch: no such file or directory")
}

#[test]
fn what_never_works_is_refused_with_the_reason() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    for (option, reason) in [
        ("--gpus=all", "could not select device driver \"\" with capabilities: [[gpu]]: --gpus"),
        ("--storage-opt=size=1g", "--storage-opt is supported only for overlay over xfs"),
        ("--oom-kill-disable", "--oom-kill-disable is not supported: cgroup v2"),
        ("--memory-swappiness=5", "--memory-swappiness is not supported: cgroup v2"),
    ] {
        let output = engine.docker(&["run", "--rm", option, "busybox", "true"])?;
        assert!(output.failure(125)?.contains(reason), "{output:?}");
    }
    Ok(())
}
