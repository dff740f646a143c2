//! Every row of the command table is a method of the app. That this compiles is the test.

use naru_app::App;
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

macro_rules! check_methods {
    ($($name:literal $method:ident($request:ty $(, stream $item:ty)?) -> $response:ty;)*) => {
        $(
            const _: () = {
                #[expect(dead_code, reason = "only compiled")]
                async fn call(app: &App, request: $request) -> Result<$response, IpcError> {
                    app.$method(request $(, |_: $item| true)?).await
                }
            };
        )*
    };
}

commands!(check_methods);
