//! `import`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::Context;
use naru_test_framework::{DockerHost, Engine};
use serde_json::{Value, json};

use crate::expect_error;
use crate::raw::request_at;

/// busybox, as the archive of a file system.
fn archive(engine: &DockerHost) -> anyhow::Result<Vec<u8>> {
    engine.docker(&["create", "--name", "source", "busybox"])?.success()?;
    engine.docker(&["export", "-o", "root.tar", "source"])?.success()?;
    engine.docker(&["rm", "source"])?.success()?;
    Ok(std::fs::read(engine.scratch().join("root.tar"))?)
}

fn compressed(program: &str, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut child =
        Command::new(program).arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().context("it is piped")?;
    let written = std::thread::scope(|scope| {
        let written = scope.spawn(move || stdin.write_all(bytes));
        let output = child.wait_with_output();
        written.join().map(|written| (written, output))
    });
    let (written, output) = written.map_err(|_| anyhow::anyhow!("writing panicked"))?;
    written?;
    Ok(output?.stdout)
}

#[test]
fn a_file_system_becomes_an_image_however_it_is_compressed() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let plain = archive(&engine)?;
    let mut layers = Vec::new();
    for program in ["cat", "gzip", "bzip2", "xz", "zstd"] {
        if program == "zstd" && std::env::var_os(naru_test_framework::TEST_HOST).is_some() {
            // Not known to every Docker.
            continue;
        }
        let bytes = if program == "cat" { plain.clone() } else { compressed(program, &plain)? };
        let name = format!("from/{program}:1");
        let imported = engine.docker_with_input(&["import", "-", &name], &bytes)?;
        assert!(imported.success()?.starts_with("sha256:"), "{imported:?}");
        let run = ["run", "--rm", &name, "sh", "-c", "echo ok"];
        assert_eq!(engine.docker(&run)?.success()?, "ok", "{program}");
        let inspect = ["image", "inspect", "-f", "{{index .RootFS.Layers 0}}", &name];
        layers.push(engine.docker(&inspect)?.success()?.to_owned());
    }
    layers.dedup();
    assert_eq!(layers.len(), 1, "what is in them is the same");
    Ok(())
}

#[test]
fn an_import_has_the_configuration_it_is_told() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let plain = archive(&engine)?;
    let import = [
        "import",
        "-m",
        "from a tar",
        "-c",
        "CMD [\"echo\", \"hi\"]",
        "-c",
        "ENV A=1",
        "-",
        "own:2",
    ];
    let id = engine.docker_with_input(&import, &plain)?.success()?.to_owned();
    let shown = engine.docker(&["image", "inspect", "own:2"])?;
    let shown: Value = serde_json::from_str(shown.success()?)?;
    let shown = &shown[0];
    assert_eq!((&shown["Id"], &shown["Comment"]), (&json!(id), &json!("from a tar")));
    assert_eq!((&shown["Os"], &shown["Config"]["Env"]), (&json!("linux"), &json!(["A=1"])));
    assert_eq!(engine.docker(&["run", "--rm", "own:2"])?.success()?, "hi");
    let history =
        engine.docker(&["history", "--format", "{{.CreatedBy}}|{{.Comment}}", "own:2"])?;
    assert_eq!(history.success()?, "|from a tar");

    let nameless = engine.docker_with_input(&["import", "-"], &plain)?.success()?.to_owned();
    let format = ["image", "inspect", "-f", "{{.Comment}}|{{len .RepoTags}}", &nameless];
    assert_eq!(engine.docker(&format)?.success()?, "Imported from -|0");
    Ok(())
}

#[test]
fn what_cannot_be_imported_leaves_nothing_behind() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let plain = archive(&engine)?;
    let path = "/v1.40/images/create?fromSrc=-&repo=broken";
    let half = request_at(
        engine.socket(),
        "POST",
        path,
        &["Connection: close"],
        &plain[..plain.len() / 2],
    )?;
    assert!(half.status >= 400, "{}", half.status);
    let output = engine.docker_with_input(&["import", "-c", "run x", "-", "broken"], &plain)?;
    expect_error(&output, 1, "run is not a valid change command")?;
    let output = engine.docker_with_input(&["import", "-", "Broken"], &plain)?;
    output.failure(1)?;
    assert_eq!(engine.docker(&["images", "-aq"])?.success()?.lines().count(), 1);
    Ok(())
}
