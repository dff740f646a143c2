//! The icon in the desktop's panel.

use naru_desktop_tests::{Bus, Desktop, Home, Panel};

use crate::looks::LOOKS;
use crate::words::EN;

#[tokio::test]
async fn the_tray_speaks_the_windows_language_and_quits_in_good_order() -> anyhow::Result<()> {
    let bus = Bus::start()?;
    let panel = Panel::start(&bus).await?;
    let home = Home::new()?;
    let desktop = Desktop::open_on(bus, &home).await?;
    let tray = panel.tray().await?;
    desktop.sees(EN.machine_running).await?;
    let english = [
        EN.machine_running,
        "Stop machine",
        "-",
        "No container is running",
        "-",
        "Show window",
        "Quit Naru",
    ];
    tray.reads(&english).await?;
    let [.., korean] = LOOKS;
    korean.put_on(&desktop).await?;
    let korean = [
        korean.words.machine_running,
        "가상 머신 종료",
        "-",
        "실행 중인 컨테이너 없음",
        "-",
        "창 보기",
        "나루 끝내기",
    ];
    tray.reads(&korean).await?;
    tray.choose("나루 끝내기").await?;
    tray.ended().await?;
    desktop.let_go()?;
    let console = home.console()?;
    anyhow::ensure!(console.contains("Power down"), "the machine was killed:\n{console}");
    Ok(())
}

#[tokio::test]
async fn the_machine_is_stopped_and_started_from_the_tray() -> anyhow::Result<()> {
    let bus = Bus::start()?;
    let panel = Panel::start(&bus).await?;
    let home = Home::new()?;
    let desktop = Desktop::open_on(bus, &home).await?;
    let tray = panel.tray().await?;
    desktop.sees(EN.machine_running).await?;
    tray.choose("Stop machine").await?;
    desktop.sees("Machine is off").await?;
    let off = ["Machine is off", "Start machine", "-", "Show window", "Quit Naru"];
    tray.reads(&off).await?;
    tray.choose("Start machine").await?;
    desktop.sees(EN.machine_running).await?;
    desktop.close().await
}

#[tokio::test]
async fn a_second_start_ends_at_once_and_leaves_the_window_as_it_is() -> anyhow::Result<()> {
    let home = Home::new()?;
    let desktop = Desktop::open(&home).await?;
    desktop.sees(EN.machine_running).await?;
    let second = desktop.start_again().await?;
    anyhow::ensure!(second.success(), "the second start ended with {second}");
    desktop.sees(EN.machine_running).await?;
    desktop.close().await
}
