//! BuildKit's checks of a Dockerfile, while it is built and instead of that. What buildx calls
//! `--call check` from 0.16 on is `--print lint` in Debian's.

use naru_test_framework::{Output, Running};

use super::Buildx;

const DOCKERFILE: &str = "FROM busybox as base\nWORKDIR app\nCOPY left.txt kept.txt ./\n\
                          ENV TOKEN=$HOEM\nRUN true\nFROM base\nCMD echo\n";

fn buildx(dockerfile: &str) -> anyhow::Result<Buildx> {
    let buildx = Buildx::with(dockerfile)?;
    buildx.write("context/left.txt", "")?;
    buildx.write("context/kept.txt", "")?;
    Ok(buildx)
}

/// What the checks alone say.
fn lint(buildx: &Buildx, arguments: &[&str]) -> anyhow::Result<Output> {
    let call = ["buildx", "build", "--print=lint"];
    let mut command = buildx.engine.command(&[&call, arguments, &["context"]].concat());
    command.env("BUILDX_EXPERIMENTAL", "1");
    Running::start(command)?.finish()
}

#[test]
fn a_dockerfile_is_checked_without_being_built() -> anyhow::Result<()> {
    let buildx = buildx(DOCKERFILE)?;
    buildx.write("context/.dockerignore", "left.txt\n")?;
    let output = lint(&buildx, &[])?;
    let said = output.success()?;
    for warning in [
        "WARNING: FromAsCasing - https://docs.docker.com/go/dockerfile/rule/from-as-casing/\n\
         'as' and 'FROM' keywords' casing do not match\nDockerfile:1\n",
        ">>> FROM busybox as base",
        "Relative workdir \"app\" can have unexpected results if the base image changes",
        "Attempting to Copy file \"left.txt\" that is excluded by .dockerignore",
        "Do not use ARG or ENV instructions for sensitive data (ENV \"TOKEN\")",
        "Usage of undefined variable '$HOEM'",
        "JSON arguments recommended for CMD",
    ] {
        assert!(said.contains(warning), "{warning} is not in {said}");
    }
    assert!(!output.stderr.contains("RUN true"), "nothing is built: {output:?}");
    let skipped = lint(&buildx, &["--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=all"])?;
    assert_eq!(skipped.success()?, "");
    Ok(())
}

#[test]
fn a_build_tells_what_is_not_as_it_should_be_and_goes_on() -> anyhow::Result<()> {
    let buildx = buildx(DOCKERFILE)?;
    let said = buildx.build(&["-t", "app", "context"])?;
    assert!(said.contains("5 warnings found"), "{said}");
    assert!(said.contains("FromAsCasing: 'as' and 'FROM' keywords' casing do not match"), "{said}");
    buildx
        .write("context/Dockerfile", "# check=skip=JSONArgsRecommended\nFROM busybox\nCMD a\n")?;
    let said = buildx.build(&["context"])?;
    assert!(!said.contains("warning"), "{said}");
    Ok(())
}

#[test]
fn what_is_found_ends_a_build_where_the_file_wants_it_so() -> anyhow::Result<()> {
    let buildx = Buildx::with("# check=error=true\nFROM busybox\nRUN echo ran\nCMD echo\n")?;
    let said = buildx.failure(&["context"])?;
    assert!(said.contains("lint violation found for rules: JSONArgsRecommended"), "{said}");
    assert!(!said.contains("echo ran"), "no step is done: {said}");
    Ok(())
}
