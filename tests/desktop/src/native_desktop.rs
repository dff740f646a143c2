//! The real window over a native engine in the machine's place.

use std::ops::Deref;
use std::time::Duration;

use anyhow::ensure;
use naru_app::{Directories, Environment};
use naru_test_framework::NativeEngine;

use crate::browser::Owner;
use crate::page::PATIENCE;
use crate::{Desktop, Home, Page};

/// A window that has joined a Naru whose machine runs.
#[derive(Debug)]
pub struct NativeDesktop {
    desktop: Desktop,
    // In this order: the window ends before what it has joined.
    owner: Owner,
    _home: Home,
}

impl NativeDesktop {
    /// Opens the window; `engine` runs.
    pub async fn open(engine: NativeEngine) -> anyhow::Result<Self> {
        let home = Home::new()?;
        let environment =
            Environment { home: Some(home.path().to_owned()), ..Environment::default() };
        let owner = Owner::serve(&Directories::find(&environment, None)?, engine)?;
        let desktop = Desktop::open(&home).await?;
        Ok(Self { desktop, owner, _home: home })
    }

    /// Runs `work` with the engine.
    pub fn with_engine<T>(
        &self,
        work: impl FnOnce(&NativeEngine) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.owner.with_engine(|engine| work(engine))
    }

    /// How long it took from the program's start until there was a row in a list. The driver's
    /// own start is in it.
    pub async fn time_to_rows(&self) -> anyhow::Result<Duration> {
        loop {
            let script = "return document.querySelector('tr[data-key]') !== null";
            if self.driver().execute(script, vec![]).await?.convert()? {
                return Ok(self.desktop.since_start());
            }
            ensure!(self.desktop.since_start() < PATIENCE, "there is no row");
        }
    }

    /// What the window's processes take of the computer's memory, in bytes.
    pub fn memory(&self) -> anyhow::Result<u64> {
        self.desktop.memory()
    }

    /// Ends the window.
    pub async fn close(self) -> anyhow::Result<()> {
        self.desktop.close().await
    }
}

impl Deref for NativeDesktop {
    type Target = Page;

    fn deref(&self) -> &Page {
        &self.desktop
    }
}
