//! The desktop shell: windows, tray, commands.
//!
//! Everything else is behind [`naru_app::App`]. The shell registers a command for each
//! row of the contract's table, hands the app's events to the window, and sees to it
//! that the machine is stopped in good order when the person quits.

// A console window beside the real one is for debugging alone.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

mod alone;
mod backend;
mod commands;
mod config;
mod events;
mod login;
mod place;
mod quit;
mod sys;
mod tray;

use naru_app::{Directories, Environment};
use tauri::{App, AppHandle, Builder, Context, Manager, RunEvent, Window, WindowEvent, Wry};
use tracing_subscriber::EnvFilter;

use crate::alone::Start;
use crate::backend::Backend;
use crate::quit::Quit;

/// The only window's label; its capability file names it too.
const WINDOW: &str = "main";

fn main() -> Result<(), tauri::Error> {
    let environment = config::Environment::read();
    // Before anything else: GTK and WebKit read these once, at their start.
    let variables = [environment.missing_locale(), environment.costly_compositing()];
    for (name, value) in variables.into_iter().flatten() {
        sys::set_variable(name, value);
    }
    let filter = EnvFilter::new(environment.log_filter());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();

    // What is wrong with them, the app says in the window.
    let directories = Directories::find(&Environment::read(), None).ok();
    let start = directories.as_ref().map_or(Start::Unsure, alone::look);
    if matches!(start, Start::Second) {
        return Ok(());
    }
    Builder::<Wry>::new()
        .plugin(tauri_plugin_dialog::init())
        .plugin(login::plugin())
        .plugin(tauri_plugin_notification::init())
        .plugin(tauri_plugin_opener::init())
        .manage(Quit::default())
        .setup(move |app| {
            set_up(app, directories, start);
            let handle = app.handle();
            // Hidden without a way back would be gone.
            if !environment.hidden || !tray::takes_over(handle) {
                show_window(handle);
            }
            Ok(())
        })
        .on_window_event(on_window_event)
        .invoke_handler(commands::handler())
        .build(context())?
        .run(on_run_event);
    Ok(())
}

/// Puts everything behind the window.
fn set_up(app: &App, directories: Option<Directories>, start: Start) {
    let handle = app.handle();
    let backend = Backend::open(handle);
    if let Ok(naru) = backend.app() {
        events::forward(handle, naru);
    }
    app.manage(backend);
    tray::create(handle);
    quit::on_signals(handle);
    if let Some(directories) = directories {
        place::restore(handle, &directories);
        app.manage(directories);
    }
    if let Start::First(door) = start {
        alone::answer(handle, door);
    }
}

/// What the build embedded: the configuration, the page, the icons.
#[expect(clippy::exit, clippy::disallowed_methods, reason = "it is inside the macro, not ours")]
fn context() -> Context<Wry> {
    tauri::generate_context!()
}

/// Closing the window leaves the containers running, if the person wants that and has a way back.
fn on_window_event(window: &Window, event: &WindowEvent) {
    let WindowEvent::CloseRequested { api, .. } = event else { return };
    let handle = window.app_handle();
    keep_place(handle);
    if tray::takes_over(handle) {
        api.prevent_close();
        if let Err(error) = window.hide() {
            tracing::warn!(%error, "window not hidden");
        }
    }
}

fn on_run_event(handle: &AppHandle, event: RunEvent) {
    match event {
        RunEvent::ExitRequested { api, .. } if !handle.state::<Quit>().is_done() => {
            api.prevent_exit();
            quit::begin(handle);
        }
        // Its icon in the dock was pressed.
        #[cfg(target_os = "macos")]
        RunEvent::Reopen { .. } => show_window(handle),
        _ => {}
    }
}

/// Keeps where the window is for the next start.
fn keep_place(handle: &AppHandle) {
    if let Some(directories) = handle.try_state::<Directories>() {
        place::keep(handle, &directories);
    }
}

/// Brings the window back, wherever it is.
fn show_window(handle: &AppHandle) {
    let Some(window) = handle.get_webview_window(WINDOW) else { return };
    for shown in [window.show(), window.unminimize(), window.set_focus()] {
        if let Err(error) = shown {
            tracing::warn!(%error, "window not brought back");
        }
    }
}
