//! What the window says when something is wrong.

use naru_desktop_tests::{Desktop, Hands, Home};
use naru_test_framework::Registry;

use crate::words::EN;

#[tokio::test]
async fn an_unknown_image_is_explained_in_a_sentence() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let home = Home::new()?;
    let desktop = Desktop::open(&home).await?;
    desktop.sees(EN.machine_running).await?;
    Hands::Mouse.press(&desktop, "button", EN.images).await?;
    Hands::Mouse.fill(&desktop, EN.pull_box, &registry.reference("no/such", "tag")).await?;
    Hands::Mouse.press(&desktop, "button", EN.pull).await?;
    desktop.find("alert", EN.pull_failed).await?;
    desktop.picture("pull-failed").await?;
    desktop.close().await
}
