//! The window's place: brought back at the start, kept when it is closed.

use naru_app::{Directories, Screen, WindowPlace};
use tauri::{AppHandle, Manager, PhysicalPosition, PhysicalSize, WebviewWindow};

use crate::WINDOW;

/// What is kept of a window that was never anything but maximized.
const USUAL: WindowPlace = WindowPlace { x: 0, y: 0, width: 1100, height: 720, maximized: true };

/// Puts the window where it was, as long as there is a screen there.
pub(crate) fn restore(handle: &AppHandle, directories: &Directories) {
    let Some(window) = handle.get_webview_window(WINDOW) else { return };
    let Some(place) = WindowPlace::load(directories) else { return };
    if let Err(error) = put(&window, place) {
        tracing::warn!(%error, "window not put where it was");
    }
}

/// Keeps where the window is. One that is hidden or minimized is nowhere.
pub(crate) fn keep(handle: &AppHandle, directories: &Directories) {
    let Some(window) = handle.get_webview_window(WINDOW) else { return };
    match seen(&window, directories) {
        Ok(Some(place)) => {
            if let Err(error) = place.save(directories) {
                tracing::warn!(%error, "the window's place was not kept");
            }
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "the window's place is not known"),
    }
}

fn put(window: &WebviewWindow, place: WindowPlace) -> Result<(), tauri::Error> {
    let screens: Vec<Screen> = window
        .available_monitors()?
        .iter()
        .map(|monitor| {
            let (at, size) = (monitor.position(), monitor.size());
            Screen { x: at.x, y: at.y, width: size.width, height: size.height }
        })
        .collect();
    if let Some(place) = place.on(&screens) {
        window.set_size(PhysicalSize::new(place.width, place.height))?;
        window.set_position(PhysicalPosition::new(place.x, place.y))?;
    }
    if place.maximized { window.maximize() } else { Ok(()) }
}

fn seen(
    window: &WebviewWindow,
    directories: &Directories,
) -> Result<Option<WindowPlace>, tauri::Error> {
    if !window.is_visible()? || window.is_minimized()? {
        return Ok(None);
    }
    if window.is_maximized()? || window.is_fullscreen()? {
        // Its size now is the screen's, which is not to be the one it comes back to.
        let before = WindowPlace::load(directories).unwrap_or(USUAL);
        return Ok(Some(WindowPlace { maximized: true, ..before }));
    }
    let (at, size) = (window.outer_position()?, window.inner_size()?);
    let (width, height) = (size.width, size.height);
    Ok(Some(WindowPlace { x: at.x, y: at.y, width, height, maximized: false }))
}
