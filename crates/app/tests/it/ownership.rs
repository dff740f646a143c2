//! Several processes, one machine.

use std::path::Path;

use anyhow::{Context, Result};
use naru_app::settings::by_name;
use naru_app::{App, Client, Directories, Environment};
use naru_ipc::{AppEvent, Hint, MachineState, Theme};
use naru_machine::lock::DiskLock;
use tempfile::TempDir;

/// A home of its own, with a VM image directory that is empty.
fn directories(home: &Path) -> Result<Directories> {
    let environment = Environment { home: Some(home.to_owned()), ..Environment::default() };
    Ok(Directories::find(&environment, Some(home.join("images")))?)
}

#[tokio::test]
async fn the_first_owns_the_machine_and_the_second_takes_over_when_it_ends() -> Result<()> {
    let home = TempDir::new()?;
    let first = App::open_in(directories(home.path())?)?;
    let second = App::open_in(directories(home.path())?)?;
    assert!(first.owns_machine().await);
    assert!(!second.owns_machine().await);
    first.shutdown().await;
    // Until the second has noticed it is still a guest, or undecided.
    while !second.owns_machine().await {
        tokio::task::yield_now().await;
    }
    second.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_start_asked_for_by_a_guest_fails_with_the_owners_words_and_shows_everywhere()
-> Result<()> {
    let home = TempDir::new()?;
    let owner = App::open_in(directories(home.path())?)?;
    let guest = App::open_in(directories(home.path())?)?;
    assert!(!guest.owns_machine().await);
    let mut events = owner.subscribe();
    let error = guest.machine_start(()).await.err().context("there is no image to start")?;
    let event = events.recv().await?;
    assert!(matches!(event, AppEvent::Machine { .. }), "{event:?}");
    let mut seen = guest.watch_status();
    let status = seen.wait_for(|status| status.state == MachineState::Failed).await?.clone();
    assert_eq!(status.error, Some(error));
    assert_eq!(owner.machine_status(()).await?, status);
    // A stop puts a failed machine back to off.
    guest.machine_stop(()).await?;
    assert_eq!(owner.machine_status(()).await?.state, MachineState::Stopped);
    guest.shutdown().await;
    owner.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_machine_that_nobody_owns_is_off() -> Result<()> {
    let home = TempDir::new()?;
    let client = Client::new(&directories(home.path())?);
    assert_eq!(client.status().await?.state, MachineState::Stopped);
    client.stop().await?;
    assert!(client.watch().await?.is_none());
    Ok(())
}

#[tokio::test]
async fn a_reset_throws_the_disk_away_whoever_asks_and_keeps_the_settings() -> Result<()> {
    let home = TempDir::new()?;
    let owner = App::open_in(directories(home.path())?)?;
    let guest = App::open_in(directories(home.path())?)?;
    assert!(!guest.owns_machine().await);
    let mut settings = owner.settings_get(()).await?;
    settings.cpus = 7;
    owner.settings_set(settings.clone()).await?;
    owner.machine_start(()).await.err().context("there is no image to start")?;
    let disk = directories(home.path())?.data.join("data.img");
    for app in [&owner, &guest] {
        std::fs::write(&disk, "all that there was")?;
        app.machine_reset(()).await?;
        assert!(!disk.exists());
        assert_eq!(owner.machine_status(()).await?.state, MachineState::Stopped);
    }
    // There is nothing to throw away any more.
    owner.machine_reset(()).await?;
    assert_eq!(owner.settings_get(()).await?, settings);
    guest.shutdown().await;
    owner.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_disk_that_is_in_use_survives_a_reset() -> Result<()> {
    let home = TempDir::new()?;
    let app = App::open_in(directories(home.path())?)?;
    let data = directories(home.path())?.data;
    std::fs::write(data.join("data.img"), "somebody's")?;
    let _other = DiskLock::acquire(&data)?;
    let error = app.machine_reset(()).await.err().context("another machine has the disk")?;
    assert_eq!(error.hints, [Hint::CloseOtherInstance]);
    assert_eq!(std::fs::read_to_string(data.join("data.img"))?, "somebody's");
    app.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn what_needs_the_engine_says_that_the_machine_is_off() -> Result<()> {
    let home = TempDir::new()?;
    let app = App::open_in(directories(home.path())?)?;
    let error = app.image_list(()).await.err().context("there is no engine")?;
    assert_eq!((error.kind.as_str(), error.hints), ("precondition", vec![Hint::StartMachine]));
    app.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn settings_that_are_changed_from_without_are_told() -> Result<()> {
    let home = TempDir::new()?;
    let app = App::open_in(directories(home.path())?)?;
    let mut events = app.subscribe();
    by_name::set(&directories(home.path())?, "theme", "dark").await?;
    loop {
        if let AppEvent::Settings { settings } = events.recv().await? {
            assert_eq!(settings.theme, Theme::Dark);
            break;
        }
    }
    app.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn settings_are_shared_and_their_change_is_told() -> Result<()> {
    let home = TempDir::new()?;
    let owner = App::open_in(directories(home.path())?)?;
    let guest = App::open_in(directories(home.path())?)?;
    let mut events = guest.subscribe();
    let mut settings = guest.settings_get(()).await?;
    settings.cpus = 7;
    guest.settings_set(settings.clone()).await?;
    assert_eq!(owner.settings_get(()).await?, settings);
    loop {
        if let AppEvent::Settings { settings: told } = events.recv().await? {
            assert_eq!(told, settings);
            break;
        }
    }
    guest.shutdown().await;
    owner.shutdown().await;
    Ok(())
}
