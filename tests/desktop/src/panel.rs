//! A desktop's panel, as far as tray icons need one.

use std::collections::HashMap;

use anyhow::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::{Instant, interval, timeout_at};
use zbus::connection::Builder;
use zbus::fdo::DBusProxy;
use zbus::message::Header;
use zbus::names::{BusName, OwnedUniqueName};
use zbus::zvariant::{DynamicType, OwnedObjectPath, OwnedValue, Type, Value};
use zbus::{Connection, interface};

use crate::display::Bus;
use crate::page::{LOOK_AGAIN, PATIENCE};

const WATCHER: &str = "org.kde.StatusNotifierWatcher";
const ITEM: &str = "org.kde.StatusNotifierItem";
const MENU: &str = "com.canonical.dbusmenu";

/// Where a program said that its icon is.
type Place = (OwnedUniqueName, String);
/// An entry of a menu: its number, its properties, its own entries.
type Entry = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

/// A panel that shows tray icons, on a session bus.
#[derive(Debug)]
pub struct Panel {
    connection: Connection,
    registered: watch::Receiver<Option<Place>>,
}

/// A tray icon with a menu.
#[derive(Debug)]
pub struct Tray {
    connection: Connection,
    program: OwnedUniqueName,
    menu: OwnedObjectPath,
}

/// What programs look for on the bus.
struct Watcher(watch::Sender<Option<Place>>);

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    #[expect(clippy::needless_pass_by_value, reason = "zbus passes headers so")]
    fn register_status_notifier_item(&self, path: String, #[zbus(header)] header: Header<'_>) {
        let program = header.sender().map(|name| name.to_owned().into());
        self.0.send_replace(program.map(|program| (program, path)));
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        !self.0.is_closed()
    }
}

impl Panel {
    /// Puts a panel on `bus`.
    pub async fn start(bus: &Bus) -> anyhow::Result<Self> {
        let (sender, registered) = watch::channel(None);
        let connection = Builder::address(bus.address.as_str())?
            .serve_at("/StatusNotifierWatcher", Watcher(sender))?
            .name(WATCHER)?
            .build()
            .await?;
        Ok(Self { connection, registered })
    }

    /// The first icon, as soon as there is one.
    pub async fn tray(&self) -> anyhow::Result<Tray> {
        let mut registered = self.registered.clone();
        let deadline = Instant::now() + PATIENCE;
        let place = timeout_at(deadline, registered.wait_for(Option::is_some)).await;
        let place = place.context("no tray icon showed up")??.clone();
        let (program, path) = place.context("it is some")?;
        let call = (ITEM, "Menu");
        let menu: OwnedValue =
            ask(&self.connection, &program, &path, "org.freedesktop.DBus.Properties", "Get", &call)
                .await?;
        Ok(Tray { connection: self.connection.clone(), program, menu: menu.try_into()? })
    }
}

impl Tray {
    /// Waits until the menu reads like this; what parts its entries is a `-`.
    pub async fn reads(&self, wanted: &[&str]) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut again = interval(LOOK_AGAIN);
        loop {
            let entries = self.entries().await?;
            let labels: Vec<&str> = entries.iter().map(|(label, _)| label.as_str()).collect();
            if labels == wanted {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < deadline, "the menu reads {labels:?}");
            again.tick().await;
        }
    }

    /// Chooses the menu's entry with this label, as soon as there is one.
    pub async fn choose(&self, label: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut again = interval(LOOK_AGAIN);
        loop {
            let entries = self.entries().await?;
            let chosen = match entries.iter().find(|(each, _)| each == label) {
                // The menu may have been made anew since it was read.
                Some((_, id)) => self.click(*id).await,
                None => Err(anyhow::anyhow!("no {label} among {entries:?}")),
            };
            if chosen.is_ok() || Instant::now() >= deadline {
                return chosen;
            }
            again.tick().await;
        }
    }

    async fn click(&self, id: i32) -> anyhow::Result<()> {
        let event = (id, "clicked", Value::from(0), 0_u32);
        let menu = self.menu.as_str();
        ask(&self.connection, &self.program, menu, MENU, "Event", &event).await
    }

    /// Waits until the icon's program has ended.
    pub async fn ended(&self) -> anyhow::Result<()> {
        let bus = DBusProxy::new(&self.connection).await?;
        let program = BusName::from(self.program.as_ref());
        let deadline = Instant::now() + PATIENCE;
        let mut again = interval(LOOK_AGAIN);
        while bus.name_has_owner(program.clone()).await? {
            anyhow::ensure!(Instant::now() < deadline, "the program goes on");
            again.tick().await;
        }
        Ok(())
    }

    /// Label and number of the menu's own entries, not of those below them.
    async fn entries(&self) -> anyhow::Result<Vec<(String, i32)>> {
        let request = (0, 1, vec!["label"]);
        let menu = self.menu.as_str();
        let (_, (_, _, entries)): (u32, Entry) =
            ask(&self.connection, &self.program, menu, MENU, "GetLayout", &request).await?;
        let mut labels = Vec::new();
        for entry in entries {
            let (id, mut properties, _) = Entry::try_from(Value::from(entry))?;
            // What parts the entries has none.
            let label =
                properties.remove("label").map_or_else(|| Ok("-".to_owned()), String::try_from);
            labels.push((label?, id));
        }
        Ok(labels)
    }
}

/// Calls a method and waits for its answer.
async fn ask<T: DeserializeOwned + Type>(
    connection: &Connection,
    program: &OwnedUniqueName,
    path: &str,
    interface: &str,
    method: &str,
    arguments: &(impl Serialize + DynamicType),
) -> anyhow::Result<T> {
    let called =
        connection.call_method(Some(program.as_ref()), path, Some(interface), method, arguments);
    let answer = called.await.with_context(|| format!("{interface}.{method}"))?;
    Ok(answer.body().deserialize()?)
}
