//! The tray icon: open the window, quit.

use naru_ipc::Language;
use tauri::async_runtime::block_on;
use tauri::menu::{Menu, MenuEvent, MenuItem};
use tauri::tray::{TrayIcon, TrayIconBuilder};
use tauri::{AppHandle, Manager, Wry};

use crate::backend::Backend;
use crate::{quit, show_window};

const OPEN: &str = "open";
const QUIT: &str = "quit";

/// The icon and the parts of it that have words.
struct Tray {
    _icon: TrayIcon,
    open: MenuItem<Wry>,
    quit: MenuItem<Wry>,
}

/// Makes the icon where the system can show one; without it the window's own close
/// button quits.
pub(crate) fn create(handle: &AppHandle) {
    if !is_supported() {
        tracing::info!("no tray: the system lacks libayatana-appindicator3");
        return;
    }
    match build(handle) {
        Ok(tray) => {
            handle.manage(tray);
        }
        Err(error) => tracing::warn!(%error, "tray not made"),
    }
}

/// Whether the icon is there for the person to click.
pub(crate) fn is_shown(handle: &AppHandle) -> bool {
    handle.try_state::<Tray>().is_some() && has_host()
}

/// Words the menu anew.
pub(crate) fn translate(handle: &AppHandle, language: Language) {
    let Some(tray) = handle.try_state::<Tray>() else { return };
    let (open, quit) = words(language);
    for set in [tray.open.set_text(open), tray.quit.set_text(quit)] {
        if let Err(error) = set {
            tracing::warn!(%error, "tray not translated");
        }
    }
}

fn build(handle: &AppHandle) -> Result<Tray, tauri::Error> {
    let settings = handle.state::<Backend>().app().map(|app| block_on(app.settings_get(())));
    let language = settings.and_then(|read| read).map_or(Language::System, |read| read.language);
    let (open, quit) = words(language);
    let open = MenuItem::with_id(handle, OPEN, open, true, None::<&str>)?;
    let quit = MenuItem::with_id(handle, QUIT, quit, true, None::<&str>)?;
    let menu = Menu::with_items(handle, &[&open, &quit])?;
    let mut builder = TrayIconBuilder::new()
        .menu(&menu)
        .tooltip("Naru")
        .on_menu_event(|handle, event| on_menu(handle, &event));
    if let Some(icon) = handle.default_window_icon() {
        builder = builder.icon(icon.clone());
    }
    Ok(Tray { _icon: builder.build(handle)?, open, quit })
}

fn on_menu(handle: &AppHandle, event: &MenuEvent) {
    match event.id().as_ref() {
        OPEN => show_window(handle),
        QUIT => quit::begin(handle),
        _ => {}
    }
}

/// The menu's words. The system's language is the window's business; here it is English.
fn words(language: Language) -> (&'static str, &'static str) {
    match language {
        Language::Ko => ("열기", "끝내기"),
        Language::En | Language::System => ("Open", "Quit"),
    }
}

/// The tray library is loaded at run time, and its absence is a panic.
#[cfg(target_os = "linux")]
fn is_supported() -> bool {
    crate::sys::has_library(&[c"libayatana-appindicator3.so.1", c"libayatana-appindicator3.so"])
}

#[cfg(not(target_os = "linux"))]
fn is_supported() -> bool {
    true
}

/// Whether a desktop is there to show tray icons; GNOME, for one, has none by itself.
#[cfg(target_os = "linux")]
fn has_host() -> bool {
    use gio::glib::ToVariant;
    use gio::{BusType, Cancellable, DBusCallFlags};

    const WATCHER: &str = "org.kde.StatusNotifierWatcher";
    const TIMEOUT_MS: i32 = 1000;
    let bus = "org.freedesktop.DBus";
    gio::bus_get_sync(BusType::Session, None::<&Cancellable>)
        .and_then(|connection| {
            connection.call_sync(
                Some(bus),
                "/org/freedesktop/DBus",
                bus,
                "NameHasOwner",
                Some(&(WATCHER,).to_variant()),
                None,
                DBusCallFlags::NONE,
                TIMEOUT_MS,
                None::<&Cancellable>,
            )
        })
        .is_ok_and(|answer| answer.get::<(bool,)>() == Some((true,)))
}

#[cfg(not(target_os = "linux"))]
fn has_host() -> bool {
    true
}
