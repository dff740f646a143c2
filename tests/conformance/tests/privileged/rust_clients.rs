//! Rust's clients: the library `bollard`, and Testcontainers over it.

use std::collections::HashMap;
use std::env::current_exe;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::Context;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::StartExecResults;
use bollard::models::{
    BuildInfo, ContainerCreateBody, EndpointSettings, ExecConfig, HostConfig, Mount, MountType,
    NetworkConnectRequest, NetworkCreateRequest, VolumeCreateRequest,
};
use bollard::query_parameters::{
    BuildImageOptionsBuilder, CreateContainerOptionsBuilder, EventsOptionsBuilder,
    ListNetworksOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptions, StopContainerOptionsBuilder, WaitContainerOptionsBuilder,
};
use bollard::{Docker, body_full};
use futures::{StreamExt as _, TryStreamExt as _};
use naru_test_framework::oci::LayerWriter;
use naru_test_framework::{Engine, Running};
use testcontainers::core::{ExecCommand, IntoContainerPort as _, WaitFor};
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{GenericImage, ImageExt as _};

use crate::python::outside_of_containers;

/// How long an answer may take, in seconds.
const PATIENCE: u64 = 60;

async fn connect(engine: &Engine) -> anyhow::Result<Docker> {
    let version = bollard::API_DEFAULT_VERSION;
    let docker = Docker::connect_with_unix(&engine.host(), PATIENCE, version)?;
    Ok(docker.negotiate_version().await?)
}

/// A busybox container that runs a shell's script.
fn shell(script: &str) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some("busybox".to_owned()),
        cmd: Some(["sh", "-c", script].map(str::to_owned).to_vec()),
        ..ContainerCreateBody::default()
    }
}

async fn start(docker: &Docker, name: &str, body: ContainerCreateBody) -> anyhow::Result<String> {
    let options = CreateContainerOptionsBuilder::new().name(name).build();
    let created = docker.create_container(Some(options), body).await?;
    docker.start_container(name, None).await?;
    Ok(created.id)
}

async fn remove(docker: &Docker, name: &str) -> anyhow::Result<()> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    Ok(docker.remove_container(name, Some(options)).await?)
}

#[tokio::test]
async fn bollard_runs_a_container_from_its_start_to_its_end() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let docker = connect(&engine).await?;
    let body = shell("echo out; echo err >&2; read word < /dev/stdin || exec sleep 1000");
    let id = start(&docker, "made", ContainerCreateBody { tty: Some(false), ..body }).await?;
    let options = LogsOptionsBuilder::new().stdout(true).stderr(true).follow(true).build();
    let mut logs = docker.logs("made", Some(options));
    let mut said = Vec::new();
    while said.len() < 2 {
        match logs.next().await.context("the log goes on")?? {
            LogOutput::StdOut { message } => said.push(format!("1 {message:?}")),
            LogOutput::StdErr { message } => said.push(format!("2 {message:?}")),
            other => anyhow::bail!("{other:?}"),
        }
    }
    said.sort();
    assert_eq!(said, [r#"1 b"out\n""#, r#"2 b"err\n""#]);

    let exec = ExecConfig {
        cmd: Some(["sh", "-c", "echo $WORD; exit 5"].map(str::to_owned).to_vec()),
        env: Some(vec!["WORD=given".to_owned()]),
        attach_stdout: Some(true),
        ..ExecConfig::default()
    };
    let exec = docker.create_exec("made", exec).await?;
    let StartExecResults::Attached { output, .. } = docker.start_exec(&exec.id, None).await? else {
        anyhow::bail!("the exec is not attached");
    };
    let output: Vec<LogOutput> = output.try_collect().await?;
    let output: String = output.iter().map(ToString::to_string).collect();
    assert_eq!(output, "given\n");
    assert_eq!(docker.inspect_exec(&exec.id).await?.exit_code, Some(5));

    let shown = docker.inspect_container("made", None).await?;
    assert_eq!(shown.id.as_deref(), Some(id.as_str()));
    assert_eq!(shown.state.and_then(|state| state.running), Some(true));
    let stop = StopContainerOptionsBuilder::new().signal("SIGKILL").t(0).build();
    docker.stop_container("made", Some(stop)).await?;
    let wait = WaitContainerOptionsBuilder::new().condition("not-running").build();
    let ended = docker.wait_container("made", Some(wait)).next().await.context("an answer")?;
    assert!(matches!(ended, Err(Error::DockerContainerWaitError { code: 137, .. })), "{ended:?}");
    remove(&docker, "made").await
}

#[tokio::test]
async fn bollard_connects_networks_and_volumes() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let docker = connect(&engine).await?;
    let request =
        NetworkCreateRequest { name: "made".to_owned(), ..NetworkCreateRequest::default() };
    docker.create_network(request).await?;
    let request = VolumeCreateRequest {
        name: Some("made".to_owned()),
        labels: Some(HashMap::from([("kind".to_owned(), "test".to_owned())])),
        ..VolumeCreateRequest::default()
    };
    let volume = docker.create_volume(request).await?;
    assert_eq!((volume.name.as_str(), volume.driver.as_str()), ("made", "local"));

    let serve = shell("hostname > /www/index.html; exec httpd -f -h /www");
    let web = ContainerCreateBody {
        hostname: Some("web-host".to_owned()),
        host_config: Some(HostConfig {
            mounts: Some(vec![Mount {
                target: Some("/www".to_owned()),
                source: Some("made".to_owned()),
                typ: Some(MountType::VOLUME),
                ..Mount::default()
            }]),
            init: Some(true),
            ..HostConfig::default()
        }),
        ..serve
    };
    start(&docker, "web", web).await?;
    let request = NetworkConnectRequest {
        container: "web".to_owned(),
        endpoint_config: Some(EndpointSettings {
            aliases: Some(vec!["site".to_owned()]),
            ..EndpointSettings::default()
        }),
    };
    docker.connect_network("made", request).await?;
    let fetch = ContainerCreateBody {
        host_config: Some(HostConfig {
            network_mode: Some("made".to_owned()),
            ..HostConfig::default()
        }),
        ..shell("until wget -q -O - http://site; do usleep 10000; done")
    };
    start(&docker, "client", fetch).await?;
    let ended = docker.wait_container("client", None).next().await.context("an answer")??;
    assert_eq!(ended.status_code, 0);
    let options = LogsOptionsBuilder::new().stdout(true).build();
    let log: Vec<LogOutput> = docker.logs("client", Some(options)).try_collect().await?;
    assert_eq!(log.iter().map(ToString::to_string).collect::<String>(), "web-host\n");

    let filters = HashMap::from([("name", vec!["made"])]);
    let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
    assert_eq!(docker.list_networks(Some(options)).await?.len(), 1);
    for name in ["web", "client"] {
        remove(&docker, name).await?;
    }
    docker.remove_network("made").await?;
    docker.remove_volume("made", None::<RemoveVolumeOptions>).await?;
    let filters = HashMap::from([("container", vec!["client"]), ("event", vec!["destroy"])]);
    let options = EventsOptionsBuilder::new().since("1").filters(&filters).build();
    let event = docker.events(Some(options)).next().await.context("an event")??;
    assert_eq!(event.action.as_deref(), Some("destroy"), "{event:?}");
    Ok(())
}

/// Builds a Dockerfile beside a file, and gives all that is said.
async fn build(docker: &Docker, dockerfile: &str) -> anyhow::Result<Result<String, Error>> {
    let mut context = LayerWriter::new();
    context.file("Dockerfile", 0o644, dockerfile.as_bytes())?;
    context.file("file", 0o644, b"of the context\n")?;
    let arguments = HashMap::from([("WORD", "given")]);
    let labels = HashMap::from([("kind", "test")]);
    let options = BuildImageOptionsBuilder::new().t("made:1").buildargs(&arguments).labels(&labels);
    let body = body_full(context.into_tar().into());
    let said: Result<Vec<BuildInfo>, Error> =
        docker.build_image(options.build(), None, Some(body)).try_collect().await;
    Ok(said.map(|said| said.into_iter().filter_map(|line| line.stream).collect()))
}

#[tokio::test]
async fn bollard_builds_an_image() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let docker = connect(&engine).await?;
    let dockerfile = "FROM busybox\nARG WORD\nCOPY file /\nRUN echo $WORD >> /file\n";
    let said = build(&docker, dockerfile).await??;
    assert!(said.contains("Successfully tagged made:1"), "{said}");
    let shown = docker.inspect_image("made:1").await?;
    let labels = shown.config.and_then(|config| config.labels).unwrap_or_default();
    assert_eq!(labels.get("kind").map(String::as_str), Some("test"));
    let file = engine.docker(&["run", "--rm", "made:1", "cat", "/file"])?;
    assert_eq!(file.success()?, "of the context\ngiven");
    let again = build(&docker, dockerfile).await??;
    for step in ["COPY file /", "RUN echo $WORD >> /file"] {
        assert!(again.contains(&format!("{step}\n ---> Using cache\n")), "{again}");
    }

    let failed = build(&docker, "FROM busybox\nRUN exit 7\n").await?;
    let is_told = matches!(&failed, Err(Error::DockerStreamError { error })
        if error.ends_with("returned a non-zero code: 7"));
    assert!(is_told, "{failed:?}");
    let wrong = build(&docker, "FROM busybox\nRNU true\n").await?;
    let is_refused = matches!(&wrong, Err(Error::DockerResponseServerError { status_code: 400, message })
            if message.contains("unknown instruction: RNU"));
    assert!(is_refused, "{wrong:?}");
    Ok(())
}

#[test]
fn testcontainers_starts_a_container_and_takes_it_away() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    // It asks the environment for the engine, which only a process of its own can be given.
    let mut inner = outside_of_containers(&engine, &current_exe()?);
    inner.args(["--exact", "--ignored", "rust_clients::a_container_of_testcontainers"]);
    Running::start(inner)?.finish()?.success()?;
    assert_eq!(engine.docker(&["ps", "-aq"])?.success()?, "");
    Ok(())
}

#[tokio::test]
#[ignore = "run by the case above, in an environment of its own"]
async fn a_container_of_testcontainers() -> anyhow::Result<()> {
    let serve = "echo Naru > /www/index.html; httpd -h /www && echo ready; exec sleep 1000";
    let container = GenericImage::new("busybox", "latest")
        .with_exposed_port(80.tcp())
        .with_wait_for(WaitFor::message_on_stdout("ready"))
        .with_cmd(["sh", "-c", serve])
        .with_env_var("WORD", "given")
        .with_label("kind", "test")
        .start()
        .await?;
    let host = container.get_host().await?.to_string();
    let port = container.get_host_port_ipv4(80).await?;
    let mut stream = TcpStream::connect((host.as_str(), port))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    assert!(answer.ends_with("\r\n\r\nNaru\n"), "{answer:?}");
    let command = ExecCommand::new(["sh", "-c", "echo $WORD"]);
    let mut executed = container.exec(command).await?;
    assert_eq!(executed.stdout_to_vec().await?, b"given\n");
    container.rm().await?;
    Ok(())
}
