//! What the bench was run on.

use std::env::var_os;
use std::fs;
use std::thread::available_parallelism;

use anyhow::Result;
use naru_machine::{Arch, QemuSearch, find_qemu};
use serde_json::{Map, Value, json};
use tokio::process::Command;

use crate::engine::{PEERS, is_installed};

/// Facts about this computer, by name.
pub(crate) async fn describe() -> Result<Map<String, Value>> {
    let mut facts = Map::new();
    facts.insert("cores".to_owned(), json!(available_parallelism()?.get()));
    if let Some(model) = processor()? {
        facts.insert("processor".to_owned(), model.into());
    }
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    facts.insert("kernel".to_owned(), kernel.trim().into());
    let search = QemuSearch { path: var_os("PATH"), ..QemuSearch::default() };
    let qemu = find_qemu(&search, Arch::host()).await;
    let qemu = qemu.map_or_else(|_| "none".to_owned(), |qemu| qemu.version.to_string());
    facts.insert("qemu".to_owned(), qemu.into());
    facts.insert("accelerator".to_owned(), "tcg".into());
    for peer in PEERS.into_iter().filter(|peer| is_installed(peer)) {
        let said = Command::new(peer).arg("--version").output().await?.stdout;
        facts.insert(peer.to_owned(), String::from_utf8_lossy(&said).trim().into());
    }
    Ok(facts)
}

/// The load averages: how busy the computer is with other things, too.
pub(crate) fn load() -> Result<String> {
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(load.split(' ').take(3).collect::<Vec<_>>().join(" "))
}

fn processor() -> Result<Option<String>> {
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let model = text.lines().find_map(|line| line.strip_prefix("model name"));
    Ok(model.map(|model| model.trim_start_matches(['\t', ' ', ':']).to_owned()))
}
