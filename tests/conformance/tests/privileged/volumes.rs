//! `volume`: made, listed, used, removed.

use naru_test_framework::{DockerHost, Engine};
use serde_json::{Value, json};

use crate::expect_error;
use crate::raw::{ask, post};

/// Runs `docker volume …` to its end.
fn volume(engine: &DockerHost, words: &str) -> anyhow::Result<String> {
    let words: Vec<&str> = words.split(' ').collect();
    Ok(engine.docker(&[&["volume"], words.as_slice()].concat())?.success()?.to_owned())
}

/// Names of the volumes that these filters leave, in their order.
fn listed(engine: &DockerHost, filters: &str) -> anyhow::Result<Vec<String>> {
    let words = format!("ls -q {filters}");
    let mut names: Vec<String> =
        volume(engine, words.trim_end())?.lines().map(str::to_owned).collect();
    names.sort();
    Ok(names)
}

#[test]
fn a_volume_is_made_once_and_shown_as_docker_shows_it() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    assert_eq!(volume(&engine, "create --label a=b --label c data")?, "data");
    let mut made = post(&engine, "/v1.41/volumes/create", r#"{"Name":"data","Driver":"local"}"#)?;
    assert_eq!(made.status, 201);
    let made = made.json()?;
    let mut shown = ask(&engine, "GET", "/v1.41/volumes/data")?;
    assert_eq!(shown.status, 200);
    assert_eq!(shown.json()?, made, "it is the one that was there");
    assert_eq!(made["Labels"], json!({ "a": "b", "c": "" }));
    assert_eq!(
        (&made["Name"], &made["Driver"], &made["Scope"], &made["Options"]),
        (&json!("data"), &json!("local"), &json!("local"), &Value::Null)
    );
    let place = made["Mountpoint"].as_str().unwrap_or_default();
    assert!(place.ends_with("/volumes/data/_data"), "{place}");

    let anonymous = volume(&engine, "create")?;
    assert!(anonymous.len() == 64 && anonymous.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let list = ask(&engine, "GET", "/v1.41/volumes")?.json()?;
    assert_eq!(
        (list["Volumes"].as_array().map(Vec::len), &list["Warnings"]),
        (Some(2), &Value::Null)
    );
    volume(&engine, &format!("rm data {anonymous}"))?;
    assert_eq!(ask(&engine, "GET", "/v1.41/volumes")?.json()?["Volumes"], json!([]));
    Ok(())
}

#[test]
fn what_makes_no_sense_is_refused_in_dockers_words() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let characters = "includes invalid characters for a local volume name, only \
                      \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host \
                      directory, use absolute path";
    for (body, message) in [
        (
            json!({ "Name": "a" }),
            "create a: volume name is too short, names should be at least two alphanumeric \
             characters"
                .to_owned(),
        ),
        (json!({ "Name": "../up" }), format!("create ../up: \"../up\" {characters}")),
        (json!({ "Name": ".new.x" }), format!("create .new.x: \".new.x\" {characters}")),
        (json!({ "Name": "a/b" }), format!("create a/b: \"a/b\" {characters}")),
        (
            json!({ "Name": "ab", "DriverOpts": { "colour": "red" } }),
            "create ab: invalid option: \"colour\"".to_owned(),
        ),
        (
            json!({ "Name": "ab", "DriverOpts": { "type": "tmpfs" } }),
            "create ab: missing required option: \"device\"".to_owned(),
        ),
        (
            json!({ "Name": "ab", "DriverOpts": { "size": "1g" } }),
            "create ab: quota size requested but no quota support".to_owned(),
        ),
    ] {
        let mut refused = post(&engine, "/v1.41/volumes/create", &body.to_string())?;
        assert_eq!((refused.status, refused.message()?), (400, message));
    }
    for (method, path, status, message) in [
        ("GET", "/volumes/nosuch", 404, "get nosuch: no such volume"),
        ("DELETE", "/volumes/nosuch", 404, "get nosuch: no such volume"),
    ] {
        let mut refused = ask(&engine, method, &format!("/v1.41{path}"))?;
        assert_eq!((refused.status, refused.message()?.as_str()), (status, message));
    }
    for path in [
        "volumes?filters=%7B%22colour%22:%5B%22red%22%5D%7D",
        "volumes?filters=%7B%22dangling%22:%5B%22odd%22%5D%7D",
    ] {
        assert_eq!(ask(&engine, "GET", &format!("/v1.41/{path}"))?.status, 400, "{path}");
    }
    assert_eq!(ask(&engine, "DELETE", "/v1.41/volumes/nosuch?force=1")?.status, 204);
    assert_eq!(listed(&engine, "")?, [] as [&str; 0], "nothing was made");
    Ok(())
}

#[test]
fn a_driver_that_is_not_there_is_named() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let message = |name: &str| {
        format!("create {name}: error looking up volume plugin odd: plugin \"odd\" not found")
    };
    let made = engine.docker(&["volume", "create", "-d", "odd", "data"])?;
    expect_error(&made, 1, &message("data"))?;
    let body = r#"{"Image":"busybox","HostConfig":{"VolumeDriver":"odd","Binds":["other:/x"]}}"#;
    let mut made = post(&engine, "/v1.41/containers/create", body)?;
    // Docker's 404 its client takes for a missing image.
    assert!(matches!(made.status, 400 | 404));
    assert_eq!(made.message()?, message("other"));
    assert_eq!(listed(&engine, "")?, [] as [&str; 0]);
    Ok(())
}

#[test]
fn filters_find_volumes_and_their_containers() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    for words in ["create --label tier=db base", "create --label tier=web web", "create other"] {
        volume(&engine, words)?;
    }
    let create = ["create", "--name", "uses", "-v", "base:/data", "-v", "/tmp:/host", "busybox"];
    engine.docker(&create)?.success()?;
    for (filters, expected) in [
        ("", &["base", "other", "web"][..]),
        ("-f dangling=true", &["other", "web"]),
        ("-f dangling=false", &["base"]),
        ("-f name=e", &["base", "other", "web"]),
        ("-f name=^b", &["base"]),
        ("-f label=tier", &["base", "web"]),
        ("-f label=tier=db", &["base"]),
        ("-f driver=local -f name=other", &["other"]),
        ("-f driver=odd", &[]),
    ] {
        assert_eq!(listed(&engine, filters)?, expected, "{filters}");
    }
    for (wanted, expected) in [("base", "uses"), ("/data", "uses"), ("/tmp", "uses"), ("web", "")] {
        let filter = format!("volume={wanted}");
        let found = engine.docker(&["ps", "-a", "-f", &filter, "--format", "{{.Names}}"])?;
        assert_eq!(found.success()?, expected, "{wanted}");
    }
    Ok(())
}

#[test]
fn a_volume_in_use_stays() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let create = engine.docker(&["create", "--name", "uses", "-v", "data:/data", "busybox"])?;
    let id = create.success()?;
    let message = format!("remove data: volume is in use - [{id}]");
    for command in [&["volume", "rm", "data"][..], &["volume", "rm", "-f", "data"]] {
        expect_error(&engine.docker(command)?, 1, &message)?;
    }
    assert_eq!(ask(&engine, "DELETE", "/v1.41/volumes/data")?.status, 409);
    volume(&engine, "prune -f")?;
    assert_eq!(listed(&engine, "")?, ["data"]);
    engine.docker(&["rm", "uses"])?.success()?;
    assert_eq!(volume(&engine, "rm data")?, "data");
    Ok(())
}

#[test]
fn what_nobody_has_named_goes_with_its_container() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let options = ["-v", "named:/named", "-v", "/anonymous"];
    let run = |verb: &[&str]| -> anyhow::Result<()> {
        engine.docker(&[verb, &options, &["busybox", "true"]].concat())?.success()?;
        Ok(())
    };
    run(&["run", "--rm", "--mount", "type=volume,dst=/other"])?;
    assert_eq!(listed(&engine, "")?, ["named"]);
    run(&["run", "--name", "one"])?;
    engine.docker(&["rm", "one"])?.success()?;
    assert_eq!(listed(&engine, "")?.len(), 2, "without -v it stays");
    run(&["run", "--name", "two"])?;
    let share = ["create", "--name", "shares", "--volumes-from", "two", "busybox"];
    engine.docker(&share)?.success()?;
    engine.docker(&["rm", "-v", "two"])?.success()?;
    assert_eq!(listed(&engine, "")?.len(), 3, "what another has stays");
    engine.docker(&["rm", "-v", "shares"])?.success()?;
    assert_eq!(listed(&engine, "")?.len(), 2);
    Ok(())
}

#[test]
fn a_prune_takes_what_its_version_says() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    volume(&engine, "create --label keep kept")?;
    volume(&engine, "create data")?;
    let write = ["run", "--rm", "-v", "data:/data", "busybox", "sh", "-c", "echo 12345 > /data/f"];
    engine.docker(&write)?.success()?;
    let filters = "%7B%22label!%22:%5B%22keep%22%5D%7D";
    let mut pruned = post(&engine, &format!("/v1.41/volumes/prune?filters={filters}"), "")?;
    assert_eq!(pruned.status, 200);
    let pruned = pruned.json()?;
    assert_eq!(pruned, json!({ "VolumesDeleted": ["data"], "SpaceReclaimed": 6 }));
    assert_eq!(listed(&engine, "")?, ["kept"]);
    let unknown = "/v1.41/volumes/prune?filters=%7B%22all%22:%5B%22true%22%5D%7D";
    assert_eq!(post(&engine, unknown, "")?.status, 400, "it came later");
    Ok(())
}

#[test]
fn since_1_42_only_what_nobody_has_named_is_pruned() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    if post(&engine, "/v1.42/volumes/create", r#"{"Name":"named"}"#)?.status != 201 {
        // An older Docker, which has no such rule.
        return Ok(());
    }
    let anonymous = volume(&engine, "create")?;
    let pruned = post(&engine, "/v1.42/volumes/prune", "")?.json()?;
    assert_eq!(pruned["VolumesDeleted"], json!([anonymous]));
    let all = "/v1.42/volumes/prune?filters=%7B%22all%22:%5B%22true%22%5D%7D";
    assert_eq!(post(&engine, all, "")?.json()?["VolumesDeleted"], json!(["named"]));
    Ok(())
}

#[test]
fn a_volumes_life_is_told() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let run = ["run", "--rm", "--name", "uses", "-v", "data:/data:ro", "busybox", "true"];
    engine.docker(&run)?.success()?;
    volume(&engine, "rm data")?;
    let now = engine.docker(&["info", "--format", "{{.SystemTime}}"])?;
    let format = "{{.Action}} {{.Actor.ID}} {{.Actor.Attributes.driver}} \
                  {{index .Actor.Attributes \"destination\"}} \
                  {{index .Actor.Attributes \"read/write\"}}";
    let events = ["events", "--since", engine.since(), "--until", now.success()?];
    let of_it = ["--filter", "type=volume", "--filter", "volume=data", "--format", format];
    let told = engine.docker(&[events.as_slice(), &of_it].concat())?;
    let told: Vec<&str> = told.success()?.lines().collect();
    let none = "<no value>";
    let [create, mount, unmount, destroy] = told[..] else { panic!("{told:?}") };
    assert!(create.starts_with("create data local"), "{create}");
    assert_eq!(mount, "mount data local /data false");
    assert!(unmount.starts_with("unmount data local"), "{unmount}");
    assert!(destroy.starts_with("destroy data local") && !destroy.contains("/data "), "{none}");
    Ok(())
}

#[test]
fn disk_usage_counts_volumes() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let write = "echo 12345 > /data/f";
    let run = ["run", "--name", "one", "-v", "data:/data", "busybox", "sh", "-c", write];
    engine.docker(&run)?.success()?;
    engine.docker(&["create", "-v", "data:/data", "busybox"])?.success()?;
    let usage = ask(&engine, "GET", "/v1.41/system/df")?.json()?;
    let volumes = &usage["Volumes"];
    assert_eq!(volumes.as_array().map(Vec::len), Some(1));
    assert_eq!(volumes[0]["UsageData"], json!({ "Size": 6, "RefCount": 2 }));
    let format = ["system", "df", "--format", "{{.Type}}|{{.TotalCount}}|{{.Active}}|{{.Size}}"];
    let shown = engine.docker(&format)?;
    assert!(shown.success()?.lines().any(|line| line == "Local Volumes|1|1|6B"), "{shown:?}");
    Ok(())
}
