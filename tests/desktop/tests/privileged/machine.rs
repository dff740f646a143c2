//! The machine and the settings, in a browser over a native engine.

use std::fs;
use std::path::Path;

use anyhow::ensure;
use naru_desktop_tests::{Browser, Hands, Violation};
use naru_test_framework::{Certificates, Guard, NativeEngine, PASSWORD, Registry, USER};
use thirtyfour::Key;
use thirtyfour::components::SelectElement;

use crate::words::EN;

const MOUSE: Hands = Hands::Mouse;

async fn opened() -> anyhow::Result<Browser> {
    let engine = NativeEngine::with_busybox()?;
    let command = ["busybox", "sh", "-c", "trap exit TERM; sleep 3600 & wait"];
    engine
        .docker(&[&["run", "-d", "--name", "ferry", "-v", "hold:/hold"][..], &command].concat())?
        .success()?;
    let browser = Browser::open(engine).await?;
    browser.sees(EN.machine_running).await?;
    Ok(browser)
}

#[tokio::test]
async fn the_machine_says_where_the_bytes_are_and_restarts_in_a_browser() -> anyhow::Result<()> {
    let browser = opened().await?;
    MOUSE.press(&browser, "button", EN.machine_running).await?;
    browser.find("heading", EN.machine_title).await?;
    for text in ["on the data disk", "Linux ", "Images (1)", "Volumes (1)"] {
        browser.sees(text).await?;
    }
    browser.picture("browser-machine").await?;
    // A machine that never was started has no console.
    MOUSE.press(&browser, "button", "Show the console").await?;
    browser.find("alert", "It does not exist").await?;

    MOUSE.press(&browser, "button", "Restart machine").await?;
    browser.find("dialog", "Restart the machine?").await?;
    browser.sees("1 running container stops with it").await?;
    MOUSE.press(&browser, "button", "Restart machine").await?;
    browser.gone("dialog", "Restart the machine?").await?;
    browser.sees(EN.machine_running).await?;
    browser.find("heading", EN.machine_title).await?;
    MOUSE.press(&browser, "button", EN.containers).await?;
    browser.find("row", "Exited").await?;
    browser.close().await
}

#[tokio::test]
async fn the_machine_shows_what_it_uses_and_is_reset_in_a_browser() -> anyhow::Result<()> {
    let browser = opened().await?;
    MOUSE.press(&browser, "button", EN.machine_running).await?;
    browser.find("img", "Memory over the last two minutes").await?;

    MOUSE.press(&browser, "button", "Reset machine…").await?;
    browser.find("dialog", "Reset the machine?").await?;
    browser.sees("1 running container stops for that").await?;
    MOUSE.press(&browser, "button", "Reset machine").await?;
    browser.gone("dialog", "Reset the machine?").await?;
    browser.sees("The machine begins anew").await?;
    browser.find("heading", EN.machine_title).await?;
    browser.sees("Images (0)").await?;
    browser.close().await
}

#[tokio::test]
async fn a_machine_that_is_off_is_started_in_a_browser() -> anyhow::Result<()> {
    let browser = opened().await?;
    MOUSE.press(&browser, "button", EN.machine_running).await?;
    MOUSE.press(&browser, "button", "Stop machine").await?;
    browser.find("dialog", "Stop the machine?").await?;
    MOUSE.press(&browser, "button", "Stop machine").await?;
    browser.find("heading", "The machine is off").await?;
    MOUSE.press(&browser, "button", "Start machine").await?;
    browser.find("heading", EN.machine_title).await?;
    browser.close().await
}

#[tokio::test]
async fn a_registrys_mirrors_and_certificates_are_set_in_a_browser() -> anyhow::Result<()> {
    let certificates = Certificates::new()?;
    let registry = Registry::start_guarded(&Guard::MutualTls(&certificates))?;
    let name = registry.reference("box", "1");
    let browser = opened().await?;
    let push = |browser: &Browser| {
        browser.with_engine(|engine| {
            engine.docker(&["tag", "busybox", &name])?.success()?;
            engine.docker(&["push", &name])
        })
    };
    push(&browser)?.failure(1)?;
    MOUSE.press(&browser, "button", EN.settings).await?;
    MOUSE.press(&browser, "button", "Change Docker Hub").await?;
    MOUSE.fill(&browser, "Mirrors", "mirror.example.com:5000").await?;
    MOUSE.press(&browser, "button", "Save").await?;
    browser.gone("dialog", "Docker Hub").await?;
    // The engine has it, not the file alone.
    let mirrors = browser.with_engine(|engine| {
        let info = ["info", "--format", "{{json .RegistryConfig.IndexConfigs}}"];
        Ok(engine.docker(&info)?.success()?.to_owned())
    })?;
    ensure!(mirrors.contains("mirror.example.com:5000"), "{mirrors}");

    MOUSE.press(&browser, "button", "Add registry").await?;
    MOUSE.fill(&browser, "Registry", &registry.address()).await?;
    for (field, file) in [
        ("Certificate authorities", "ca.crt"),
        ("Client certificate", "client.cert"),
        ("Client key", "client.key"),
    ] {
        choose_file(&browser, field, &certificates.file(file)).await?;
    }
    browser.sees("A private key").await?;
    browser.picture("browser-registry").await?;
    let violations = browser.violations().await?;
    ensure!(!violations.iter().any(Violation::is_serious), "{violations:?}");
    MOUSE.press(&browser, "button", "Save").await?;
    browser.gone("dialog", "Add a registry").await?;
    browser.sees("Certificate authorities of its own · Client certificate").await?;
    push(&browser)?.success()?;
    browser.close().await
}

/// Chooses a file for the field of this name in the open dialog.
async fn choose_file(browser: &Browser, field: &str, file: &Path) -> anyhow::Result<()> {
    let script = "return [...document.querySelectorAll('dialog[open] label')]
        .find((label) => label.textContent === arguments[0]).control";
    let input = browser.driver().execute(script, vec![field.into()]).await?.element()?;
    Ok(input.send_keys(file.to_string_lossy()).await?)
}

#[tokio::test]
async fn a_person_logs_in_and_out_of_a_registry_in_the_settings_in_a_browser() -> anyhow::Result<()>
{
    let registry = Registry::start_guarded(&Guard::Password)?;
    let address = registry.address();
    let browser = opened().await?;
    MOUSE.press(&browser, "button", EN.settings).await?;
    MOUSE.press(&browser, "button", "Log in to Docker Hub").await?;
    MOUSE.fill(&browser, "Registry", &address).await?;
    MOUSE.fill(&browser, "User name", USER).await?;
    MOUSE.fill(&browser, "Password or token", PASSWORD).await?;
    browser.key(Key::Enter).await?;
    browser.sees(&format!("Logged in as {USER}")).await?;
    let file = browser.docker_config().join("config.json");
    ensure!(fs::read_to_string(&file)?.contains(&address));
    MOUSE.press(&browser, "button", &format!("Log out of {address}")).await?;
    MOUSE.press(&browser, "button", "Log out").await?;
    browser.sees(&format!("Logged out of {address}")).await?;
    ensure!(!fs::read_to_string(&file)?.contains(&address));
    browser.close().await
}

#[tokio::test]
async fn the_text_size_is_set_in_a_browser() -> anyhow::Result<()> {
    let browser = opened().await?;
    MOUSE.press(&browser, "button", EN.settings).await?;
    let before = width(&browser).await?;
    let size = browser.find("combobox", "Text size").await?;
    SelectElement::new(&size).await?.select_by_value("150").await?;
    browser.holds("document.documentElement.style.zoom === '150%'").await?;
    let after = width(&browser).await?;
    ensure!(after > before * 1.4, "the sidebar was {before} wide and is {after}");
    browser.holds("document.documentElement.scrollHeight <= innerHeight").await?;
    browser.picture("browser-large-text").await?;
    browser.close().await
}

/// How wide the sidebar stands on the screen.
async fn width(browser: &Browser) -> anyhow::Result<f64> {
    let script = "return document.querySelector('nav').getBoundingClientRect().width";
    Ok(browser.driver().execute(script, vec![]).await?.convert()?)
}
