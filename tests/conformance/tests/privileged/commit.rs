//! `commit`.

use anyhow::ensure;
use naru_test_framework::{DockerHost, Engine, NativeEngine};
use serde_json::{Value, json};

use crate::expect_error;
use crate::raw::{ask, post};

/// All that is in a container's own files: kind, mode, owners, size, names, and what is in them.
const LISTING: &str = "find / -xdev ! -path '/etc/host*' ! -path /etc/resolv.conf ! -path /.dockerenv ! -path /etc/mtab \
     ! -path '/dev*' ! -type d | sort | while read f; do stat -c '%n %A %u:%g %s %h %Y %N' \"$f\"; \
     [ ! -f \"$f\" ] || md5sum < \"$f\"; done; \
     find / -xdev ! -path '/dev*' -type d | sort | while read f; do stat -c '%n %A %u:%g' \"$f\"; done";

/// Every kind of change there is.
const CHANGE: &str = "rm /bin/vi; echo x >> /etc/group; chmod 4710 /etc/passwd; chown 7:8 /etc/passwd; \
     rm -r /www; mkdir /www; echo page > /www/page; rm -r /home; echo z > /home; \
     mkdir -p /new/deep; mkfifo /new/pipe; ln -s ../x /new/link; mknod /new/null c 1 3; \
     echo y > /new/one; ln /new/one /new/deep/two; chown -h 5:6 /new/link; \
     touch -d '2001-02-03 04:05:06' /new/one; chmod 1777 /new/deep; head -c 300000 /dev/zero > /new/big; \
     name=/new/long; for i in 1 2 3 4; do name=$name-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done; > $name; \
     echo kept > /data/in-volume; echo mounted > /bound/in-bind; echo memory > /tmp/in-memory";

fn image_of(engine: &DockerHost, name: &str) -> anyhow::Result<Value> {
    let shown = engine.docker(&["image", "inspect", name])?;
    let shown: Value = serde_json::from_str(shown.success()?)?;
    Ok(shown[0].clone())
}

fn layers(engine: &DockerHost, name: &str) -> anyhow::Result<Vec<Value>> {
    Ok(image_of(engine, name)?["RootFS"]["Layers"].as_array().cloned().unwrap_or_default())
}

#[test]
fn an_image_has_all_that_its_container_changed_and_nothing_mounted() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let bind = format!("{}:/bound", engine.scratch().display());
    let shell = format!("{CHANGE}; touch /ready; sleep 1000");
    let mounts = ["-v", "/data", "-v", &bind, "--tmpfs", "/tmp"];
    let run = [&["run", "-d", "--name", "box"], &mounts[..], &["busybox", "sh", "-c", &shell]];
    engine.docker(&run.concat())?.success()?;
    let wait = "until [ -e /ready ]; do :; done";
    engine.docker(&["exec", "box", "sh", "-c", wait])?.success()?;
    let listed = engine.docker(&["exec", "box", "sh", "-c", LISTING])?.success()?.to_owned();

    let id = engine.docker(&["commit", "box", "made:1"])?.success()?.to_owned();
    engine.docker(&["kill", "box"])?.success()?;
    engine.docker(&["commit", "box", "made:stopped"])?.success()?;
    assert_eq!(image_of(&engine, "made:1")?["Id"], id.as_str());
    assert_eq!(layers(&engine, "made:1")?, layers(&engine, "made:stopped")?, "the same changes");
    let listing = ["run", "--rm", "made:1", "sh", "-c", LISTING];
    let found = engine.docker(&listing)?.success()?.to_owned();
    for (before, after) in listed.lines().zip(found.lines()) {
        ensure!(before == after, "{before} became {after}");
    }
    assert_eq!(listed.lines().count(), found.lines().count());
    let empty = "[ -z \"$(ls -A /data /bound /tmp 2>&1 | grep in-)\" ] && [ ! -e /bin/vi ]";
    engine.docker(&["run", "--rm", "made:1", "sh", "-c", empty])?.success()?;
    // The layer can be changed again.
    let more = ["run", "--name", "more", "made:1", "sh", "-c", "rm /www/page /new/one; ls -A /www"];
    assert_eq!(engine.docker(&more)?.success()?, "");
    engine.docker(&["commit", "more", "made:2"])?.success()?;
    let gone = "[ ! -e /www/page ] && [ ! -e /new/one ] && cat /new/deep/two";
    assert_eq!(engine.docker(&["run", "--rm", "made:2", "sh", "-c", gone])?.success()?, "y");
    Ok(())
}

#[test]
fn what_has_changed_nothing_adds_no_layer() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["create", "--name", "fresh", "busybox", "echo", "fresh"])?.success()?;
    engine.docker(&["run", "--name", "ran", "busybox", "echo", "ran"])?.success()?;
    for name in ["fresh", "ran"] {
        engine.docker(&["commit", "-m", "nothing", name, name])?.success()?;
        assert_eq!(layers(&engine, name)?, layers(&engine, "busybox")?, "{name}");
        assert_eq!(engine.docker(&["run", "--rm", name])?.success()?, name);
        let format = "{{.CreatedBy}}|{{.Size}}|{{.Comment}}";
        let history = engine.docker(&["history", "--no-trunc", "--format", format, name])?;
        let first = history.success()?.lines().next().unwrap_or_default().to_owned();
        assert_eq!(first, format!("echo {name}|0B|nothing"));
    }
    Ok(())
}

#[test]
fn the_configuration_is_the_containers_with_what_is_changed() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let create = [
        "create",
        "--name",
        "box",
        "-e",
        "A=1",
        "-e",
        "B=2",
        "--expose",
        "80",
        "-v",
        "/data",
        "-u",
        "7",
        "-w",
        "/srv",
        "-l",
        "mine=1",
        "--stop-signal",
        "SIGINT",
        "--hostname",
        "host",
        "busybox",
        "sh",
        "-c",
        "true",
    ];
    let id = engine.docker(&create)?.success()?.to_owned();
    engine.docker(&["commit", "box", "plain"])?.success()?;
    let changes = [
        "CMD [\"echo\", \"hi\"]",
        "ENV B=3 C=\"$A two\"",
        "EXPOSE 53/udp 8000-8001",
        "LABEL yours=\"2 3\"",
        "ONBUILD RUN make",
        "USER nobody",
        "VOLUME /more",
        "WORKDIR app",
        "HEALTHCHECK --interval=90s --retries=2 CMD true",
    ];
    let commit = ["commit", "-a", "Me <me@example.org>", "-m", "why not"];
    let changes = changes.iter().flat_map(|change| ["-c", change]);
    let commit: Vec<&str> = commit.into_iter().chain(changes).chain(["box", "changed"]).collect();
    engine.docker(&commit)?.success()?;

    let plain = image_of(&engine, "plain")?["Config"].clone();
    assert_eq!((&plain["Cmd"], &plain["User"]), (&json!(["sh", "-c", "true"]), &json!("7")));
    assert_eq!((&plain["WorkingDir"], &plain["StopSignal"]), (&json!("/srv"), &json!("SIGINT")));

    let image = image_of(&engine, "changed")?;
    let config = &image["Config"];
    let env: Vec<&str> =
        config["Env"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    // The client itself sends them in any order.
    let has_all = ["A=1", "B=3", "C=1 two"].iter().all(|variable| env.contains(variable));
    assert!(has_all && !env.contains(&"B=2"), "{env:?}");
    for (field, expected) in [
        ("Cmd", json!(["echo", "hi"])),
        ("ExposedPorts", json!({ "53/udp": {}, "80/tcp": {}, "8000/tcp": {}, "8001/tcp": {} })),
        ("Labels", json!({ "mine": "1", "yours": "2 3" })),
        ("OnBuild", json!(["RUN make"])),
        ("User", json!("nobody")),
        ("Volumes", json!({ "/data": {}, "/more": {} })),
        ("WorkingDir", json!("/srv/app")),
    ] {
        assert_eq!(config[field], expected, "{field}");
    }
    assert_eq!(config["Healthcheck"]["Test"], json!(["CMD-SHELL", "true"]));
    assert_eq!(config["Healthcheck"]["Interval"], 90_000_000_000_u64);
    assert_eq!(
        (&image["Author"], &image["Comment"]),
        (&json!("Me <me@example.org>"), &json!("why not"))
    );
    let old = ask(&engine, "GET", "/v1.40/images/changed/json")?.json()?;
    assert_eq!(old["Config"]["Hostname"], "host");
    assert_eq!((&old["Container"], &old["ContainerConfig"]["User"]), (&json!(id), &json!("7")));
    let entry =
        engine.docker(&["commit", "-c", "ENTRYPOINT [\"echo\", \"entry\"]", "box", "entry"])?;
    entry.success()?;
    assert_eq!(engine.docker(&["run", "--rm", "entry"])?.success()?, "entry");
    Ok(())
}

#[test]
fn a_configuration_can_be_given_with_the_request() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine
        .docker(&["create", "--name", "box", "-e", "A=1", "busybox", "echo", "old"])?
        .success()?;
    let body = r#"{"Cmd":["echo","given"],"Env":["B=2"],"Labels":{"x":"y"}}"#;
    let mut answer = post(
        &engine,
        "/v1.40/commit?container=box&repo=given&changes=USER%201&changes=LABEL%20z%3D$B",
        body,
    )?;
    assert_eq!(answer.status, 201);
    assert!(answer.json()?["Id"].as_str().is_some_and(|id| id.starts_with("sha256:")));
    let config = image_of(&engine, "given:latest")?["Config"].clone();
    assert_eq!((&config["Cmd"], &config["User"]), (&json!(["echo", "given"]), &json!("1")));
    let env = config["Env"].as_array().cloned().unwrap_or_default();
    assert_eq!(env[..2], ["B=2", "A=1"]);
    assert_eq!(config["Labels"], json!({ "x": "y", "z": "2" }));
    for body in ["", "null", "{}"] {
        let mut answer = post(&engine, "/v1.40/commit?container=box", body)?;
        let id = answer.json()?["Id"].as_str().unwrap_or_default().to_owned();
        let image = image_of(&engine, &id)?;
        assert_eq!(
            (&image["Config"]["Cmd"], &image["RepoTags"]),
            (&json!(["echo", "old"]), &json!([]))
        );
    }
    Ok(())
}

#[test]
fn a_container_stands_still_while_it_is_copied_and_goes_on() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["run", "-d", "--name", "box", "busybox", "sleep", "1000"])?.success()?;
    let id = engine.docker(&["commit", "-m", "note", "box", "one"])?.success()?.to_owned();
    engine.docker(&["commit", "--pause=false", "box", "two"])?.success()?;
    engine.docker(&["pause", "box"])?.success()?;
    engine.docker(&["commit", "box", "three"])?.success()?;
    let state = ["inspect", "-f", "{{.State.Status}}", "box"];
    assert_eq!(engine.docker(&state)?.success()?, "paused", "its user paused it");
    engine.docker(&["unpause", "box"])?.success()?;

    let now = engine.docker(&["info", "--format", "{{.SystemTime}}"])?;
    let events = ["events", "--since", engine.since(), "--until", now.success()?];
    let kinds = ["pause", "unpause", "commit"].map(|kind| format!("event={kind}"));
    let kinds: Vec<&str> = kinds.iter().flat_map(|kind| ["--filter", kind.as_str()]).collect();
    let format =
        ["--format", "{{.Action}} {{.Actor.Attributes.imageRef}} {{.Actor.Attributes.comment}}"];
    let seen = engine.docker(&[&events[..], &kinds, &format].concat())?;
    let seen: Vec<String> = seen
        .success()?
        .lines()
        .map(|line| line.replace("<no value>", "").trim().to_owned())
        .collect();
    let expected = [
        "pause",
        "commit one:latest note",
        "unpause",
        "commit two:latest",
        "pause",
        "commit three:latest",
        "unpause",
    ];
    // Docker's own reference lacks the tag that nobody named.
    let seen: Vec<String> = seen.iter().map(|line| line.replace(":latest", "")).collect();
    assert_eq!(seen, expected.map(|line| line.replace(":latest", "")));
    assert!(id.starts_with("sha256:"));
    Ok(())
}

#[test]
fn what_makes_no_sense_makes_no_image() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["run", "-d", "--name", "box", "busybox", "sleep", "1000"])?.success()?;
    for (change, message) in [
        ("run true", "run is not a valid change command"),
        ("nonsense", "nonsense is not a valid change command"),
        ("ENV A", "ENV must have two arguments"),
        ("LABEL a=b c", "Syntax error - can't find = in \"c\". Must be of the form: name=value"),
        ("USER", "USER requires exactly one argument"),
        ("EXPOSE x", "Invalid containerPort: x"),
        ("ONBUILD ONBUILD RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        ("HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"),
    ] {
        let output = engine.docker(&["commit", "-c", change, "box", "refused"])?;
        expect_error(&output, 1, message)?;
    }
    let output = engine.docker(&["commit", "nothing", "refused"])?;
    expect_error(&output, 1, "No such container: nothing")?;
    // Docker blames itself for a broken body.
    assert!(post(&engine, "/v1.40/commit?container=box", "{")?.status >= 400);
    let state = ["inspect", "-f", "{{.State.Status}}", "box"];
    assert_eq!(engine.docker(&state)?.success()?, "running");
    assert_eq!(engine.docker(&["images", "-aq"])?.success()?.lines().count(), 1);
    Ok(())
}

#[test]
fn a_container_whose_image_was_removed_by_force_becomes_one() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    engine
        .docker(&["run", "--name", "box", "busybox", "sh", "-c", "echo own > /own"])?
        .success()?;
    engine.docker(&["rmi", "-f", "busybox"])?.success()?;
    engine.docker(&["commit", "box", "saved"])?.success()?;
    engine.docker(&["rm", "box"])?.success()?;
    assert_eq!(engine.docker(&["run", "--rm", "saved", "cat", "/own"])?.success()?, "own");
    Ok(())
}

#[test]
fn an_engine_that_dies_while_it_copies_leaves_nothing_paused() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    engine.docker(&["run", "-d", "--name", "box", "busybox", "sleep", "1000"])?.success()?;
    let id = engine.docker(&["inspect", "-f", "{{.Id}}", "box"])?.success()?.to_owned();
    engine.docker(&["pause", "box"])?.success()?;
    // As it is in the middle of a commit.
    std::fs::write(engine.run_dir().join(&id[..32]).join("paused-for-copy"), "")?;
    engine.kill()?;
    engine.restart()?;
    assert_eq!(engine.docker(&["exec", "box", "echo", "goes on"])?.success()?, "goes on");
    engine.docker(&["pause", "box"])?.success()?;
    engine.kill()?;
    engine.restart()?;
    let state = ["inspect", "-f", "{{.State.Status}}", "box"];
    assert_eq!(engine.docker(&state)?.success()?, "paused", "its user's pause stays");
    Ok(())
}
