//! The table of commands.

/// Calls the macro `$with` with every command as
/// `"window name" method_name(Request) -> Response;`, or, for a command that also
/// sends a stream of items, `"window name" method_name(Request, stream Item) -> Response;`.
#[macro_export]
macro_rules! commands {
    ($with:ident) => {
        $with! {
            "app.info" app_info(()) -> AppInfo;
            "settings.get" settings_get(()) -> Settings;
            "settings.set" settings_set(Settings) -> Settings;
            "machine.status" machine_status(()) -> MachineStatus;
            "machine.start" machine_start(()) -> ();
            "machine.stop" machine_stop(()) -> ();
            "machine.reset" machine_reset(()) -> ();
            "machine.facts" machine_facts(()) -> MachineFacts;
            "machine.disk" machine_disk(()) -> DiskUsage;
            "machine.usage" machine_usage(()) -> MachineUsage;
            "build.prune" build_prune(()) -> Freed;
            "machine.console" machine_console(MachineConsole, stream OutputChunk) -> ();
            "machine.diagnostics" machine_diagnostics(Diagnostics) -> ();
            "image.list" image_list(()) -> Vec<ImageSummary>;
            "image.pull" image_pull(ImagePull, stream PullProgress) -> ();
            "image.pull_cancel" image_pull_cancel(ImagePullCancel) -> ();
            "image.remove" image_remove(ImageRemove) -> ();
            "image.inspect" image_inspect(ImageRef) -> ImageDetails;
            "image.history" image_history(ImageRef) -> Vec<ImageStep>;
            "image.folder" image_folder(ImageFolder) -> FolderListing;
            "image.tag" image_tag(ImageTag) -> ();
            "image.save" image_save(ImageSave, stream FileProgress) -> ();
            "image.load" image_load(ImageLoad, stream FileProgress) -> ImagesLoaded;
            "image.push" image_push(ImagePush, stream PullProgress) -> ();
            "image.build_folder" image_build_folder(ImageBuildFolder) -> BuildFolder;
            "image.build" image_build(ImageBuild, stream BuildEvent) -> ImageBuilt;
            "image.prune_plan" image_prune_plan(ImagePrune) -> ImagePrunePlan;
            "image.prune" image_prune(ImagePrune) -> ImagePrunePlan;
            "registry.search" registry_search(RegistrySearch) -> Vec<FoundRepository>;
            "registry.repository" registry_repository(RepositoryQuery) -> Repository;
            "registry.login" registry_login(RegistryLogin) -> ();
            "registry.accounts" registry_accounts(()) -> Vec<RegistryAccount>;
            "registry.logout" registry_logout(RegistryLogout) -> ();
            "container.list" container_list(()) -> Vec<ContainerSummary>;
            "container.run" container_run(ContainerRun) -> ContainerRef;
            "container.settings" container_settings(ContainerRef) -> ContainerSettings;
            "container.remake" container_remake(ContainerRemake) -> ContainerRef;
            "container.start" container_start(ContainerRef) -> ();
            "container.stop" container_stop(ContainerRef) -> ();
            "container.restart" container_restart(ContainerRef) -> ();
            "container.remove" container_remove(ContainerRemove) -> ();
            "container.details" container_details(ContainerRef) -> ContainerDetails;
            "container.inspect" container_inspect(ContainerRef) -> Inspection;
            "container.pause" container_pause(ContainerRef) -> ();
            "container.unpause" container_unpause(ContainerRef) -> ();
            "container.kill" container_kill(ContainerRef) -> ();
            "container.rename" container_rename(ContainerRename) -> ();
            "container.commit" container_commit(ContainerCommit) -> ();
            "container.export" container_export(ContainerExport) -> ();
            "container.processes" container_processes(ContainerRef) -> ContainerProcesses;
            "container.usage" container_usage(ContainerUsageOf) -> Vec<ContainerUsage>;
            "container.stats" container_stats(ContainerStats, stream StatsSample) -> ();
            "container.changes" container_changes(ContainerRef) -> Vec<FileChange>;
            "container.folder" container_folder(ContainerPath) -> FolderListing;
            "container.file" container_file(ContainerPath) -> FileText;
            "container.write_file" container_write_file(FileWrite) -> ();
            "container.download" container_download(ContainerDownload) -> ();
            "container.upload" container_upload(ContainerUpload) -> ();
            "container.save_logs" container_save_logs(ContainerSaveLogs) -> ();
            "container.logs" container_logs(ContainerLogs, stream OutputChunk) -> ();
            "project.compose" project_compose(()) -> ComposeFound;
            "project.up" project_up(ProjectUp, stream OutputChunk) -> ProjectRef;
            "project.down" project_down(ProjectDown, stream OutputChunk) -> ();
            "volume.list" volume_list(()) -> Vec<VolumeSummary>;
            "volume.sizes" volume_sizes(()) -> Vec<VolumeSize>;
            "volume.inspect" volume_inspect(VolumeRef) -> Inspection;
            "volume.create" volume_create(VolumeCreate) -> VolumeRef;
            "volume.remove" volume_remove(VolumeRef) -> ();
            "volume.folder" volume_folder(VolumePath) -> FolderListing;
            "volume.file" volume_file(VolumePath) -> FileText;
            "volume.download" volume_download(VolumeDownload) -> ();
            "volume.backup" volume_backup(VolumeBackup, stream FileProgress) -> ();
            "volume.restore" volume_restore(VolumeRestore, stream FileProgress) -> ();
            "volume.clone" volume_clone(VolumeClone, stream FileProgress) -> ();
            "network.list" network_list(()) -> Vec<NetworkSummary>;
            "network.inspect" network_inspect(NetworkRef) -> Inspection;
            "network.create" network_create(NetworkCreate) -> NetworkRef;
            "network.remove" network_remove(NetworkRef) -> ();
            "network.connect" network_connect(NetworkLink) -> ();
            "network.disconnect" network_disconnect(NetworkLink) -> ();
            "terminal.open" terminal_open(TerminalOpen, stream OutputChunk) -> ();
            "terminal.write" terminal_write(TerminalWrite) -> ();
            "terminal.resize" terminal_resize(TerminalResize) -> ();
            "terminal.programs" terminal_programs(TerminalRef) -> TerminalPrograms;
            "stream.close" stream_close(StreamClose) -> ();
            "tray.words" tray_words(TrayWords) -> ();
        }
    };
}
