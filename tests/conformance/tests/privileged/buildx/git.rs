//! Repositories that not everybody may have.

use anyhow::ensure;
use naru_test_framework::Engine;

use super::Buildx;
use crate::build_git::GitServer;

const TOKEN: &str = "a-token-that-is-hushed";
/// What is made of that.
const OF_TOKEN: &str = "basic eC1hY2Nlc3MtdG9rZW46YS10b2tlbi10aGF0LWlzLWh1c2hlZA==";
const HEADER: &str = "Bearer another-token-that-is-hushed";

#[test]
fn a_repository_is_reached_with_the_clients_secret_and_no_other_is_told() -> anyhow::Result<()> {
    let buildx = Buildx::with("FROM scratch\n")?;
    buildx.write("token", TOKEN)?;
    buildx.write("header", &format!("{HEADER}\n"))?;
    let by_token = GitServer::guarded(buildx.path("by-token"), OF_TOKEN)?;
    let by_header = GitServer::guarded(buildx.path("by-header"), HEADER)?;
    let open = GitServer::start(buildx.path("open"))?;
    open.commit("inner.git", &[("inner", "inner")])?;
    by_header.commit("added.git", &[("added", "added")])?;
    let dockerfile = format!(
        "FROM busybox\nCOPY . /app/\nADD {} /added/\n\
         CMD [\"cat\", \"/app/file\", \"/app/inner/inner\", \"/added/added\"]\n",
        by_header.url("added.git")
    );
    by_token.commit("app.git", &[("Dockerfile", &dockerfile), ("file", "file, ")])?;
    let inner = buildx.path("open/inner.git").display().to_string();
    by_token.git("app.git", &["submodule", "add", "-q", &inner, "inner"])?;
    let modules =
        format!("[submodule \"inner\"]\n\tpath = inner\n\turl = {}\n", open.url("inner.git"));
    let files = [(".gitmodules", modules.as_str()), ("file", "of the repository, ")];
    by_token.commit("app.git", &files)?;

    let url = by_token.url("app.git");
    let refused = buildx.failure(&[url.as_str()])?;
    ensure!(refused.contains("401"), "{refused}");
    by_token.authorizations();
    let host = by_header.url("").replace("http://", "");
    let header = format!("--secret=id=GIT_AUTH_HEADER.{},src=header", host.trim_end_matches('/'));
    let flags = ["--secret=id=GIT_AUTH_TOKEN,src=token", &header, "-t", "app", &url];
    let said = buildx.build(&flags)?;
    assert_eq!(buildx.app(&[])?, "of the repository, inneradded");

    let told = by_token.authorizations();
    ensure!(!told.is_empty() && told.iter().all(|said| said == OF_TOKEN), "{told:?}");
    let told = by_header.authorizations();
    ensure!(!told.is_empty() && told.iter().all(|said| said == HEADER), "{told:?}");
    let told = open.authorizations();
    ensure!(!told.is_empty() && told.iter().all(String::is_empty), "{told:?}");
    let Engine::Own(engine) = &buildx.engine else { return Ok(()) };
    let shown = [said, engine.log(), engine.docker(&["history", "--no-trunc", "app"])?.stdout];
    let is_hushed = |text: &String| !text.contains("hushed") && !text.contains("eC1hY2Nlc3M");
    ensure!(shown.iter().all(is_hushed), "{shown:?}");
    Ok(())
}

#[test]
fn the_history_of_a_context_is_kept_if_it_is_asked_for() -> anyhow::Result<()> {
    let buildx = Buildx::with("FROM scratch\n")?;
    let server = GitServer::start(buildx.path("repositories"))?;
    let dockerfile = "FROM busybox\nCOPY . /app/\nWORKDIR /app\nCMD cat .git/HEAD; ls -A\n";
    server.commit("app.git", &[("Dockerfile", dockerfile)])?;
    let commit = server.commit("app.git", &[("file", "")])?;
    let url = server.url("app.git");
    let keep = "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1";
    for (flags, files) in [
        (&["--build-arg", keep][..], format!("{commit}\n.git\nDockerfile\nfile")),
        (&[], "Dockerfile\nfile".to_owned()),
    ] {
        buildx.build(&[flags, &["-t", "app", &url]].concat())?;
        assert_eq!(buildx.app(&[])?, files);
    }
    // It is of the one commit, as a clone is that is not deep.
    buildx.build(&["--build-arg", keep, "-t", "app", &url])?;
    let container = buildx.engine.docker(&["create", "app"])?.success()?.to_owned();
    buildx.engine.docker(&["cp", &format!("{container}:/app"), "repositories/kept"])?.success()?;
    buildx.engine.docker(&["rm", &container])?.success()?;
    assert_eq!(server.git("kept", &["log", "--format=%H"])?, commit);
    assert_eq!(
        server.git("kept", &["branch", "--format=%(refname)", "--points-at=HEAD"])?.lines().last(),
        Some("refs/heads/main")
    );
    assert_eq!(server.git("kept", &["status", "--porcelain"])?, "");
    assert_eq!(server.git("kept", &["remote", "get-url", "origin"])?, url);
    Ok(())
}
