//! Detach keys, and attach over a web socket: what the stock client does not show.

use naru_test_framework::{DockerHost, Engine};

use crate::raw::{Connection, ask, post, request, upgrade};

fn actions(engine: &DockerHost, container: &str) -> anyhow::Result<Vec<String>> {
    let now = engine.docker(&["info", "--format", "{{.SystemTime}}"])?;
    let filter = format!("container={container}");
    let events = ["events", "--since", engine.since(), "--until", now.success()?, "--filter"];
    let events = [&events[..], &[&filter, "--format", "{{.Action}}"]].concat();
    Ok(engine.docker(&events)?.success()?.lines().map(str::to_owned).collect())
}

#[test]
fn detach_keys_end_the_connection_and_not_the_container() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["run", "-dit", "--name", "shell", "busybox", "cat"])?.success()?;
    for (keys, typed) in [("", &b"one\x10\x11"[..]), ("ctrl-a,b", b"two\x01b")] {
        let path = format!(
            "/v1.45/containers/shell/attach?stream=1&stdin=1&stdout=1&stderr=1&detachKeys={keys}"
        );
        let mut attached = upgrade(&engine, &path, "")?;
        attached.write(typed)?;
        // It ends though nobody has closed it; the terminal echoes what came before the keys.
        attached.body()?;
        assert_eq!(engine.docker(&["ps", "--format", "{{.Names}}"])?.success()?, "shell");
    }
    let path = "/v1.45/containers/shell/attach?stream=1&detachKeys=nosuch";
    let mut refused = upgrade(&engine, path, "")?;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.message()?, "Invalid detach keys (nosuch) provided");
    let told = actions(&engine, "shell")?;
    assert_eq!(told, ["create", "start", "attach", "detach", "attach", "detach"]);
    // Without a terminal they are bytes as any others.
    engine.docker(&["run", "-di", "--name", "plain", "busybox", "head", "-c", "3"])?.success()?;
    let path = "/v1.45/containers/plain/attach?stream=1&stdin=1&stdout=1";
    let mut attached = upgrade(&engine, path, "")?;
    attached.write(b"\x10\x11.")?;
    assert_eq!(attached.frames()?, [(1, b"\x10\x11.".to_vec())]);
    Ok(())
}

#[test]
fn detach_keys_leave_an_exec_running() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["run", "-d", "--name", "host", "busybox", "sleep", "1000"])?.success()?;
    let wanted = r#"{"AttachStdin":true,"AttachStdout":true,"Tty":true,"Cmd":["cat"],
                     "DetachKeys":"x,y"}"#;
    let mut created = post(&engine, "/v1.45/containers/host/exec", wanted)?;
    let id = created.json()?["Id"].as_str().unwrap_or_default().to_owned();
    let start = format!("/v1.45/exec/{id}/start");
    let mut started = upgrade(&engine, &start, r#"{"Tty":true}"#)?;
    started.write(b"z\n")?;
    started.read_until("z\r\nz\r\n")?;
    started.write(b"xy")?;
    started.body()?;
    let shown = ask(&engine, "GET", &format!("/v1.45/exec/{id}/json"))?.json()?;
    assert_eq!((&shown["Running"], &shown["DetachKeys"]), (&true.into(), &"x,y".into()));
    assert!(
        actions(&engine, "host")?.ends_with(&["exec_start: cat ".into(), "exec_detach".into()])
    );
    let wanted = r#"{"Cmd":["cat"],"DetachKeys":"nosuch"}"#;
    assert_eq!(post(&engine, "/v1.45/containers/host/exec", wanted)?.status, 400);
    Ok(())
}

/// Asks for a web socket.
fn web_socket(engine: &DockerHost, path: &str) -> anyhow::Result<Connection> {
    let headers = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    request(engine, "GET", path, &headers, "")
}

/// A message of a client: masked, here by nothing.
fn message(opcode: u8, content: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut bytes = vec![0x80 | opcode, 0x80 | u8::try_from(content.len())?, 0, 0, 0, 0];
    bytes.extend_from_slice(content);
    Ok(bytes)
}

/// The next message of the server, a short one.
fn received(connection: &mut Connection) -> anyhow::Result<(u8, Vec<u8>)> {
    let header = connection.read(2)?;
    Ok((header[0] & 15, connection.read(usize::from(header[1]))?))
}

#[test]
fn a_web_socket_carries_the_bytes_and_no_frames() -> anyhow::Result<()> {
    const TEXT: u8 = 1;
    const BINARY: u8 = 2;
    const CLOSE: u8 = 8;
    let engine = Engine::with_busybox()?;
    let shell = "echo first; read x; echo got $x >&2; read x; echo again $x";
    engine.docker(&["run", "-di", "--name", "talks", "busybox", "sh", "-c", shell])?.success()?;
    assert_eq!(engine.spawn(&["logs", "-f", "talks"])?.line()?, "first");
    let path = "containers/talks/attach/ws?logs=1&stream=1&stdin=1&stdout=1&stderr=1";
    let mut socket = web_socket(&engine, &format!("/v1.45/{path}"))?;
    assert_eq!(socket.status, 101);
    // The answer that RFC 6455 has to this key.
    assert_eq!(socket.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(received(&mut socket)?, (BINARY, b"first\n".to_vec()));
    socket.write(&message(BINARY, b"one\n")?)?;
    assert_eq!(received(&mut socket)?, (BINARY, b"got one\n".to_vec()));

    // It may go; the container stays, and older clients get texts.
    socket.write(&message(CLOSE, b"")?)?;
    assert_eq!(received(&mut socket)?.0, CLOSE);
    let path = "containers/talks/attach/ws?stream=1&stdin=1&stdout=1&stderr=1";
    let mut socket = web_socket(&engine, &format!("/v1.27/{path}"))?;
    socket.write(&message(TEXT, b"two\n")?)?;
    assert_eq!(received(&mut socket)?, (TEXT, b"again two\n".to_vec()));
    assert_eq!(received(&mut socket)?.0, CLOSE);

    let mut plain = ask(&engine, "GET", &format!("/v1.45/{path}"))?;
    assert_eq!(plain.status, 400);
    assert!(plain.message()?.to_lowercase().contains("upgrade"));
    assert_eq!(web_socket(&engine, "/v1.45/containers/nosuch/attach/ws")?.status, 404);
    Ok(())
}
