//! What the API promises and `docker` does not show.

use naru_test_framework::Engine;

use crate::raw::{ask, post, upgrade};

#[test]
fn unknown_paths_and_wrong_methods_are_not_found() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    for (method, path) in [
        ("GET", "/nosuch"),
        ("GET", "/v1.45/nosuch"),
        ("PUT", "/containers/json"),
        ("POST", "/info"),
        ("DELETE", "/v1.45/version"),
        ("GET", "/images/nosuch/nosuch"),
    ] {
        let mut answer = ask(&engine, method, path)?;
        assert_eq!(answer.status, 404, "{method} {path}");
        assert_eq!(answer.body()?, br#"{"message":"page not found"}"#, "{method} {path}");
    }
    Ok(())
}

#[test]
fn versions_out_of_range_are_refused_in_dockers_words() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    let maximum =
        ask(&engine, "GET", "/_ping")?.header("api-version").unwrap_or_default().to_owned();
    let mut answer = ask(&engine, "GET", "/v1.99/info")?;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.message()?,
        format!("client version 1.99 is too new. Maximum supported API version is {maximum}")
    );
    let mut answer = ask(&engine, "GET", "/v1.23/containers/json")?;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.message()?,
        "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade \
         your client to a newer version"
    );
    assert_eq!(ask(&engine, "GET", "/v1.24/containers/json")?.status, 200);
    assert_eq!(ask(&engine, "GET", "/containers/json")?.status, 200);
    Ok(())
}

#[test]
fn a_refusal_reaches_a_client_that_is_still_sending() -> anyhow::Result<()> {
    /// More than the sockets' buffers hold.
    const BODY: usize = 16 << 20;
    let engine = Engine::start()?;
    let body = "x".repeat(BODY);
    for path in ["/build?version=3", "/nosuch"] {
        let mut answer = post(&engine, path, &body)?;
        assert!(answer.status >= 400, "{path}: {}", answer.status);
        assert!(!answer.message()?.is_empty());
    }
    Ok(())
}

#[test]
fn every_answer_says_who_answers() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    for path in ["/_ping", "/nosuch", "/v1.99/info", "/containers/nosuch/json", "/volumes"] {
        let answer = ask(&engine, "GET", path)?;
        assert_eq!(answer.header("ostype"), Some("linux"), "{path}");
        assert_eq!(answer.header("docker-experimental"), Some("false"), "{path}");
        assert!(answer.header("api-version").is_some_and(|version| version.starts_with("1.")));
        let server = answer.header("server").unwrap_or_default();
        assert!(server.starts_with("Docker/") && server.ends_with(" (linux)"), "{path}: {server}");
    }
    Ok(())
}

#[test]
fn ping_is_answered_with_and_without_a_body() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    let mut get = ask(&engine, "GET", "/_ping")?;
    assert_eq!((get.status, get.body()?.as_slice()), (200, b"OK".as_slice()));
    let mut head = ask(&engine, "HEAD", "/_ping")?;
    assert_eq!((head.status, head.body()?.len()), (200, 0));
    assert!(head.header("api-version").is_some());
    assert_eq!(head.header("cache-control"), Some("no-cache, no-store, must-revalidate"));
    assert_eq!(head.header("pragma"), Some("no-cache"));
    assert_eq!(head.header("content-length"), Some("0"));
    Ok(())
}

#[test]
fn filters_are_read_in_both_forms() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["create", "--name", "one", "busybox"])?.success()?;
    engine.docker(&["create", "--name", "two", "busybox"])?.success()?;
    // {"name":{"one":true}} and {"name":["one"]}
    for filters in ["%7B%22name%22:%7B%22one%22:true%7D%7D", "%7B%22name%22:%5B%22one%22%5D%7D"] {
        let path = format!("/v1.45/containers/json?all=1&filters={filters}");
        let listed = ask(&engine, "GET", &path)?.json()?;
        assert_eq!(listed.as_array().map(Vec::len), Some(1), "{filters}");
        assert_eq!(listed[0]["Names"][0], "/one");
    }
    let mut answer = ask(&engine, "GET", "/containers/json?filters=%7B%22name%22:7%7D")?;
    assert_eq!(answer.status, 400);
    assert!(answer.message()?.starts_with("invalid filter"));
    Ok(())
}

#[test]
fn a_wait_is_accepted_before_the_container_starts() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let create = ["create", "--name", "waits", "busybox", "sh", "-c", "exit 6"];
    engine.docker(&create)?.success()?;
    let mut wait = ask(&engine, "POST", "/v1.45/containers/waits/wait?condition=next-exit")?;
    assert_eq!(wait.status, 200, "the head of the answer comes at once");
    assert_eq!(ask(&engine, "POST", "/v1.45/containers/waits/start")?.status, 204);
    assert_eq!(wait.json()?["StatusCode"], 6);
    assert_eq!(ask(&engine, "POST", "/v1.45/containers/waits/wait?condition=bad")?.status, 400);
    assert_eq!(ask(&engine, "POST", "/v1.45/containers/nosuch/wait")?.status, 404);
    Ok(())
}

#[test]
fn who_attaches_before_the_start_misses_nothing() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let shell = "echo out; echo err >&2; cat";
    let create = ["create", "-i", "--name", "early", "busybox", "sh", "-c", shell];
    engine.docker(&create)?.success()?;
    let path = "/v1.45/containers/early/attach?stream=1&stdin=1&stdout=1&stderr=1";
    let mut attached = upgrade(&engine, path, "")?;
    assert_eq!(attached.status, 101);
    assert_eq!(attached.header("connection"), Some("Upgrade"));
    assert_eq!(attached.header("upgrade"), Some("tcp"));
    assert_eq!(attached.header("content-type"), Some("application/vnd.docker.multiplexed-stream"));
    assert_eq!(ask(&engine, "POST", "/v1.45/containers/early/start")?.status, 204);
    attached.write_all(b"typed")?;
    let frames = attached.frames()?;
    let of = |wanted: u8| -> Vec<u8> {
        frames.iter().filter(|(stream, _)| *stream == wanted).flat_map(|(_, b)| b.clone()).collect()
    };
    assert_eq!(of(1), b"out\ntyped");
    assert_eq!(of(2), b"err\n");
    Ok(())
}

#[test]
fn older_clients_are_told_of_a_raw_stream() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["create", "--name", "old", "busybox", "true"])?.success()?;
    let attached = upgrade(&engine, "/v1.41/containers/old/attach?stream=1&stdout=1", "")?;
    assert_eq!(attached.status, 101);
    assert_eq!(attached.header("content-type"), Some("application/vnd.docker.raw-stream"));
    Ok(())
}

#[test]
fn an_exec_is_created_run_and_inspected() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["run", "-d", "--name", "host", "busybox", "sleep", "1000"])?.success()?;
    let wanted = r#"{"AttachStdout":true,"Cmd":["sh","-c","echo hi; exit 3"]}"#;
    let mut created = post(&engine, "/v1.45/containers/host/exec", wanted)?;
    assert_eq!(created.status, 201);
    let id = created.json()?["Id"].as_str().unwrap_or_default().to_owned();
    let mut started = upgrade(&engine, &format!("/v1.45/exec/{id}/start"), "{}")?;
    assert_eq!(started.status, 101);
    assert_eq!(started.frames()?, [(1, b"hi\n".to_vec())]);
    // Settled by the time the stream has ended.
    let shown = ask(&engine, "GET", &format!("/v1.45/exec/{id}/json"))?.json()?;
    assert_eq!((shown["Running"].as_bool(), shown["ExitCode"].as_i64()), (Some(false), Some(3)));
    assert_eq!(ask(&engine, "GET", "/v1.45/exec/nosuch/json")?.status, 404);
    Ok(())
}

#[test]
fn an_exec_writes_into_the_answer_of_a_client_that_does_not_upgrade() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["run", "-d", "--name", "host", "busybox", "sleep", "1000"])?.success()?;
    let start = |wanted: &str| -> anyhow::Result<(String, Vec<u8>)> {
        let made = post(&engine, "/v1.45/containers/host/exec", wanted)?.json()?;
        let id = made["Id"].as_str().unwrap_or_default().to_owned();
        let mut started = post(&engine, &format!("/v1.45/exec/{id}/start"), "{}")?;
        assert_eq!(started.status, 200);
        assert_eq!(
            started.header("content-type"),
            Some("application/vnd.docker.multiplexed-stream")
        );
        Ok((id, started.body()?))
    };
    let wanted =
        r#"{"AttachStdin":true,"AttachStdout":true,"Cmd":["sh","-c","cat; echo hi; exit 3"]}"#;
    let (id, said) = start(wanted)?;
    assert_eq!(said, b"\x01\0\0\0\0\0\0\x03hi\n");
    // Settled by the time the body has ended.
    let shown = ask(&engine, "GET", &format!("/v1.45/exec/{id}/json"))?.json()?;
    assert_eq!((shown["Running"].as_bool(), shown["ExitCode"].as_i64()), (Some(false), Some(3)));

    let (id, said) = start(r#"{"AttachStderr":true,"Cmd":["nosuch"]}"#)?;
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("OCI runtime exec failed") && said.contains("nosuch"), "{said}");
    let shown = ask(&engine, "GET", &format!("/v1.45/exec/{id}/json"))?.json()?;
    assert_eq!(shown["ExitCode"], 127);
    Ok(())
}

#[test]
fn what_is_already_so_is_not_modified() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["run", "-d", "--name", "runs", "busybox", "sleep", "1000"])?.success()?;
    let mut again = ask(&engine, "POST", "/v1.45/containers/runs/start")?;
    assert_eq!((again.status, again.body()?.len()), (304, 0));
    assert_eq!(ask(&engine, "POST", "/v1.45/containers/runs/kill")?.status, 204);
    assert_eq!(ask(&engine, "POST", "/v1.45/containers/runs/wait")?.json()?["StatusCode"], 137);
    assert_eq!(ask(&engine, "POST", "/v1.45/containers/runs/stop")?.status, 304);
    assert_eq!(ask(&engine, "POST", "/v1.45/containers/runs/kill")?.status, 409);
    Ok(())
}

#[test]
fn garbage_is_a_bad_request() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    for body in ["{", "[]", r#"{"Image":7}"#, r#"{"Image":""}"#] {
        let mut answer = post(&engine, "/v1.45/containers/create", body)?;
        assert_eq!(answer.status, 400, "{body}");
        assert!(!answer.message()?.is_empty(), "{body}");
    }
    let mut answer = post(&engine, "/v1.45/containers/create", r#"{"Image":"nosuch"}"#)?;
    assert_eq!((answer.status, answer.message()?.as_str()), (404, "No such image: nosuch:latest"));
    assert_eq!(ask(&engine, "GET", "/containers/json?limit=x")?.status, 400);
    Ok(())
}
