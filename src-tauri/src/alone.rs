//! One window for each Naru: a second start brings the first one's to the front.

use std::sync::{Mutex, PoisonError};

use naru_app::{Directories, Door};
use tauri::async_runtime::{JoinHandle, block_on, spawn};
use tauri::{AppHandle, Manager};

use crate::show_window;

/// What this start is to be.
#[derive(Debug)]
pub(crate) enum Start {
    /// The one window, which answers others that come.
    First(Door),
    /// A window by itself: nobody knows whether there is another.
    Unsure,
    /// None: the window there was has come forward.
    Second,
}

/// Answers others, until it is closed.
#[derive(Debug)]
struct Answering(Mutex<Option<JoinHandle<()>>>);

/// Looks whether there is a window for `directories`.
pub(crate) fn look(directories: &Directories) -> Start {
    match block_on(Door::enter(directories)) {
        Ok(Some(door)) => Start::First(door),
        Ok(None) => Start::Second,
        Err(error) => {
            // Better a second window than none.
            tracing::warn!(%error, "not known whether there is another window");
            Start::Unsure
        }
    }
}

/// Brings the window forward for everybody who would have opened another one.
pub(crate) fn answer(handle: &AppHandle, door: Door) {
    let shown = handle.clone();
    let task = spawn(door.answer(move || show_window(&shown)));
    handle.manage(Answering(Mutex::new(Some(task))));
}

/// Lets the next start have a window of its own, because this one is going.
pub(crate) fn leave(handle: &AppHandle) {
    let Some(answering) = handle.try_state::<Answering>() else { return };
    let task = answering.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(task) = task {
        task.abort();
    }
}
