//! Lists the app's own commands in its manifest: without that list, Tauri allows
//! every command to every window.

use std::error::Error;

use naru_ipc::commands;
use tauri_build::{AppManifest, Attributes, try_build};

macro_rules! names {
    ($($command:literal $method:ident($($types:tt)*) -> $response:ty;)*) => {
        &[$(stringify!($method)),*]
    };
}

fn main() -> Result<(), Box<dyn Error>> {
    let manifest = AppManifest::new().commands(commands!(names));
    try_build(Attributes::new().app_manifest(manifest))?;
    Ok(())
}
