//! The app behind the commands, or why there is none.

use naru_app::{App, AppOptions};
use naru_ipc::IpcError;
use tauri::async_runtime::block_on;
use tauri::path::BaseDirectory;
use tauri::{AppHandle, Manager};

/// What every command asks. An app that could not be opened answers each of them with
/// the reason, so that the window can show it.
#[derive(Debug)]
pub(crate) struct Backend(Result<App, IpcError>);

impl Backend {
    /// Opens the app with the machine's image that the installation brought along.
    pub(crate) fn open(handle: &AppHandle) -> Self {
        let bundled = handle.path().resolve("vm-images", BaseDirectory::Resource);
        let vm_images = bundled.ok().filter(|path| path.is_dir());
        // The app's tasks live on the runtime that is current here.
        let opened = block_on(async { App::open(AppOptions { vm_images }) });
        if let Err(error) = &opened {
            tracing::error!(%error, "app not opened");
        }
        Self(opened)
    }

    /// The app.
    pub(crate) fn app(&self) -> Result<&App, IpcError> {
        self.0.as_ref().map_err(Clone::clone)
    }
}
