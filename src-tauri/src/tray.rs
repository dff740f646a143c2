//! The tray icon: draws the menu that the app says, and hands on what is chosen in it.

use naru_app::tray::{TrayAct, TrayChoice, TrayEntry, ways};
use naru_ipc::TrayWords;
use tauri::async_runtime::{block_on, spawn};
use tauri::menu::{Menu, MenuEvent, MenuItem, PredefinedMenuItem, Submenu};
use tauri::tray::{TrayIcon, TrayIconBuilder};
use tauri::{AppHandle, Manager, Wry};
use tauri_plugin_opener::OpenerExt;

use crate::backend::Backend;
use crate::{quit, show_window};

/// The icon while it is in the panel.
struct Tray(TrayIcon);

/// Makes the icon where the system can show one; without it the window's own close
/// button quits.
pub(crate) fn create(handle: &AppHandle) {
    if !is_supported() {
        tracing::info!("no tray: the system lacks libayatana-appindicator3");
        return;
    }
    // The app's tasks live on the runtime that is current here.
    let menus = handle.state::<Backend>().app().map(|app| block_on(async { app.tray() }));
    let now = match &menus {
        Ok(menus) => menus.borrow().clone(),
        Err(_) => ways(&TrayWords::default()),
    };
    match build(handle, &now) {
        Ok(icon) => handle.manage(Tray(icon)),
        Err(error) => return tracing::warn!(%error, "tray not made"),
    };
    let Ok(mut menus) = menus else { return };
    let handle = handle.clone();
    spawn(async move {
        while menus.changed().await.is_ok() {
            let entries = menus.borrow_and_update().clone();
            let drawn = draw(&handle, &entries)
                .and_then(|menu| handle.state::<Tray>().0.set_menu(Some(menu)));
            if let Err(error) = drawn {
                tracing::warn!(%error, "tray not drawn anew");
            }
        }
    });
}

/// Whether Naru goes on when its window is closed: the person wants it, and has a way back.
pub(crate) fn takes_over(handle: &AppHandle) -> bool {
    let wanted = handle.state::<Backend>().app().is_ok_and(|app| {
        // What cannot be read is as it is without.
        block_on(app.settings_get(())).unwrap_or_default().keep_in_tray
    });
    wanted && handle.try_state::<Tray>().is_some() && has_host()
}

fn build(handle: &AppHandle, entries: &[TrayEntry]) -> Result<TrayIcon, tauri::Error> {
    let mut builder = TrayIconBuilder::new()
        .menu(&draw(handle, entries)?)
        .tooltip("Naru")
        .on_menu_event(|handle, event| on_menu(handle, &event));
    if let Some(icon) = handle.default_window_icon() {
        builder = builder.icon(icon.clone());
    }
    builder.build(handle)
}

fn draw(handle: &AppHandle, entries: &[TrayEntry]) -> Result<Menu<Wry>, tauri::Error> {
    let menu = Menu::new(handle)?;
    for entry in entries {
        match entry {
            TrayEntry::Note(text) => {
                menu.append(&MenuItem::new(handle, label(text), false, None::<&str>)?)?;
            }
            TrayEntry::Choice(choice) => menu.append(&item(handle, choice)?)?,
            TrayEntry::Group { text, choices } => {
                let group = Submenu::new(handle, label(text), true)?;
                for choice in choices {
                    group.append(&item(handle, choice)?)?;
                }
                menu.append(&group)?;
            }
            TrayEntry::Separator => menu.append(&PredefinedMenuItem::separator(handle)?)?,
        }
    }
    Ok(menu)
}

fn item(handle: &AppHandle, choice: &TrayChoice) -> Result<MenuItem<Wry>, tauri::Error> {
    MenuItem::with_id(handle, choice.act.to_string(), label(&choice.text), true, None::<&str>)
}

/// An ampersand would mark the key of the letter after it.
fn label(text: &str) -> String {
    text.replace('&', "&&")
}

fn on_menu(handle: &AppHandle, event: &MenuEvent) {
    match TrayAct::named(event.id().as_ref()) {
        Some(TrayAct::Show) => show_window(handle),
        Some(TrayAct::Quit) => quit::begin(handle),
        Some(TrayAct::OpenPort(port)) => {
            let url = format!("http://localhost:{port}/");
            if let Err(error) = handle.opener().open_url(url, None::<&str>) {
                tracing::warn!(%error, port, "port not opened in the browser");
            }
        }
        Some(act) => begin(handle, act),
        None => {}
    }
}

/// Does what takes its time. What fails is to be seen in the window.
fn begin(handle: &AppHandle, act: TrayAct) {
    let handle = handle.clone();
    spawn(async move {
        let done = match handle.state::<Backend>().app() {
            Ok(app) => app.tray_act(act.clone()).await,
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            tracing::warn!(%error, %act, "not done from the tray");
            show_window(&handle);
        }
    });
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
