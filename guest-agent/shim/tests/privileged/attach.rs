//! Clients of a running process.

use anyhow::{Result, bail, ensure};
use naru_shim::wire::{ShimAnswer, ShimRequest};

use crate::harness::Fixture;

#[test]
fn a_client_attached_before_the_start_gets_everything() -> Result<()> {
    for run in 0..200 {
        let fixture = Fixture::shell("echo first; echo second >&2; echo third")?;
        let mut shim = fixture.spawn()?;
        shim.created()?;
        let client = shim.attach(false)?;
        shim.start()?;
        let [stdout, stderr] = client.frames()?;
        assert_eq!((stdout.as_str(), stderr.as_str()), ("first\nthird\n", "second\n"), "run {run}");
        assert_eq!(shim.exited()?.code, 0);
        assert_eq!(fixture.logged("stdout")?, "first\nthird\n");
        assert_eq!(fixture.logged("stderr")?, "second\n");
    }
    Ok(())
}

#[test]
fn the_end_of_the_clients_input_is_the_end_of_the_processs() -> Result<()> {
    let fixture = Fixture::with_stdin("cat; echo done")?;
    let mut shim = fixture.spawn()?;
    shim.created()?;
    let mut client = shim.attach(true)?;
    client.write(b"before ")?;
    shim.start()?;
    client.write(b"after\n")?;
    client.end_input()?;
    assert_eq!(client.frames()?[0], "before after\ndone\n");
    assert_eq!(shim.exited()?.code, 0);
    Ok(())
}

#[test]
fn an_input_that_is_not_for_one_client_stays_open() -> Result<()> {
    let mut fixture = Fixture::with_stdin("cat")?;
    fixture.config.stdin_once = false;
    let mut shim = fixture.spawn()?;
    shim.created()?;
    shim.start()?;
    let watcher = shim.attach(false)?;
    for text in ["one\n", "two\n"] {
        let mut client = shim.attach(true)?;
        client.write(text.as_bytes())?;
        client.end_input()?;
        client.rest()?;
    }
    let (answer, _) = shim.ask(&ShimRequest::CloseStdin)?;
    assert_eq!(answer, ShimAnswer::Ok);
    assert_eq!(watcher.frames()?[0], "one\ntwo\n");
    assert_eq!(shim.exited()?.code, 0);
    Ok(())
}

#[test]
fn much_output_reaches_a_slow_client_and_the_log_whole() -> Result<()> {
    let fixture = Fixture::shell("yes 0123456789abcdef | head -n 300000")?;
    let mut shim = fixture.spawn()?;
    shim.created()?;
    let client = shim.attach(false)?;
    shim.start()?;
    let second = shim.attach(false)?;
    drop(second);
    // Nothing is read until the shim waits for us: the state is then still "running".
    let (answer, _) = shim.ask(&ShimRequest::State)?;
    ensure!(matches!(&answer, ShimAnswer::State(state) if state.exited.is_none()), "{answer:?}");
    let expected = 300_000 * 17;
    assert_eq!(client.frames()?[0].len(), expected);
    assert_eq!(shim.exited()?.code, 0);
    assert_eq!(fixture.logged("stdout")?.len(), expected);
    Ok(())
}

#[test]
fn who_attaches_after_the_log_gets_what_is_not_in_it() -> Result<()> {
    let fixture = Fixture::with_stdin("echo one; printf ha; read x; echo lf")?;
    let mut shim = fixture.spawn()?;
    shim.created()?;
    let mut first = shim.attach(true)?;
    shim.start()?;
    first.read_until("ha")?;
    let request = ShimRequest::AttachAfterLog { stdin: false, stdout: true, stderr: true };
    let (answer, second) = shim.ask(&request)?;
    let ShimAnswer::Attached(position) = answer else { bail!("{answer:?}") };
    let log = std::fs::read(fixture.path().join("json.log"))?;
    assert_eq!(position.length, u64::try_from(log.len())?);
    assert!(log.starts_with(br#"{"log":"one\n""#) && log.ends_with(b"\"}\n"));
    first.write(b"\n")?;
    assert_eq!(second.frames()?[0], "half\n");
    assert_eq!(fixture.logged("stdout")?, "one\nhalf\n");
    assert_eq!(shim.exited()?.code, 0);
    Ok(())
}

#[test]
fn a_terminal_is_raw_and_can_be_resized() -> Result<()> {
    let fixture = Fixture::with_terminal("read x; stty size; exit 3")?;
    let mut shim = fixture.spawn()?;
    shim.created()?;
    let mut client = shim.attach(true)?;
    shim.start()?;
    let (answer, _) = shim.ask(&ShimRequest::Resize { rows: 31, cols: 99 })?;
    assert_eq!(answer, ShimAnswer::Ok);
    client.write(b"go\n")?;
    assert_eq!(client.read_until("31 99\r\n")?, "go\r\n31 99\r\n");
    assert_eq!(client.rest()?, b"");
    assert_eq!(shim.exited()?.code, 3);
    assert_eq!(fixture.logged("stdout")?, "go\r\n31 99\r\n");
    Ok(())
}

#[test]
fn a_request_that_cannot_be_understood_is_answered() -> Result<()> {
    let fixture = Fixture::with_stdin("cat")?;
    let mut shim = fixture.spawn()?;
    shim.created()?;
    let (answer, _) = shim.ask(&ShimRequest::Resize { rows: 1, cols: 1 })?;
    let message = "the process has no terminal".to_owned();
    assert_eq!(answer, ShimAnswer::Error { message });
    let (answer, _) = shim.ask(&ShimRequest::Signal { signal: 9 })?;
    assert_eq!(answer, ShimAnswer::Error { message: "the process is not started".to_owned() });
    shim.start()?;
    let (answer, _) = shim.ask(&ShimRequest::Signal { signal: 9 })?;
    assert_eq!(answer, ShimAnswer::Ok);
    assert_eq!(shim.exited()?.code, 137);
    Ok(())
}
