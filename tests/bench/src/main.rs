//! Naru against its peers, measured in one run.
//!
//! `cargo xtask bench` runs it. Contenders take turns, so that whatever else this
//! computer does disturbs all of them alike; a peer that is not installed is a dash. What
//! counts is the ratios: nothing here fails because it was slow.

mod engine;
mod guest;
mod host;
mod http;
mod isolation;
mod namespace;
mod process;
mod row;
mod rows;
mod sample;
mod table;
mod traffic;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::row::Row;
use crate::rows::Measure;

/// Measure Naru and its peers by turns
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench --")]
struct Options {
    /// How often each is measured
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Measure this alone; can be given more than once
    #[arg(long)]
    only: Vec<Measure>,
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    let Some(state) = isolation::state() else {
        let status = isolation::enter()?;
        return Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    };
    Runtime::new()?.block_on(async {
        tokio::select! {
            measured = measure(&options, &state) => measured,
            () = isolation::abandoned() => Ok(ExitCode::FAILURE),
        }
    })
}

async fn measure(options: &Options, state: &Path) -> Result<ExitCode> {
    let mut facts = host::describe().await?;
    facts.insert("rounds".to_owned(), options.rounds.into());
    facts.insert("load_before".to_owned(), host::load()?.into());
    let (rows, failed) = rows::measure(&options.only, options.rounds, state).await?;
    facts.insert("load_after".to_owned(), host::load()?.into());
    say(&table::render(&rows))?;
    for (name, value) in &facts {
        say(&format!(
            "{name}: {}",
            value.as_str().map_or_else(|| value.to_string(), str::to_owned)
        ))?;
    }
    let path = write_results(&facts.into(), &rows)?;
    say(&format!("Every value is in {}", path.display()))?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn write_results(facts: &Value, rows: &[Row]) -> Result<PathBuf> {
    let directory = workspace().join("target/bench");
    fs::create_dir_all(&directory)?;
    let path = directory.join("results.json");
    let rows: Vec<Value> = rows.iter().map(Row::to_json).collect();
    let text = serde_json::to_vec_pretty(&json!({ "host": facts, "rows": rows }))?;
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    Ok(path)
}

/// The root of the clone that this program was built from.
fn workspace() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest)
}

/// Tells the person who waits.
fn say(text: &str) -> Result<()> {
    writeln!(io::stdout(), "{text}").context("write to standard output")
}
