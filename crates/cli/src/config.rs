//! `naru config`.

use std::process::ExitCode;

use clap::Subcommand;
use naru_app::Directories;
use naru_app::settings::by_name;
use naru_ipc::IpcError;
use serde_json::Value;

use crate::print;

/// What is done with the settings.
#[derive(Subcommand)]
pub(crate) enum Config {
    /// Print a setting, or all of them as JSON
    Get {
        /// Such as `cpus`, `registries.http_proxy` or `registries.hosts.ghcr.io.mirrors`
        name: Option<String>,
    },
    /// Change a setting; those of the machine take effect at its next start
    Set {
        /// Such as `cpus`, `registries.http_proxy` or `registries.hosts.ghcr.io.mirrors`
        name: String,
        /// A text, a number, a list with commas between, JSON, or @FILE for what is in a file
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// One more that is changed with it: a client certificate goes with its key
        #[arg(long, num_args = 2, value_names = ["NAME", "VALUE"], allow_hyphen_values = true)]
        and: Vec<String>,
    },
    /// Put a setting back as it was at first; `registries.hosts.NAME` forgets that registry's
    Unset {
        /// Such as `cpus`, `registries.http_proxy` or `registries.hosts.ghcr.io`
        name: String,
    },
    /// Print the JSON schema of the settings file
    Schema,
}

pub(crate) async fn run(directories: &Directories, config: Config) -> Result<ExitCode, IpcError> {
    match config {
        Config::Get { name } => print_value(&by_name::get(directories, name.as_deref())?)?,
        Config::Set { name, value, and } => {
            let mut changes = vec![(name.as_str(), by_name::meant_by(&value)?)];
            for pair in and.chunks_exact(2) {
                changes.push((&pair[0], by_name::meant_by(&pair[1])?));
            }
            let texts: Vec<(&str, &str)> =
                changes.iter().map(|(name, text)| (*name, text.as_ref())).collect();
            by_name::set_all(directories, &texts).await?;
            print_value(&by_name::get(directories, Some(&name))?)?;
        }
        Config::Unset { name } => by_name::unset(directories, &name).await?,
        Config::Schema => print::line(by_name::SCHEMA.trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A text as it is, for scripts; all else as JSON.
fn print_value(value: &Value) -> Result<(), IpcError> {
    match value {
        Value::String(text) => print::line(text),
        value => print::json(value),
    }
}
