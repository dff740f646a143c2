//! Which image a build stands on.

use naru_test_framework::{Engine, Registry};

use crate::build::{build, context};

#[test]
fn a_base_is_what_its_digest_says_and_is_looked_for_anew_where_that_is_asked() -> anyhow::Result<()>
{
    let registry = Registry::start()?;
    let engine = Engine::with_busybox()?;
    let name = registry.reference("base", "1");
    let publish = |word: &str| -> anyhow::Result<String> {
        context(&engine, &[("Dockerfile", &format!("FROM busybox\nENV WORD={word}\n"))])?;
        build(&engine, &["-t", &name])?.success()?;
        engine.docker(&["push", &name])?.success()?;
        let shown = engine.docker(&["inspect", "-f", "{{index .RepoDigests 0}}", &name])?;
        Ok(shown.success()?.to_owned())
    };
    let old = publish("old")?;
    engine.docker(&["tag", &name, "kept:1"])?.success()?;
    let new = publish("new")?;
    // Here the name is the old image's again.
    engine.docker(&["tag", "kept:1", &name])?.success()?;

    let word = |base: &str, flags: &[&str]| -> anyhow::Result<String> {
        let dockerfile = format!("FROM {base}\nRUN echo $WORD > /word\n");
        context(&engine, &[("Dockerfile", &dockerfile)])?;
        build(&engine, &[flags, &["-t", "made"]].concat())?.success()?;
        let read = engine.docker(&["run", "--rm", "made", "cat", "/word"])?;
        Ok(read.success()?.to_owned())
    };
    assert_eq!(word(&name, &[])?, "old");
    assert_eq!(word(&name, &["--pull"])?, "new");
    assert_eq!(word(&name, &[])?, "new", "it is the name's from then on");
    assert_eq!((word(&old, &[])?, word(&new, &[])?), ("old".to_owned(), "new".to_owned()));
    let nowhere = format!("{}@sha256:{}", registry.reference("base", "1"), "0".repeat(64));
    context(&engine, &[("Dockerfile", &format!("FROM {nowhere}\n"))])?;
    build(&engine, &[])?.failure(1)?;
    Ok(())
}
