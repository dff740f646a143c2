//! `volumes`, `tmpfs`: volumes, bind mounts, memory.

use std::fs;

use super::Project;

#[test]
fn a_volume_outlives_its_containers_until_it_is_to_go() -> anyhow::Result<()> {
    let project = Project::new("volumes")?;
    let output = project.compose(&["up", "-d"])?;
    assert!(output.failure(1)?.contains("external volume \"naru-theirs\" not found"), "{output:?}");
    project.docker(&["volume", "create", "naru-theirs"])?;
    project.said(&["up", "-d"])?;

    project.shell("writer", "echo kept > /data/file; echo kept > /theirs/file; id -u")?;
    assert_eq!(project.shell("reader", "cat /data/file")?, "kept");
    let said = project.shell_failure("reader", "echo x > /data/file")?;
    assert!(said.contains("Read-only file system"), "{said}");
    assert!(project.shell("writer", "cat /www/index.html")?.contains("Naru"), "from the image");
    let said = project.shell("writer", "ls /etc/passwd 2>&1 || echo not copied")?;
    assert!(said.contains("not copied"), "{said}");
    let memory = project.shell("writer", "grep ' /memory ' /proc/mounts")?;
    assert!(
        memory.starts_with("tmpfs /memory tmpfs ") && memory.contains("size=1024k"),
        "{memory}"
    );
    assert_eq!(project.shell("writer", "stat -c %u /memory")?, "33");

    project.said(&["down", "-t", "0"])?;
    let volumes = ["volumes_data", "volumes_empty", "volumes_memory", "volumes_seeded"];
    assert_eq!(project.names(&["volume", "ls"], "{{.Name}}")?, volumes);
    assert_eq!(project.inspect("volumes_data", "{{.Labels.kind}} {{.Driver}}")?, "data local");
    project.said(&["up", "-d"])?;
    assert_eq!(project.shell("reader", "cat /data/file")?, "kept");
    let output = project.engine().docker(&["volume", "rm", "volumes_data"])?;
    assert!(output.failure(1)?.contains("volume is in use"), "{output:?}");

    project.said(&["down", "-v", "-t", "0"])?;
    project.is_gone()?;
    let run = ["run", "--rm", "-v", "naru-theirs:/theirs", "busybox", "cat", "/theirs/file"];
    assert_eq!(project.docker(&run)?, "kept");
    project.docker(&["volume", "rm", "naru-theirs"])?;
    Ok(())
}

#[test]
fn what_is_bound_is_the_hosts_own() -> anyhow::Result<()> {
    let project = Project::new("binds")?;
    let page = project.directory().join("site/index.html");
    project.said(&["up", "-d"])?;
    assert_eq!(project.shell("web", "cat /www/index.html /page")?, "one\none");
    fs::write(&page, "two\n")?;
    assert_eq!(project.shell("web", "cat /www/index.html /page")?, "two\ntwo");
    let said = project.shell_failure("web", "echo three > /www/index.html")?;
    assert!(said.contains("Read-only file system"), "{said}");
    project.shell("web", "echo three > /page; echo made > /made/file")?;
    assert_eq!(fs::read_to_string(&page)?, "three\n");
    assert_eq!(fs::read_to_string(project.directory().join("made/here/file"))?, "made\n");

    let output = project.compose(&["--profile", "strict", "up", "strict"])?;
    let said = output.failure(1)?;
    let absent = project.directory().join("absent");
    let refused = format!(
        "invalid mount config for type \"bind\": bind source path does not exist: {}",
        absent.display()
    );
    assert!(said.contains(&refused), "{said}");
    assert!(!absent.exists());
    project.said(&["down", "-v", "-t", "0"])?;
    assert!(page.exists() && project.directory().join("made/here/file").exists());
    Ok(())
}

#[test]
fn memory_is_of_the_size_asked_for_and_forgets() -> anyhow::Result<()> {
    let project = Project::new("tmpfs")?;
    project.said(&["up", "-d"])?;
    let size =
        |path: &str| project.shell("program", &format!("df -k {path} | awk 'NR==2{{print $2}}'"));
    assert_eq!(size("/scratch")?, "1024");
    assert_eq!(size("/cache")?, "2048");
    assert_eq!(size("/dev/shm")?, "8192");
    assert_eq!(project.shell("program", "stat -c %a /scratch /cache")?, "1770\n700");
    let said = project.shell_failure("program", "echo x > /file")?;
    assert!(said.contains("Read-only file system"), "{said}");
    let said =
        project.shell_failure("program", "dd if=/dev/zero of=/scratch/file bs=1M count=2")?;
    assert!(said.contains("No space left on device"), "{said}");
    assert_eq!(project.shell("program", "ls /scratch")?, "file");
    project.said(&["restart", "-t", "0"])?;
    assert_eq!(project.shell("program", "ls /scratch /cache")?, "/cache:\n\n/scratch:");
    Ok(())
}
