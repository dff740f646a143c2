//! The window's pages in Chromium.
//!
//! ```text
//! Chromium ─► host: the built pages, a socket ─► App ─► owner ─► native engine
//! ```
//!
//! Nothing behind the pages is made up but the machine: the [`Owner`] that the app joins has a
//! native engine in its place, which it starts and stops as it is asked.

mod axe;
mod chromium;
mod host;
mod owner;

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use naru_app::{App, Directories, Environment};
use naru_test_framework::{NativeEngine, images};
use serde_json::json;

use crate::{Home, Page};
pub use axe::Violation;
use chromium::Chromium;
use host::Host;
pub(crate) use owner::Owner;

/// The bundled image's name.
const DEMO: &str = "naru/demo:latest";

/// The pages in a browser, with everything behind them.
#[derive(Debug)]
pub struct Browser {
    page: Page,
    app: App,
    host: Host,
    // In this order: the browser ends before what it shows, and the owner before its home.
    _chromium: Chromium,
    owner: Owner,
    home: Home,
}

impl Browser {
    /// Shows the pages over `engine`, which runs.
    pub async fn open(engine: NativeEngine) -> anyhow::Result<Self> {
        let home = Home::new()?;
        let environment =
            Environment { home: Some(home.path().to_owned()), ..Environment::default() };
        let directories = Directories::find(&environment, Some(demo(home.path())?))?;
        let owner = Owner::serve(&directories, engine)?;
        let app = App::open_in(directories)?;
        let host = Host::serve(app.clone()).await?;
        let (chromium, driver) = Chromium::start().await?;
        driver.goto(host.url()).await?;
        Ok(Self { page: Page::of_a_process(driver), app, host, _chromium: chromium, owner, home })
    }

    /// Runs `work` with the engine, of which the machine's start and stop have no hold meanwhile.
    pub fn with_engine<T>(
        &self,
        work: impl FnOnce(&NativeEngine) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.owner.with_engine(|engine| work(engine))
    }

    /// Ends the engine at once, of which the machine's owner hears nothing.
    pub fn kill_engine(&self) -> anyhow::Result<()> {
        self.owner.with_engine(NativeEngine::kill)
    }

    /// Starts the engine that was killed.
    pub fn restart_engine(&self) -> anyhow::Result<()> {
        self.owner.with_engine(NativeEngine::restart)
    }

    /// The addresses that the window opened in the person's browser.
    pub fn opened(&self) -> Vec<String> {
        self.host.opened()
    }

    /// What the next question for a file or a folder is answered with; nothing chosen without.
    pub fn will_choose(&self, paths: impl IntoIterator<Item = PathBuf>) {
        self.host.will_choose(paths);
    }

    /// Where the app's `docker` keeps its configuration and its plugins.
    pub fn docker_config(&self) -> PathBuf {
        self.home.path().join("docker")
    }

    /// Drops files on the window.
    pub fn drop_files(&self, paths: Vec<PathBuf>) -> anyhow::Result<()> {
        self.host.drop_files(paths)
    }

    /// What axe-core finds wrong with the page as it is now.
    pub async fn violations(&self) -> anyhow::Result<Vec<Violation>> {
        axe::run(&self.page).await
    }

    /// Ends the browser, then the app.
    pub async fn close(self) -> anyhow::Result<()> {
        let Self { page, app, .. } = self;
        let ended = page.quit().await;
        app.shutdown().await;
        ended
    }
}

/// What the machine's image has beside the machine: a first image to run.
fn demo(home: &Path) -> anyhow::Result<PathBuf> {
    let folder = home.join("vm-images");
    fs::create_dir(&folder)?;
    fs::write(folder.join("manifest.json"), json!({ "demo_image": DEMO }).to_string())?;
    fs::write(folder.join("demo-image.tar"), images::busybox()?.docker_archive(DEMO)?)?;
    Ok(folder)
}

impl Deref for Browser {
    type Target = Page;

    fn deref(&self) -> &Page {
        &self.page
    }
}
