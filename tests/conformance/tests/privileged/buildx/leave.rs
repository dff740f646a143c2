//! What a `RUN` may do: as much as a container, and more with its client's leave.

use super::Buildx;

const LOOK: &str = "grep -E '^(Cap|Seccomp:|NoNewPrivs)' /proc/self/status; ls /dev /sys/class/net";

#[test]
fn a_step_may_do_as_much_as_a_container() -> anyhow::Result<()> {
    let buildx = Buildx::with(&format!(
        "FROM busybox\nRUN ({LOOK}) > /looked\nRUN mkdir /m && ! mount -t tmpfs x /m\n\
         CMD [\"cat\", \"/looked\"]\n"
    ))?;
    buildx.build(&["-t", "app", "context"])?;
    let container = buildx.engine.docker(&["run", "--rm", "busybox", "sh", "-c", LOOK])?;
    assert_eq!(buildx.app(&[])?, container.success()?);
    Ok(())
}

#[test]
fn more_than_that_takes_leave() -> anyhow::Result<()> {
    let buildx = Buildx::new()?;
    let list = ["run", "--rm", "--network=host", "busybox", "ls", "/sys/class/net"];
    let interfaces = buildx.engine.docker(&list)?;
    for (flag, leave, script, expected) in [
        ("--network=host", "network.host", "ls /sys/class/net", interfaces.success()?),
        (
            "--security=insecure",
            "security.insecure",
            "mkdir /m; mount -t tmpfs x /m && echo done",
            "done",
        ),
    ] {
        let dockerfile =
            format!("FROM busybox\nRUN {flag} ({script}) > /looked\nCMD [\"cat\", \"/looked\"]\n");
        buildx.write("context/Dockerfile", &dockerfile)?;
        let refused = buildx.failure(&["context"])?;
        assert!(refused.contains(&format!("{leave} is not allowed")), "{refused}");
        buildx.build(&["--allow", leave, "-t", "app", "context"])?;
        assert_eq!(buildx.app(&[])?, expected, "{flag}");
    }
    Ok(())
}
