//! `cargo xtask bindings`: the window's TypeScript types, from the table in `crates/ipc`.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{process, setup, workspace};

/// Options of `cargo xtask bindings`.
#[derive(Debug, Args)]
pub(crate) struct BindingsArgs {
    /// Change nothing; fail if the committed files are not what would be written.
    #[arg(long)]
    check: bool,
}

/// Runs `cargo xtask bindings`.
pub(crate) fn run(arguments: &BindingsArgs) -> Result<()> {
    setup::install(&[setup::BUILD])?;
    if arguments.check { check() } else { export(&committed()) }
}

/// Fails if the committed files are not what the table generates.
pub(crate) fn check() -> Result<()> {
    let fresh = workspace::output().join("bindings");
    export(&fresh)?;
    let (fresh, committed) = (contents(&fresh)?, contents(&committed())?);
    let differing: Vec<_> = fresh
        .keys()
        .chain(committed.keys())
        .filter(|name| fresh.get(*name) != committed.get(*name))
        .map(String::as_str)
        .collect();
    if differing.is_empty() {
        return Ok(());
    }
    bail!("out of date, run `cargo xtask bindings`: {}", differing.join(", "))
}

fn committed() -> PathBuf {
    workspace::root().join("ui/src/lib/ipc/bindings")
}

/// Writes the types into an emptied folder, so that none of a removed type is left.
fn export(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot empty {}", folder.display()));
        }
        _ => {}
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // ts-rs writes from the tests that it derives.
    process::run(
        Command::new("cargo")
            .args(["test", "--quiet", "--package", "naru-ipc", "--lib", "export_bindings"])
            .current_dir(workspace::root())
            .env("TS_RS_EXPORT_DIR", folder)
            .stdout(Stdio::null()),
    )
}

fn contents(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut contents = BTreeMap::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        contents.insert(name, fs::read(entry.path())?);
    }
    Ok(contents)
}
