//! The engine as a context, in place of `DOCKER_HOST`.

use naru_test_framework::Running;

use super::Project;

#[test]
fn a_context_leads_to_the_engine_without_any_variable() -> anyhow::Result<()> {
    let project = Project::new("profiles")?;
    let host = format!("host={}", project.engine().host());
    let run = |mut command: std::process::Command| -> anyhow::Result<String> {
        command.env_remove("DOCKER_HOST");
        Ok(Running::start(command)?.finish()?.success()?.to_owned())
    };
    let docker = |arguments: &[&str]| run(project.engine().command(arguments));
    docker(&["context", "create", "naru", "--docker", &host])?;
    docker(&["context", "use", "naru"])?;
    run(project.command(&["up", "-d"]))?;
    assert_eq!(docker(&["ps", "--format", "{{.Names}}"])?, "profiles-program-1");
    assert_eq!(run(project.command(&["exec", "-T", "program", "echo", "hi"]))?, "hi");
    run(project.command(&["down", "-t", "0"]))?;
    project.is_gone()
}
