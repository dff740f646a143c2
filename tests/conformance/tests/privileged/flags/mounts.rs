//! What is mounted.

use std::fs;

use naru_test_framework::Engine;

use super::{refused, said, shell, shown};

#[test]
fn read_only_is_the_root_and_not_what_is_mounted() -> anyhow::Result<()> {
    let script = "touch /file 2>/dev/null || echo refused; touch /dev/shm/file && echo shm";
    assert_eq!(shell(&["--read-only"], script)?, "refused\nshm");
    assert_eq!(shown(&["--read-only"], "{{.HostConfig.ReadonlyRootfs}}")?, "true");
    Ok(())
}

#[test]
fn tmpfs_has_its_options() -> anyhow::Result<()> {
    let script = "stat -c %a /scratch; df -k /scratch | awk 'END{print $1, $2}'; \
                  grep ' /scratch ' /proc/mounts | grep -o noexec";
    let options = ["--tmpfs", "/scratch:size=1m,mode=700,noexec"];
    assert_eq!(shell(&options, script)?, "700\ntmpfs 1024\nnoexec");
    Ok(())
}

#[test]
fn shm_size_is_that_of_dev_shm() -> anyhow::Result<()> {
    let size = ["sh", "-c", "df -k /dev/shm | awk 'END{print $2}'"];
    assert_eq!(said(&["--shm-size", "2m"], &size)?, "2048");
    assert_eq!(said(&[], &size)?, "65536");
    Ok(())
}

#[test]
fn volume_binds_a_directory_of_the_host() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let shared = engine.scratch().join("shared");
    fs::create_dir(&shared)?;
    let (write, read) =
        (format!("{}:/data", shared.display()), format!("{}:/data:ro", shared.display()));
    let run = ["run", "--rm", "--volume", &write, "busybox", "sh", "-c", "echo x > /data/file"];
    engine.docker(&run)?.success()?;
    assert_eq!(fs::read_to_string(shared.join("file"))?, "x\n");
    let run = ["run", "--rm", "-v", &read, "busybox", "touch", "/data/other"];
    assert!(engine.docker(&run)?.failure(1)?.contains("Read-only file system"));
    Ok(())
}

#[test]
fn mount_binds_and_makes_a_tmpfs() -> anyhow::Result<()> {
    let bind = ["--mount", "type=bind,src=/etc,dst=/host,readonly"];
    assert_eq!(shell(&bind, "touch /host/x 2>&1 | grep -o 'Read-only'")?, "Read-only");
    let tmpfs = ["--mount", "type=tmpfs,dst=/t,tmpfs-size=1048576,tmpfs-mode=0710"];
    assert_eq!(shell(&tmpfs, "stat -c %a /t; df -k /t | awk 'END{print $2}'")?, "710\n1024");
    let said = refused(&["--mount", "type=bind,src=/nosuch,dst=/x"], 125)?;
    assert!(said.contains("bind source path does not exist: /nosuch"), "{said}");
    Ok(())
}
