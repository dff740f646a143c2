//! Programs of another processor: run by an emulator that the kernel knows, or refused with what
//! is lacking for that.
//!
//! In the machine init has registered one. On a host nothing is registered for a test's sake.

use anyhow::ensure;
use naru_test_framework::images::other_busybox;
use naru_test_framework::oci::{Compression, LayerWriter, OciImage};
use serde_json::json;

use super::Buildx;

/// The other processor, in Go's words and in the kernel's.
const OTHER: (&str, &str) =
    if cfg!(target_arch = "aarch64") { ("amd64", "x86_64") } else { ("arm64", "aarch64") };
const OWN: (&str, &str) =
    if cfg!(target_arch = "aarch64") { ("arm64", "aarch64") } else { ("amd64", "x86_64") };

/// An engine with `busybox`, and with `other` for the other processor; none where nobody runs
/// that one's programs.
#[expect(clippy::print_stderr, reason = "a case that cannot run here says so")]
fn emulating() -> anyhow::Result<Option<Buildx>> {
    let buildx = Buildx::new()?;
    let inspected = buildx.run(&["inspect"])?;
    if inspected.success()?.contains(&format!("linux/{}", OTHER.0)) {
        buildx.engine.load(&other_busybox()?, "docker.io/library/other:latest")?;
        return Ok(Some(buildx));
    }
    let name = buildx.engine.docker(&["info", "-f", "{{.Name}}"])?;
    ensure!(name.success()? != "naru", "the machine has no emulator: {inspected:?}");
    eprintln!("SKIPPED: this host's kernel knows no emulator of {} programs", OTHER.1);
    Ok(None)
}

#[test]
fn a_containers_programs_are_of_another_processor() -> anyhow::Result<()> {
    let Some(Buildx { engine }) = emulating()? else { return Ok(()) };
    let platform = format!("--platform=linux/{}", OTHER.0);
    let run =
        engine.docker(&["run", "--rm", &platform, "other", "sh", "-c", "uname -m; exit 3"])?;
    run.failure(3)?;
    assert_eq!(run.stdout.trim_end(), OTHER.1);
    // Its own name is as it was called, and what it calls runs, too.
    let script = "echo $0; env -i uname -m; ls -d /proc/self";
    let run = engine.docker(&["run", "--rm", &platform, "other", "sh", "-c", script])?;
    assert_eq!(run.success()?, format!("sh\n{}\n/proc/self", OTHER.1));

    let health = ["--health-cmd", "uname -m", "--health-interval", "1s"];
    let words = [&["create", "--name=cared", &platform][..], &health, &["other", "sleep", "1000"]];
    engine.docker(&words.concat())?.success()?;
    engine.docker(&["start", "cared"])?.success()?;
    let said =
        engine.docker(&["exec", "--user=nobody", "cared", "sh", "-c", "uname -m; id -un"])?;
    assert_eq!(said.success()?, format!("{}\nnobody", OTHER.1));
    let filter = ["events", "--since", engine.since(), "--filter", "event=health_status"];
    let mut changes = engine.spawn(&[&filter[..], &["--format", "{{.Action}}"]].concat())?;
    assert_eq!(changes.line()?, "health_status: healthy");
    let log = "{{(index .State.Health.Log 0).Output}}";
    let log = engine.docker(&["inspect", "-f", log, "cared"])?;
    assert_eq!(log.success()?, OTHER.1);
    engine.docker(&["rm", "-f", "cared"])?.success()?;
    Ok(())
}

#[test]
fn a_build_runs_programs_of_two_processors() -> anyhow::Result<()> {
    let Some(buildx) = emulating()? else { return Ok(()) };
    let stages = format!("FROM busybox AS {}\nFROM other AS {}\n", OWN.0, OTHER.0);
    let rest = "FROM $TARGETARCH\nARG TARGETARCH\nRUN uname -m > /made && echo $TARGETARCH >> /made\n\
                FROM scratch\nCOPY --from=2 /made /\n";
    buildx.write("context/Dockerfile", &format!("{stages}{rest}"))?;
    let both = format!("--platform=linux/{},linux/{}", OWN.0, OTHER.0);
    let build = [both.as_str(), "--output=tree", "context"];
    buildx.build(&build)?;
    for (architecture, machine) in [OWN, OTHER] {
        let path = buildx.path(&format!("tree/linux_{architecture}/made"));
        assert_eq!(std::fs::read_to_string(path)?, format!("{machine}\n{architecture}\n"));
    }
    // Each is known to be done.
    let again = buildx.build(&build)?;
    let steps = again.lines().filter(|line| line.contains("] RUN uname"));
    let numbers: Vec<&str> = steps.filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(numbers.len(), 2, "{again}");
    for number in numbers {
        assert!(again.contains(&format!("{number} CACHED\n")), "{again}");
    }
    Ok(())
}

#[test]
fn what_nobody_runs_is_refused_with_what_is_lacking() -> anyhow::Result<()> {
    let buildx = Buildx::with("FROM nowhere\nRUN [\"/program\"]\n")?;
    // A processor that there is not, so that nobody emulates it.
    let mut program = vec![0; 64];
    program[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    program[16..20].copy_from_slice(&[2, 0, 0xed, 0xfe]);
    let mut layer = LayerWriter::new();
    layer.file("program", 0o755, &program)?;
    let config = json!({ "Cmd": ["/program"] });
    let image = OciImage::new("nowhere", &config, vec![layer.finish(Compression::Gzip)?])?;
    buildx.engine.load(&image, "docker.io/library/nowhere:latest")?;

    // To be looked into it need not run.
    let created = buildx.engine.docker(&["create", "--name=one", "nowhere"])?;
    created.success()?;
    let warning = "WARNING: The requested image's platform (linux/nowhere) does not match";
    assert!(created.stderr.starts_with(warning), "{created:?}");
    let start = buildx.engine.docker(&["start", "one"])?;
    let refused = start.failure(1)?;
    let expected = "exec /program: exec format error: the image is for linux/nowhere, and ";
    assert!(refused.contains(expected), "{refused}");
    assert!(refused.contains("/proc/sys/fs/binfmt_misc"), "{refused}");
    let code = buildx.engine.docker(&["inspect", "-f", "{{.State.ExitCode}}", "one"])?;
    assert_eq!(code.success()?, "126");
    let run = buildx.engine.docker(&["run", "--rm", "nowhere"])?;
    assert!(run.failure(125)?.contains("the image is for linux/nowhere"), "{run:?}");
    let built = buildx.failure(&["--platform=linux/nowhere", "context"])?;
    assert!(built.contains("exec format error: the image is for linux/nowhere"), "{built}");
    // A program of an image of this machine's own is what is wrong itself.
    buildx.write("context/script", "echo no interpreter\n")?;
    buildx.write(
        "context/Dockerfile",
        "FROM busybox\nCOPY --chmod=755 script /\nRUN [\"/script\"]\n",
    )?;
    let built = buildx.failure(&["context"])?;
    assert!(built.contains("exec /script: exec format error"), "{built}");
    assert!(!built.contains("the image is for"), "{built}");
    Ok(())
}
