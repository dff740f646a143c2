//! The app's notices, on their way to the window.

use naru_app::App;
use naru_ipc::AppEvent;
use tauri::async_runtime::spawn;
use tauri::{AppHandle, Emitter};
use tokio::sync::broadcast::error::RecvError;

use crate::login;

/// What the window listens to.
const EVENT: &str = "naru://event";

/// Hands every notice to the window until the app ends.
pub(crate) fn forward(handle: &AppHandle, app: &App) {
    let mut events = app.subscribe();
    let (handle, app) = (handle.clone(), app.clone());
    spawn(async move {
        loop {
            match events.recv().await {
                Ok(event) => send(&handle, event),
                // What was lost may have been any of them: the window reads all anew.
                Err(RecvError::Lagged(_)) => {
                    if let Ok(status) = app.machine_status(()).await {
                        send(&handle, AppEvent::Machine { status });
                    }
                    send(&handle, AppEvent::Containers);
                    send(&handle, AppEvent::Images);
                    send(&handle, AppEvent::Volumes);
                    send(&handle, AppEvent::Networks);
                }
                Err(RecvError::Closed) => return,
            }
        }
    });
}

fn send(handle: &AppHandle, event: AppEvent) {
    if let AppEvent::Settings { settings } = &event {
        login::follow(handle, settings.start_at_login);
    }
    if let Err(error) = handle.emit(EVENT, event) {
        tracing::warn!(%error, "event not sent");
    }
}
