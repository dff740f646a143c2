//! Files of containers, in the machine: there the engine runs from the initial file system, and a
//! container's root covers it.

use std::fs;

use anyhow::{Result, ensure};

use crate::containers::vm_with_busybox;

#[test]
fn files_are_copied_exported_and_compared() -> Result<()> {
    let (vm, image) = vm_with_busybox()?;
    let here = tempfile::tempdir()?;
    let path = |name: &str| here.path().join(name).display().to_string();
    fs::write(path("file"), "content")?;
    let shell = "echo bound > /data/bound; rm /bin/vi";
    for (name, verb, command) in [
        ("created", &["create"][..], shell),
        ("stopped", &["run"][..], shell),
        ("running", &["run", "-d"][..], "sleep 1000"),
    ] {
        let bind = format!("made-{name}:/data");
        let rest = ["--name", name, "-v", &bind, &image, "sh", "-c", command];
        vm.docker_ok(&[verb, &rest].concat())?;

        let inside = |path: &str| format!("{name}:{path}");
        for place in ["/copied", "/data/copied"] {
            vm.docker_ok(&["cp", &path("file"), &inside(place)])?;
            let back = format!("back-{name}");
            vm.docker_ok(&["cp", &inside(place), &path(&back)])?;
            assert_eq!(fs::read_to_string(path(&back))?, "content", "{name} {place}");
        }
        let archive = format!("{name}.tar");
        vm.docker_ok(&["export", "-o", &path(&archive), name])?;
        ensure!(fs::metadata(path(&archive))?.len() > 1 << 20, "{name}: the root is exported");
        let changed = vm.docker_ok(&["diff", name])?;
        assert!(changed.lines().any(|line| line == "A /copied"), "{name}: {changed}");
    }
    vm.docker_ok(&["cp", "stopped:/data/bound", &path("bound")])?;
    assert_eq!(fs::read_to_string(path("bound"))?, "bound\n");
    assert!(vm.docker_ok(&["diff", "stopped"])?.contains("D /bin/vi"));
    assert_eq!(
        vm.docker_ok(&["exec", "running", "cat", "/copied", "/data/copied"])?,
        "contentcontent"
    );
    Ok(())
}
