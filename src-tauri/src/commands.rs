//! One Tauri command for each row of the contract's table.

use naru_ipc::{
    AppInfo, BuildEvent, BuildFolder, ComposeFound, ContainerCommit, ContainerDetails,
    ContainerDownload, ContainerExport, ContainerLogs, ContainerPath, ContainerProcesses,
    ContainerRef, ContainerRemake, ContainerRemove, ContainerRename, ContainerRun,
    ContainerSaveLogs, ContainerSettings, ContainerStats, ContainerSummary, ContainerUpload,
    ContainerUsage, ContainerUsageOf, Diagnostics, DiskUsage, FileChange, FileProgress, FileText,
    FileWrite, FolderListing, FoundRepository, Freed, ImageBuild, ImageBuildFolder, ImageBuilt,
    ImageDetails, ImageFolder, ImageLoad, ImagePrune, ImagePrunePlan, ImagePull, ImagePullCancel,
    ImagePush, ImageRef, ImageRemove, ImageSave, ImageStep, ImageSummary, ImageTag, ImagesLoaded,
    Inspection, IpcError, MachineConsole, MachineFacts, MachineStatus, MachineUsage, NetworkCreate,
    NetworkLink, NetworkRef, NetworkSummary, OutputChunk, ProjectDown, ProjectRef, ProjectUp,
    PullProgress, RegistryAccount, RegistryLogin, RegistryLogout, RegistrySearch, Repository,
    RepositoryQuery, Settings, StatsSample, StreamClose, TerminalOpen, TerminalPrograms,
    TerminalRef, TerminalResize, TerminalWrite, TrayWords, VolumeBackup, VolumeClone, VolumeCreate,
    VolumeDownload, VolumePath, VolumeRef, VolumeRestore, VolumeSize, VolumeSummary, commands,
};
use serde::Serialize;
use tauri::ipc::{Channel, Invoke};
use tauri::{State, Wry};

use crate::backend::Backend;

/// Items go to the window for as long as it takes them.
fn sink<T: Serialize + Send + Sync + 'static>(
    channel: Channel<T>,
) -> impl Fn(T) -> bool + Send + Sync {
    move |item| channel.send(item).is_ok()
}

macro_rules! define {
    ($($command:literal $method:ident($request:ty $(, stream $item:ty)?) -> $response:ty;)*) => {
        $(#[tauri::command]
        async fn $method(
            backend: State<'_, Backend>,
            request: $request,
            $(channel: Channel<$item>,)?
        ) -> Result<$response, IpcError> {
            backend.app()?.$method(request $(, sink::<$item>(channel))?).await
        })*

        /// Answers the window's calls.
        pub(crate) fn handler() -> impl Fn(Invoke<Wry>) -> bool + Send + Sync + 'static {
            tauri::generate_handler![$($method),*]
        }

        #[cfg(test)]
        const METHODS: &[&str] = &[$(stringify!($method)),*];
    };
}

commands!(define);

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::METHODS;

    #[test]
    fn the_window_may_call_the_commands_of_the_table_and_no_others() {
        let capability: Value =
            serde_json::from_str(include_str!("../capabilities/main.json")).expect("it is JSON");
        let permissions = capability["permissions"].as_array().expect("it lists permissions");
        let allowed: Vec<&str> = permissions.iter().filter_map(Value::as_str).collect();
        let own: Vec<&&str> = allowed.iter().filter(|name| !name.contains(':')).collect();
        let wanted: Vec<String> =
            METHODS.iter().map(|method| format!("allow-{}", method.replace('_', "-"))).collect();
        assert_eq!(own, wanted.iter().collect::<Vec<_>>());
    }
}
