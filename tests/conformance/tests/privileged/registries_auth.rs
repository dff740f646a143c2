//! Registries that want to know who asks: by password, by token, by certificate; and mirrors.

use anyhow::ensure;
use naru_test_framework::{
    Certificates, DockerHost, Engine, Guard, IDENTITY_TOKEN, NativeEngine, Output, PASSWORD,
    Registry, TokenServer, USER, images,
};
use serde_json::{Value, json};

use crate::raw::{post, request};

fn login(engine: &DockerHost, registry: &str, password: &str) -> anyhow::Result<Output> {
    let login = ["login", "--username", USER, "--password-stdin", registry];
    engine.docker_with_input(&login, password.as_bytes())
}

fn tell(engine: &DockerHost, settings: &Value) -> anyhow::Result<u16> {
    let body = settings.to_string();
    let path = "/naru/registries";
    Ok(request(engine, "PUT", path, &["Content-Type: application/json"], &body)?.status)
}

/// Pushes busybox there, and pulls it back.
fn round_trip(engine: &DockerHost, name: &str) -> anyhow::Result<()> {
    engine.docker(&["tag", "busybox", name])?.success()?;
    engine.docker(&["push", name])?.success()?;
    engine.docker(&["rmi", name])?.success()?;
    let pulled = engine.docker(&["pull", name])?;
    ensure!(pulled.success()?.contains("Digest: sha256:"), "{pulled:?}");
    Ok(())
}

#[test]
fn a_password_is_asked_for_and_checked() -> anyhow::Result<()> {
    let registry = Registry::start_guarded(&Guard::Password)?;
    let engine = Engine::with_busybox()?;
    let (name, address) = (registry.reference("box", "1"), registry.address());
    engine.docker(&["tag", "busybox", &name])?.success()?;
    let output = engine.docker(&["push", &name])?;
    let said = output.failure(1)?;
    assert!(said.contains("no basic auth credentials"), "{said}");

    let output = login(&engine, &address, "wrong")?;
    let said = output.failure(1)?;
    assert!(said.contains("failed with status: 401 Unauthorized"), "{said}");
    let output = login(&engine, &address, PASSWORD)?;
    assert!(output.success()?.contains("Login Succeeded"), "{output:?}");
    round_trip(&engine, &name)?;

    engine.docker(&["logout", &address])?.success()?;
    engine.docker(&["rmi", &name])?.success()?;
    let output = engine.docker(&["pull", &name])?;
    let said = output.failure(1)?;
    assert!(said.contains("pull access denied for"), "{said}");
    Ok(())
}

#[test]
fn a_token_is_fetched_for_what_is_asked_and_no_more() -> anyhow::Result<()> {
    let tokens = TokenServer::start()?;
    let registry = Registry::start_guarded(&Guard::Token(&tokens))?;
    let engine = Engine::with_busybox()?;
    let (name, other) =
        (registry.reference("public/box", "1"), registry.reference("mine/box", "1"));
    engine.docker(&["tag", "busybox", &name])?.success()?;
    let output = engine.docker(&["push", &name])?;
    let said = output.failure(1)?;
    assert!(said.contains("denied: requested access to the resource is denied"), "{said}");

    let output = login(&engine, &registry.address(), "wrong")?;
    assert!(output.failure(1)?.contains("incorrect username or password"), "{output:?}");
    login(&engine, &registry.address(), PASSWORD)?.success()?;
    round_trip(&engine, &name)?;
    round_trip(&engine, &other)?;
    let requests = tokens.requests();
    let last_login = requests.iter().rfind(|request| request.contains("offline_token=true"));
    assert!(last_login.is_some(), "{requests:?}");
    // The client keeps that token in place of the password from then on.
    let refreshed = requests.iter().filter(|request| request.contains("grant_type=refresh_token"));
    assert!(refreshed.clone().all(|request| request.contains(IDENTITY_TOKEN)), "{requests:?}");
    assert!(refreshed.count() > 0, "{requests:?}");
    let wants = |text: &str| requests.iter().any(|request| request.contains(text));
    assert!(wants("repository%3Amine%2Fbox%3Apull%2Cpush+repository%3Apublic%2Fbox%3Apull"));

    engine.docker(&["logout", &registry.address()])?.success()?;
    engine.docker(&["pull", &name])?.success()?;
    engine.docker(&["rmi", &other])?.success()?;
    let output = engine.docker(&["pull", &other])?;
    assert!(output.failure(1)?.contains("pull access denied for"), "{output:?}");
    Ok(())
}

#[test]
fn a_login_answers_with_the_token_that_stands_for_the_password() -> anyhow::Result<()> {
    let tokens = TokenServer::start()?;
    let registry = Registry::start_guarded(&Guard::Token(&tokens))?;
    let engine = Engine::start()?;
    let auth = |password: &str| {
        json!({ "username": USER, "password": password, "serveraddress": registry.address() })
            .to_string()
    };
    let mut answer = post(&engine, "/v1.44/auth", &auth(PASSWORD))?;
    assert_eq!(answer.status, 200);
    let answer = answer.json()?;
    assert_eq!(answer, json!({ "Status": "Login Succeeded", "IdentityToken": IDENTITY_TOKEN }));
    assert_eq!(post(&engine, "/v1.44/auth", &auth("wrong"))?.status, 401);
    Ok(())
}

#[test]
fn secrets_are_in_no_log() -> anyhow::Result<()> {
    let registry = Registry::start_guarded(&Guard::Password)?;
    let mut engine = NativeEngine::with_busybox()?;
    let name = registry.reference("box", "1");
    let secret = "hush-do-not-tell";
    login(&engine, &registry.address(), secret)?.failure(1)?;
    login(&engine, &registry.address(), PASSWORD)?.success()?;
    round_trip(&engine, &name)?;
    engine.stop()?;
    assert!(!engine.log().contains(secret), "{}", engine.log());
    Ok(())
}

#[test]
fn a_registry_shows_a_certificate_of_its_own_authority_and_may_ask_for_ours() -> anyhow::Result<()>
{
    let (certificates, others) = (Certificates::new()?, Certificates::new()?);
    let engine = NativeEngine::with_busybox()?;
    let plain = Registry::start_guarded(&Guard::Tls(&certificates))?;
    let mutual = Registry::start_guarded(&Guard::MutualTls(&certificates))?;
    let ca = certificates.pem("ca.crt")?;
    let own = json!({
        "ca": ca, "client_certificate": certificates.pem("client.cert")?,
        "client_key": certificates.pem("client.key")?,
    });
    // On the loopback anybody's certificate will do, until an authority is named.
    round_trip(&engine, &plain.reference("box", "1"))?;
    let wrong = json!({ "hosts": { plain.address(): { "ca": others.pem("ca.crt")? } } });
    assert_eq!(tell(&engine, &wrong)?, 204);
    let output = engine.docker(&["pull", &plain.reference("box", "1")])?;
    assert!(output.failure(1)?.contains("certificate"), "{output:?}");

    let name = mutual.reference("box", "1");
    engine.docker(&["tag", "busybox", &name])?.success()?;
    engine.docker(&["push", &name])?.failure(1)?;
    let right = json!({ "hosts": { plain.address(): { "ca": ca }, mutual.address(): own } });
    assert_eq!(tell(&engine, &right)?, 204);
    round_trip(&engine, &plain.reference("box", "1"))?;
    round_trip(&engine, &name)?;

    let unusable = json!({ "hosts": { "a": { "client_certificate": "x" } } });
    assert_ne!(tell(&engine, &unusable)?, 204);
    round_trip(&engine, &name)
}

#[test]
fn a_mirror_is_asked_first_and_the_registry_when_it_has_nothing() -> anyhow::Result<()> {
    let (mirror, registry) = (Registry::start()?, Registry::start()?);
    let digest = mirror.push("mirrored", "1", &images::busybox()?)?;
    registry.push("box", "1", &images::busybox()?)?;
    let mut engine = NativeEngine::start()?;
    let url = format!("http://{}", mirror.address());
    let hosts =
        json!({ registry.address(): { "mirrors": [url] }, "docker.io": { "mirrors": [url] } });
    let settings = json!({ "hosts": hosts, "insecure": ["10.0.0.0/8"] });
    assert_eq!(tell(&engine, &settings)?, 204);

    let pulled = engine.docker(&["pull", &registry.reference("mirrored", "1")])?;
    assert!(pulled.success()?.contains(&digest), "{pulled:?}");
    let name = registry.reference("box", "1");
    engine.docker(&["pull", &name])?.success()?;
    engine.says("a mirror could not give an image")?;

    let format = "{{.RegistryConfig.Mirrors}} {{.RegistryConfig.InsecureRegistryCIDRs}}";
    let info = engine.docker(&["info", "--format", format])?;
    let info = info.success()?;
    assert!(info.starts_with(&format!("[{url}/] ")), "{info}");
    assert!(info.contains("10.0.0.0/8"), "{info}");
    let shown = info.to_owned();
    engine.kill()?;
    engine.restart()?;
    let info = engine.docker(&["info", "--format", format])?;
    assert_eq!(info.success()?, shown, "the next engine knows them, too");
    let path = json!({ "hosts": { "a": { "mirrors": ["https://m/path"] } } });
    assert_eq!(tell(&engine, &path)?, 400);
    Ok(())
}
