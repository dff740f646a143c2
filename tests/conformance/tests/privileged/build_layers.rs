//! What is in layers that builds make, as others get it.

use anyhow::ensure;
use naru_test_framework::Engine;

use crate::build::{build, context};

/// Every kind of change, in steps of their own.
const DOCKERFILE: &str = "FROM busybox\n\
     RUN mkdir -p /a/deep /gone /kept && echo 1 > /a/one && ln /a/one /a/two && ln -s ../a /kept/link \
     && mkfifo /a/pipe && head -c 3000000 /dev/urandom > /a/big && chmod 4711 /a/one && chown 7:8 /a/big \
     && echo x > /gone/x && echo y > /kept/y && touch -d '2001-02-03 04:05:06' /a/deep\n\
     RUN name=/a/long; for i in 1 2 3 4 5 6; do name=$name-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done; > $name\n\
     RUN rm -r /gone && rm /kept/y && echo gone > /gone\n\
     RUN rm -r /kept && mkdir /kept && echo new > /kept/new && mv /a/deep /a/moved\n\
     RUN rm /bin/vi; chmod 700 /a; echo changed >> /etc/passwd\n\
     COPY files /copied/\n\
     COPY --link files/one /linked/deep/\n\
     WORKDIR /made/by/workdir\n";

const LISTING: &str = "find / -xdev ! -path '/etc/host*' ! -path /etc/resolv.conf ! -path '/dev*' \
     ! -path '/proc*' ! -path '/sys*' | sort | while read f; do \
     stat -c '%n %A %u:%g %s %h %N' \"$f\"; [ ! -f \"$f\" ] || { md5sum < \"$f\"; stat -c %Y \"$f\"; }; \
     done | grep -v '^/ '";

#[test]
fn an_image_that_was_built_is_saved_and_loaded_as_it_is() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    context(&engine, &[("Dockerfile", DOCKERFILE), ("files/one", "1"), ("files/sub/two", "2")])?;
    build(&engine, &["-t", "made"])?.success()?;
    let listing = ["run", "--rm", "made", "sh", "-c", LISTING];
    let before = engine.docker(&listing)?.success()?.to_owned();
    assert!(before.contains("/kept/new") && !before.contains("/kept/link"), "{before}");
    let id = engine.docker(&["image", "inspect", "-f", "{{.Id}}", "made"])?.success()?.to_owned();
    let file = engine.scratch().join("made.tar").display().to_string();
    engine.docker(&["save", "-o", &file, "made"])?.success()?;
    engine.docker(&["rmi", "-f", "made", "busybox"])?.success()?;
    engine.docker(&["builder", "prune", "-af"])?.success()?;
    assert!(engine.docker(&["images", "-q"])?.success()?.is_empty());

    // All its layers are unpacked anew, each checked by its digest.
    engine.docker(&["load", "-i", &file])?.success()?;
    let loaded = engine.docker(&["image", "inspect", "-f", "{{.Id}}", "made"])?;
    assert_eq!(loaded.success()?, id);
    let after = engine.docker(&listing)?.success()?.to_owned();
    for (before, after) in before.lines().zip(after.lines()) {
        ensure!(before == after, "{before} became {after}");
    }
    assert_eq!(before.lines().count(), after.lines().count());
    Ok(())
}

#[test]
fn times_that_are_set_make_equal_bytes() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    context(
        &engine,
        &[("Dockerfile", DOCKERFILE.replace("urandom", "zero").as_str()), ("files/one", "1")],
    )?;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let flags = ["-t", "made", "--no-cache", "--build-arg", "SOURCE_DATE_EPOCH=1000000000"];
        build(&engine, &flags)?.success()?;
        let id = engine.docker(&["image", "inspect", "-f", "{{.Id}} {{.Created}}", "made"])?;
        ids.push(id.success()?.to_owned());
    }
    assert_eq!(ids[0], ids[1]);
    assert!(ids[0].ends_with("2001-09-09T01:46:40Z"), "{ids:?}");
    let times = "touch -d '2001-09-09 01:46:41' /tmp/then && \
                 find /a /kept /copied /linked -newer /tmp/then | head -3";
    let younger = engine.docker(&["run", "--rm", "made", "sh", "-c", times])?;
    assert_eq!(younger.stdout, "", "{younger:?}");
    Ok(())
}

#[test]
fn an_image_says_how_it_was_made_and_is_believed_by_who_asks() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let dockerfile =
        "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /id\nCOPY files /files\n";
    context(&engine, &[("Dockerfile", dockerfile), ("files/one", "1")])?;
    build(&engine, &["-t", "made", "--build-arg", "BUILDKIT_INLINE_CACHE=1"])?.success()?;
    let id = |name: &str| -> anyhow::Result<String> {
        let read = engine.docker(&["run", "--rm", name, "cat", "/id"])?;
        Ok(read.success()?.to_owned())
    };
    let made = id("made")?;
    engine.docker(&["builder", "prune", "-af"])?.success()?;
    let cached = build(&engine, &["-t", "cached", "--cache-from", "made"])?;
    assert_eq!(cached.success()?.matches("Using cache").count(), 2, "{cached:?}");
    assert_eq!(id("cached")?, made);
    // Nobody else is told, and one that is not there is no error.
    let other = build(&engine, &["-t", "other", "--cache-from", "127.0.0.1:9/nothing"])?;
    other.success()?;
    assert_ne!(id("other")?, made);
    Ok(())
}
