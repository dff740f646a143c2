//! What a container may not do.

use anyhow::Result;
use serde_json::json;

use crate::bundle::Bundle;

#[test]
fn it_has_exactly_the_capabilities_of_the_specification() -> Result<()> {
    let bundle = Bundle::shell("grep Cap /proc/self/status")?;
    // CHOWN, DAC_OVERRIDE, KILL, SETGID, SETUID.
    let set = "00000000000000e3";
    let none = "0000000000000000";
    assert_eq!(
        bundle.output()?,
        format!(
            "CapInh:\t{none}\nCapPrm:\t{set}\nCapEff:\t{set}\nCapBnd:\t{set}\nCapAmb:\t{none}\n"
        )
    );
    Ok(())
}

#[test]
fn another_user_has_no_capabilities_but_ambient_ones() -> Result<()> {
    let mut bundle = Bundle::shell("grep -E 'Cap(Prm|Eff|Amb)' /proc/self/status")?;
    bundle.set("/process/user", json!({"uid": 33, "gid": 33}))?;
    let none = "0000000000000000";
    assert_eq!(bundle.output()?, format!("CapPrm:\t{none}\nCapEff:\t{none}\nCapAmb:\t{none}\n"));

    bundle.set("/process/capabilities/inheritable", json!(["CAP_KILL"]))?;
    bundle.set("/process/capabilities/ambient", json!(["CAP_KILL"]))?;
    let kill = "0000000000000020";
    assert_eq!(bundle.output()?, format!("CapPrm:\t{kill}\nCapEff:\t{kill}\nCapAmb:\t{kill}\n"));
    Ok(())
}

#[test]
fn no_new_privileges_is_set_only_when_asked_for() -> Result<()> {
    let mut bundle = Bundle::shell("grep NoNewPrivs /proc/self/status")?;
    assert_eq!(bundle.output()?, "NoNewPrivs:\t0\n");
    bundle.set("/process/noNewPrivileges", json!(true))?;
    assert_eq!(bundle.output()?, "NoNewPrivs:\t1\n");
    Ok(())
}

#[test]
fn a_filter_refuses_system_calls_with_its_own_errors() -> Result<()> {
    for no_new_privileges in [false, true] {
        let mut bundle = Bundle::shell(
            "unshare -m true; mount -t tmpfs x /tmp; grep -E 'Seccomp:|CapPrm' /proc/self/status",
        )?;
        bundle.set("/process/noNewPrivileges", json!(no_new_privileges))?;
        let all = json!(["CAP_SYS_ADMIN"]);
        for set in ["bounding", "effective", "permitted"] {
            let held = if no_new_privileges { all.clone() } else { json!([]) };
            bundle.set(&format!("/process/capabilities/{set}"), held)?;
        }
        bundle.set(
            "/linux/seccomp",
            json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
                   "syscalls": [
                {"names": ["unshare", "no_such_call"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
                {"names": ["mount"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95},
            ]}),
        )?;
        let output = bundle.run()?;
        let message = String::from_utf8(output.stderr)?;
        assert!(message.contains("unshare(0x20000): Function not implemented"), "{message}");
        assert!(
            message.contains("mounting x on /tmp failed: Operation not supported"),
            "{message}"
        );
        let status = String::from_utf8(output.stdout)?;
        let held = if no_new_privileges { "0000000000200000" } else { "0000000000000000" };
        assert_eq!(status, format!("CapPrm:\t{held}\nSeccomp:\t2\n"), "nothing is left over");
    }
    Ok(())
}

#[test]
fn masked_paths_are_empty() -> Result<()> {
    let bundle = Bundle::shell("cat /proc/kcore | wc -c; ls -A /proc/acpi /sys/firmware | wc -l")?;
    let output = bundle.run()?;
    assert!(String::from_utf8(output.stdout)?.starts_with("0\n"));
    Ok(())
}

#[test]
fn readonly_paths_cannot_be_written() -> Result<()> {
    let bundle = Bundle::shell("echo 1 > /proc/sys/kernel/panic")?;
    let output = bundle.run()?;
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr)?.contains("Read-only file system"));
    Ok(())
}

#[test]
fn a_device_that_is_not_allowed_cannot_be_opened() -> Result<()> {
    let mut bundle = Bundle::shell(
        "mknod /tmp/mem c 1 1 && mknod /tmp/fuse c 10 229 && head -c 1 /tmp/mem; \
         head -c 1 /dev/zero | wc -c; : < /tmp/fuse && echo fuse",
    )?;
    for set in ["bounding", "effective", "permitted"] {
        bundle.set(&format!("/process/capabilities/{set}"), json!(["CAP_MKNOD"]))?;
    }
    let devices = json!([
        {"allow": false, "access": "rwm"},
        {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rwm"},
    ]);
    bundle.set("/linux/resources", json!({"devices": devices}))?;
    let output = bundle.run()?;
    let message = String::from_utf8(output.stderr)?;
    assert!(message.contains("/tmp/mem: Operation not permitted"), "{message}");
    assert!(!message.contains("/tmp/fuse: Operation not permitted"), "{message}");
    assert!(String::from_utf8(output.stdout)?.starts_with("1\n"));
    Ok(())
}
