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
        /// Such as `cpus` or `registries.http_proxy`
        name: Option<String>,
    },
    /// Change a setting; those of the machine take effect at its next start
    Set {
        /// Such as `cpus` or `registries.http_proxy`
        name: String,
        /// A text, a number, a list with commas between, or JSON
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Print the JSON schema of the settings file
    Schema,
}

pub(crate) async fn run(directories: &Directories, config: Config) -> Result<ExitCode, IpcError> {
    match config {
        Config::Get { name } => print_value(&by_name::get(directories, name.as_deref())?)?,
        Config::Set { name, value } => {
            print_value(&by_name::set(directories, &name, &value).await?)?;
        }
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
