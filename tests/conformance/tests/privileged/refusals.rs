//! What Docker can and this engine cannot yet is refused in a sentence, and harms nothing.

use naru_test_framework::Engine;

#[test]
fn what_is_not_there_yet_is_refused_in_a_sentence() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["run", "-d", "--name", "runs", "busybox", "sleep", "1000"])?.success()?;
    let before = engine.docker(&["inspect", "runs", "busybox"])?;

    for (command, code) in [("swarm init", 1), ("run --rm --log-driver syslog busybox true", 125)] {
        let words: Vec<&str> = command.split(' ').collect();
        let output = engine.command(&words).env("DOCKER_BUILDKIT", "0").output()?;
        let said = String::from_utf8(output.stderr)?;
        assert_eq!(output.status.code(), Some(code), "{command}: {said}");
        let message = said.split("Error response from daemon: ").nth(1).unwrap_or_default();
        let message = message.lines().next().unwrap_or_default();
        assert!(message.contains("not supported"), "{command}: {said}");
    }
    let swarm = engine.docker(&["node", "ls"])?;
    assert!(swarm.failure(1)?.contains("This node is not a swarm manager."), "{swarm:?}");

    let after = engine.docker(&["inspect", "runs", "busybox"])?;
    assert_eq!(before.success()?, after.success()?);
    assert_eq!(engine.docker(&["ps", "-aq"])?.success()?.lines().count(), 1);
    Ok(())
}
