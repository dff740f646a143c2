//! `docker build` by the classic builder: every instruction, and what goes wrong.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use naru_test_framework::{DockerHost, Engine, NativeEngine, Output, Running};
use serde_json::Value;

use crate::raw::{Connection, request, request_at};

/// A directory with these files in it.
pub(crate) fn context(engine: &DockerHost, files: &[(&str, &str)]) -> anyhow::Result<PathBuf> {
    let directory = engine.scratch().join("context");
    for (path, content) in files {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().context("it is in a directory")?)?;
        fs::write(path, content)?;
    }
    Ok(directory)
}

/// A build that has not begun.
pub(crate) fn start(engine: &DockerHost, arguments: &[&str]) -> anyhow::Result<Running> {
    let mut command = engine.command(&[&["build"], arguments].concat());
    command.env("DOCKER_BUILDKIT", "0");
    Running::start(command)
}

/// Builds what is in [`context`].
pub(crate) fn build(engine: &DockerHost, arguments: &[&str]) -> anyhow::Result<Output> {
    let directory = engine.scratch().join("context").display().to_string();
    start(engine, &[arguments, &[directory.as_str()]].concat())?.finish()
}

/// Builds an image `made` of one Dockerfile without other files.
fn made(engine: &DockerHost, dockerfile: &str) -> anyhow::Result<Output> {
    context(engine, &[("Dockerfile", dockerfile)])?;
    build(engine, &["-t", "made"])
}

fn config(engine: &DockerHost) -> anyhow::Result<Value> {
    let shown = engine.docker(&["image", "inspect", "made"])?;
    let shown: Value = serde_json::from_str(shown.success()?)?;
    Ok(shown[0]["Config"].clone())
}

fn in_made(engine: &DockerHost, command: &str) -> anyhow::Result<String> {
    let run = engine.docker(&["run", "--rm", "--entrypoint", "sh", "made", "-c", command])?;
    Ok(run.success()?.to_owned())
}

#[test]
fn each_instruction_does_its_part() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    context(
        &engine,
        &[
            (
                "Dockerfile",
                "ARG BASE=busybox\n\
                 FROM $BASE AS first\n\
                 MAINTAINER somebody\n\
                 ARG WHO=world\n\
                 ENV GREETING=\"hello $WHO\" OTHER=x\n\
                 LABEL a=b \"c d\"=$WHO\n\
                 RUN echo \"$GREETING\" > /greeting\n\
                 RUN [\"sh\", \"-c\", \"echo exec > /exec\"]\n\
                 WORKDIR /srv\n\
                 WORKDIR deep/er\n\
                 COPY --chown=7:8 --chmod=640 one.txt renamed\n\
                 ADD directory ./\n\
                 RUN <<E\necho first > script\necho second >> script\nE\n\
                 SHELL [\"/bin/sh\", \"-ec\"]\n\
                 USER 5:6\n\
                 RUN id -u > /tmp/whoami\n\
                 EXPOSE 80 90/udp\n\
                 VOLUME /data\n\
                 STOPSIGNAL SIGINT\n\
                 HEALTHCHECK --interval=5s CMD true\n\
                 ONBUILD RUN echo triggered > /tmp/triggered\n\
                 ENTRYPOINT [\"cat\"]\n\
                 CMD /greeting\n\
                 FROM first\n\
                 USER root\n\
                 COPY --from=first /greeting /copied\n",
            ),
            ("one.txt", "one"),
            ("directory/two.txt", "two"),
            ("directory/sub/three.txt", "three"),
        ],
    )?;
    let first = build(&engine, &["-t", "made", "--target", "first", "--build-arg", "WHO=you"])?;
    let told = first.success()?;
    assert!(told.contains("Step 1/") && told.contains("Successfully tagged made:latest"), "{told}");
    let found = config(&engine)?;
    let env = found["Env"].to_string();
    assert!(env.contains("GREETING=hello you") && env.contains("OTHER=x"), "{env}");
    assert!(!env.contains("WHO="), "{env}");
    assert_eq!(found["Labels"]["a"], "b");
    assert_eq!(found["Labels"]["c d"], "you");
    assert_eq!(found["WorkingDir"], "/srv/deep/er");
    assert_eq!(found["User"], "5:6");
    assert_eq!(found["StopSignal"], "SIGINT");
    assert_eq!(found["Entrypoint"].to_string(), r#"["cat"]"#);
    assert_eq!(found["Cmd"].to_string(), r#"["/bin/sh","-ec","/greeting"]"#);
    assert_eq!(found["Healthcheck"]["Interval"], 5_000_000_000_i64);
    assert_eq!(found["OnBuild"].to_string(), r#"["RUN echo triggered > /tmp/triggered"]"#);
    assert!(found["ExposedPorts"]["90/udp"].is_object() && found["Volumes"]["/data"].is_object());
    let files =
        "cat /greeting /exec script /tmp/whoami two.txt sub/three.txt; stat -c '%u:%g %a' renamed";
    let expected = "hello you\nexec\nfirst\nsecond\n5\ntwothree7:8 640";
    assert_eq!(in_made(&engine, files)?, expected);

    // What the first stage says is to be done by others is done, and said no more.
    let second = build(&engine, &["-t", "made"])?;
    second.success()?;
    assert_eq!(in_made(&engine, "cat /copied /tmp/triggered")?, "hello world\ntriggered");
    assert_eq!(config(&engine)?["OnBuild"], Value::Null);
    let history =
        engine.docker(&["history", "--no-trunc", "--format", "{{.CreatedBy}}", "made"])?;
    let history = history.success()?.to_owned();
    for line in ["EXPOSE", "VOLUME [/data]", "WORKDIR /srv/deep/er", "|1 WHO=world /bin/sh -c echo"]
    {
        assert!(history.contains(line), "{line}: {history}");
    }
    Ok(())
}

#[test]
fn a_stage_can_stand_on_nothing() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    context(
        &engine,
        &[("Dockerfile", "FROM scratch\nCOPY file /\nCMD [\"/file\"]\n"), ("file", "x")],
    )?;
    build(&engine, &["-t", "made"])?.success()?;
    let container = engine.docker(&["create", "made"])?.success()?.to_owned();
    let archive = engine.command(&["export", &container]).output()?.stdout;
    assert!(archive.windows(4).any(|window| window == b"file"));
    let made = self::made(&engine, "FROM scratch\nLABEL only=this\n")?;
    made.success()?;
    assert_eq!(config(&engine)?["Labels"]["only"], "this");
    Ok(())
}

#[test]
fn mounts_are_there_while_a_program_runs_and_leave_nothing() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    context(
        &engine,
        &[
            (
                "Dockerfile",
                "FROM busybox AS tools\n\
                 RUN mkdir /tools && echo tool > /tools/it\n\
                 FROM busybox\n\
                 RUN --mount=type=bind,target=/src cat /src/file > /from-context && ! touch /src/x\n\
                 RUN --mount=type=bind,source=file,target=/one cat /one > /from-file\n\
                 RUN --mount=type=bind,from=tools,source=/tools,target=/t,rw \
                 cat /t/it > /from-stage && touch /t/new\n\
                 RUN --mount=type=tmpfs,target=/mem,size=1m echo x > /mem/x && df /mem | grep -q tmpfs\n\
                 RUN --mount=type=cache,target=/cache echo first >> /cache/log\n\
                 RUN --mount=type=cache,target=/cache echo second >> /cache/log && cp /cache/log /log\n\
                 RUN --mount=type=secret,id=none [ ! -e /run/secrets/none ]\n",
            ),
            ("file", "content"),
        ],
    )?;
    build(&engine, &["-t", "made"])?.success()?;
    let seen = in_made(
        &engine,
        "cat /from-context /from-file /from-stage /log; ls -d /src /one /t /mem /cache /run/secrets 2>/dev/null; true",
    )?;
    assert_eq!(seen, "contentcontenttool\nfirst\nsecond");
    // The cache is there the next time, too.
    let more = "FROM busybox\nRUN --mount=type=cache,target=/cache cat /cache/log > /log\n";
    made(&engine, more)?.success()?;
    assert_eq!(in_made(&engine, "cat /log")?, "first\nsecond");
    Ok(())
}

#[test]
fn a_program_that_fails_ends_the_build_with_its_code() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let failed = made(&engine, "FROM busybox\nENV A=b\nRUN echo before; echo why >&2; exit 7\n")?;
    let said = failed.failure(7)?;
    let expected =
        "The command '/bin/sh -c echo before; echo why >&2; exit 7' returned a non-zero code: 7";
    assert!(said.contains(expected), "{said}");
    assert!(failed.stdout.contains("before\n") && failed.stdout.contains("why"), "{failed:?}");
    assert!(engine.docker(&["images", "-q", "made"])?.success()?.is_empty());
    // In the client's words where there is no such program.
    let failed = made(&engine, "FROM busybox\nRUN [\"/no/such\"]\n")?;
    ensure!(failed.code != 0 && failed.stderr.contains("/no/such"), "{failed:?}");
    engine.has_no_shims()
}

#[test]
fn a_dockerfile_that_makes_no_sense_is_refused_before_anything_is_done() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    for (dockerfile, said) in [
        ("FROM busybox\nRNU true\n", "dockerfile parse error on line 2: unknown instruction: RNU"),
        ("FROM busybox\nCOPY --from=nothing\n", "dockerfile parse error on line 2"),
        ("RUN true\n", "no build stage in current context"),
        ("", "cannot be empty"),
    ] {
        let refused = made(&engine, dockerfile)?;
        assert!(refused.failure(1)?.contains(said), "{dockerfile}: {refused:?}");
        assert!(!refused.stdout.contains("Step 1"), "{refused:?}");
    }
    let missing = build(&engine, &["-t", "made", "--target", "nope"])?;
    assert_eq!(missing.code, 1, "{missing:?}");
    context(&engine, &[("Dockerfile", "FROM busybox\nCOPY nothing /\n"), ("nothin", "x")])?;
    let missing = build(&engine, &[])?;
    assert!(missing.failure(1)?.contains("nothing"), "{missing:?}");
    Ok(())
}

/// Asks for a build of a Dockerfile without other files.
pub(crate) fn post(
    engine: &DockerHost,
    path: &str,
    dockerfile: &str,
) -> anyhow::Result<Connection> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(dockerfile.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, "Dockerfile", dockerfile.as_bytes())?;
    let headers = ["Content-Type: application/x-tar", "Connection: close"];
    request_at(engine.socket(), "POST", path, &headers, archive.into_inner()?)
}

#[test]
fn a_request_is_a_bad_one_before_the_stream_and_a_line_in_it() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let post = |path: &str, dockerfile: &str| post(&engine, path, dockerfile);
    let mut bad = post("/build", "FROM busybox\nNOPE\n")?;
    assert_eq!(bad.status, 400);
    let said = bad.message()?;
    assert!(
        said.contains("unknown instruction: NOPE (did you mean COPY?)\nDockerfile:2:1\n"),
        "{said}"
    );
    assert!(said.contains("   2 | >>> NOPE\n"), "{said}");
    assert!(said.ends_with("expected: an instruction, as COPY or RUN"), "{said}");
    for query in ["version=3", "squash=1", "memory=much", "t=UPPER"] {
        let mut bad = post(&format!("/build?{query}"), "FROM busybox\n")?;
        assert!(bad.status >= 400, "{query}: {}", bad.status);
        assert!(!bad.message()?.is_empty());
    }
    let mut good = post("/build?t=made&q=1", "FROM busybox\nRUN true\n")?;
    assert_eq!(good.status, 200);
    let told = String::from_utf8(good.body()?)?;
    let line: Value = serde_json::from_str(told.trim())?;
    assert!(line["stream"].as_str().is_some_and(|id| id.starts_with("sha256:")), "{told}");
    let mut late = post("/build", "FROM busybox\nRUN exit 3\n")?;
    assert_eq!(late.status, 200);
    let told = String::from_utf8(late.body()?)?;
    let last: Value = serde_json::from_str(told.trim().lines().last().unwrap_or_default())?;
    assert_eq!(last["errorDetail"]["code"], 3, "{told}");
    // A Dockerfile that is not there, and one in small letters.
    let mut missing = post("/build?dockerfile=Dockerfil", "FROM busybox\n")?;
    assert!(missing.message()?.contains("Cannot locate specified Dockerfile: Dockerfil"));
    drop(request(&engine, "GET", "/_ping", &["Connection: close"], "")?);
    Ok(())
}

#[test]
fn stages_that_need_not_wait_do_not() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    // Each of the two waits for the other: one after the other they would never end.
    let meet = |mine: &str, theirs: &str| {
        format!(
            "RUN --mount=type=cache,id=meet,target=/meet touch /meet/{mine}; n=0; \
             until [ -e /meet/{theirs} ] || [ $n = 600 ]; do n=$((n+1)); sleep 0.1; done; \
             [ $n != 600 ] && echo {mine} > /{mine}"
        )
    };
    let dockerfile = format!(
        "FROM busybox AS one\n{}\nFROM busybox AS two\n{}\nFROM busybox AS unneeded\nRUN exit 1\n\
         FROM busybox\nCOPY --from=one /one /\nCOPY --from=two /two /\n",
        meet("one", "two"),
        meet("two", "one")
    );
    let built = made(&engine, &dockerfile)?;
    let told = built.success()?;
    let place = |text: &str| told.find(text).context(text.to_owned());
    assert!(place("AS one")? < place("touch /meet/one")?);
    assert!(place("touch /meet/one")? < place("AS two")?, "they are told one after the other");
    assert_eq!(in_made(&engine, "cat /one /two")?, "one\ntwo");
    Ok(())
}

#[test]
fn a_client_that_leaves_leaves_nothing() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    context(&engine, &[("Dockerfile", "FROM busybox\nRUN echo begun; sleep 1000\n")])?;
    let directory = engine.scratch().join("context").display().to_string();
    let mut running = start(&engine, &[&directory])?;
    while running.line()? != "begun" {}
    drop(running);
    // Nothing but the end of the shim is waited for.
    let Engine::Own(own) = &engine else { return Ok(()) };
    let builds = own.root().join("builds");
    let left = || -> anyhow::Result<Vec<String>> {
        let names = fs::read_dir(&builds)?.map(|entry| Ok(entry?.file_name()));
        let names: Vec<_> = names.collect::<std::io::Result<_>>()?;
        let names = names.iter().map(|name| name.to_string_lossy().into_owned());
        Ok(names.filter(|name| name.len() == 64).collect())
    };
    let patience = Instant::now() + Duration::from_mins(1);
    let contexts = || anyhow::Ok(fs::read_dir(builds.join("contexts"))?.count());
    while !own.shims().is_empty() || !left()?.is_empty() || contexts()? > 0 {
        ensure!(Instant::now() < patience, "{:?} {:?} {}", own.shims(), left()?, contexts()?);
        thread::yield_now();
    }
    assert!(engine.docker(&["ps", "-aq"])?.success()?.is_empty());
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "that nothing more comes is seen by waiting only")]
fn wait(time: Duration) {
    thread::sleep(time);
}

#[test]
fn a_program_that_writes_for_ever_waits_for_its_reader() -> anyhow::Result<()> {
    /// More than waits anywhere, and much less than is written in the time.
    const MEMORY_MAX_KB: u64 = 200 << 10;
    let engine = NativeEngine::with_busybox()?;
    let mut answer = post(&engine, "/build", "FROM busybox\nRUN yes filling\n")?;
    answer.read_until("filling")?;
    let memory = || -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", engine.pid().unwrap_or(0)))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    };
    // Until it takes no more: two looks in a row that are the same.
    let mut before = 0;
    loop {
        let now = memory()?;
        ensure!(now < MEMORY_MAX_KB, "the engine takes {now} kB");
        if now == before {
            break;
        }
        before = now;
        wait(Duration::from_millis(500));
    }
    drop(answer);
    let patience = Instant::now() + Duration::from_mins(1);
    while !engine.shims().is_empty() {
        ensure!(Instant::now() < patience, "{:?}", engine.shims());
        thread::yield_now();
    }
    Ok(())
}

#[test]
fn what_is_asked_for_beside_the_dockerfile_is_done() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let dockerfile = "FROM busybox\n\
                      RUN grep -q '1.2.3.4.*there' /etc/hosts && df -k /dev/shm | grep -q 8192\n\
                      RUN [ $(ulimit -n) = 77 ] && [ -z \"$(ip -o link | grep -v ' lo:')\" ]\n";
    context(&engine, &[("Dockerfile", dockerfile)])?;
    let flags = [
        "--add-host",
        "there:1.2.3.4",
        "--shm-size",
        "8m",
        "--ulimit",
        "nofile=77:77",
        "--network",
        "none",
        "--label",
        "from=flag",
        "-t",
        "made",
        "-t",
        "other:1",
        "--iidfile",
    ];
    let id = engine.scratch().join("id").display().to_string();
    build(&engine, &[&flags[..], &[id.as_str()]].concat())?.success()?;
    assert_eq!(config(&engine)?["Labels"]["from"], "flag");
    let same = engine.docker(&["image", "inspect", "-f", "{{.Id}}", "other:1"])?;
    assert_eq!(same.success()?, fs::read_to_string(id)?);
    Ok(())
}
