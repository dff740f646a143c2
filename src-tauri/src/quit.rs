//! The way out: the machine is stopped in good order first.

use std::sync::atomic::{AtomicBool, Ordering};

use tauri::async_runtime::spawn;
use tauri::{AppHandle, Manager};

use crate::backend::Backend;
use crate::{WINDOW, alone, keep_place};

/// How far quitting is.
#[derive(Debug, Default)]
pub(crate) struct Quit {
    begun: AtomicBool,
    done: AtomicBool,
}

impl Quit {
    /// Whether nothing is left to stop.
    pub(crate) fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }
}

/// Hides the window, stops the machine, ends the program. Later calls do nothing.
pub(crate) fn begin(handle: &AppHandle) {
    if handle.state::<Quit>().begun.swap(true, Ordering::AcqRel) {
        return;
    }
    alone::leave(handle);
    keep_place(handle);
    if let Some(window) = handle.get_webview_window(WINDOW)
        && let Err(error) = window.hide()
    {
        tracing::warn!(%error, "window not hidden");
    }
    let handle = handle.clone();
    spawn(async move {
        if let Ok(app) = handle.state::<Backend>().app() {
            app.shutdown().await;
        }
        handle.state::<Quit>().done.store(true, Ordering::Release);
        handle.exit(0);
    });
}

/// Takes the system's request to end (log-out, `kill`) as the person's.
#[cfg(unix)]
pub(crate) fn on_signals(handle: &AppHandle) {
    use tokio::signal::unix::{SignalKind, signal};

    let handle = handle.clone();
    spawn(async move {
        let (Ok(mut terminate), Ok(mut interrupt)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            tracing::warn!("signals not heard");
            return;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        begin(&handle);
    });
}

/// Elsewhere the window's own close request is all there is.
#[cfg(not(unix))]
pub(crate) fn on_signals(_handle: &AppHandle) {}
