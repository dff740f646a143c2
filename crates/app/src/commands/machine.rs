//! The machine from within: `machine.disk`, `machine.usage`, `machine.facts`, `machine.console`,
//! `machine.diagnostics`, `build.prune`.

use std::path::Path;

use bollard::models::{ContainerSummary, ImageSummary, Volume};
use bollard::query_parameters::PruneBuildOptionsBuilder;
use hyper::Method;
use naru_ipc::{
    Diagnostics, DiskItem, DiskPart, DiskUsage, Freed, IpcError, MachineConsole, MachineFacts,
    MachineUsage, OutputChunk,
};
use naru_protocol::usage::{self, Cpu};
use serde::Deserialize;

use super::{container_name, runs};
use crate::console::ConsoleLog;
use crate::{App, AppError, diagnostics, http, output};

/// By hand: bollard knows the shape of this answer in newer versions of the API only.
const USAGE_PATH: &str = "/v1.51/system/df";
/// How many things of a kind are named.
const LARGEST: usize = 20;

/// What there is at [`USAGE_PATH`].
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Usage {
    layers_size: Option<i64>,
    images: Option<Vec<ImageSummary>>,
    containers: Option<Vec<ContainerSummary>>,
    volumes: Option<Vec<Volume>>,
    build_cache: Option<Vec<CacheRecord>>,
}

/// One kept step of a build.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct CacheRecord {
    #[serde(rename = "ID")]
    id: String,
    description: String,
    in_use: bool,
    shared: bool,
    size: i64,
}

impl App {
    /// `machine.disk`: every file has to be looked at, which takes its time.
    pub async fn machine_disk(&self, (): ()) -> Result<DiskUsage, IpcError> {
        let request = http::request(Method::GET, USAGE_PATH, None, Vec::new())?;
        let usage: Usage = self.inner.ask_json("the disk usage", request).await?;
        Ok(told(usage))
    }

    /// `machine.usage`.
    pub async fn machine_usage(&self, (): ()) -> Result<MachineUsage, IpcError> {
        let request = http::request(Method::GET, usage::PATH, None, Vec::new())?;
        Ok(used(self.inner.ask_json("what the machine uses", request).await?))
    }

    /// `build.prune`: all kept steps that nothing uses.
    pub async fn build_prune(&self, (): ()) -> Result<Freed, IpcError> {
        let options = PruneBuildOptionsBuilder::new().all(true).build();
        let pruned = self.inner.docker()?.prune_build(Some(options)).await;
        Ok(Freed { bytes: size(pruned.map_err(AppError::from)?.space_reclaimed) })
    }

    /// `machine.facts`.
    pub async fn machine_facts(&self, (): ()) -> Result<MachineFacts, IpcError> {
        let info = self.inner.docker()?.info().await.map_err(AppError::from)?;
        Ok(MachineFacts {
            cpus: info.ncpu.unwrap_or_default(),
            memory_bytes: info.mem_total.unwrap_or_default(),
            kernel: info.kernel_version.unwrap_or_default(),
            engine: info.server_version.unwrap_or_default(),
            architecture: info.architecture.unwrap_or_default(),
            root: info.docker_root_dir.unwrap_or_default(),
        })
    }

    /// `machine.console`: its last chunk is `end`.
    pub async fn machine_console(
        &self,
        request: MachineConsole,
        sink: impl Fn(OutputChunk) -> bool + Send + Sync + 'static,
    ) -> Result<(), IpcError> {
        let log = ConsoleLog::open(&self.inner.directories).await?;
        let stream = self.inner.streams.open(&request.stream_id, None)?;
        self.inner.tasks.spawn(async move {
            let print = |bytes: &[u8]| {
                sink(output::chunk("stdout", bytes));
            };
            tokio::select! {
                () = stream.closed() => {}
                ended = log.print_end(print) => {
                    if let Err(error) = ended {
                        tracing::debug!(error = %naru_error::chain(&error), "console log broke off");
                    }
                }
            }
            sink(output::end());
        });
        Ok(())
    }

    /// `machine.diagnostics`: whatever state the machine is in.
    pub async fn machine_diagnostics(&self, request: Diagnostics) -> Result<(), IpcError> {
        let path = Path::new(&request.path);
        Ok(diagnostics::write(&self.inner.directories, path).await?)
    }
}

fn used(usage: usage::Usage) -> MachineUsage {
    let usage::Usage { time_ms, cpu, memory, disk } = usage;
    let Cpu { processors: cpus, user_ms, nice_ms, system_ms, irq_ms, softirq_ms, .. } = cpu;
    MachineUsage {
        time_ms,
        cpu_ms: user_ms + nice_ms + system_ms + irq_ms + softirq_ms,
        cpus,
        memory_bytes: memory.total_bytes.saturating_sub(memory.available_bytes),
        memory_total_bytes: memory.total_bytes,
        disk_bytes: disk.used_bytes,
        disk_total_bytes: disk.total_bytes,
    }
}

fn told(usage: Usage) -> DiskUsage {
    let images = usage.images.unwrap_or_default().into_iter().map(image).collect();
    let containers = usage.containers.unwrap_or_default().into_iter().map(container).collect();
    let volumes = usage.volumes.unwrap_or_default().into_iter().filter_map(volume).collect();
    let cache = usage.build_cache.unwrap_or_default().into_iter();
    let cache = cache.filter(|record| !record.shared).map(cached).collect();
    let mut images = part(images);
    // With what they share, once.
    images.bytes = size(usage.layers_size).max(images.bytes);
    DiskUsage {
        images,
        containers: part(containers),
        volumes: part(volumes),
        build_cache: part(cache),
    }
}

fn part(mut items: Vec<DiskItem>) -> DiskPart {
    items.sort_by_key(|item| std::cmp::Reverse(item.bytes));
    let bytes = |items: &mut dyn Iterator<Item = &DiskItem>| items.map(|item| item.bytes).sum();
    DiskPart {
        bytes: bytes(&mut items.iter()),
        reclaimable: bytes(&mut items.iter().filter(|item| !item.used)),
        count: u32::try_from(items.len()).unwrap_or(u32::MAX),
        largest: items.into_iter().take(LARGEST).collect(),
    }
}

/// Less than nothing is what was not measured.
fn size(bytes: Option<i64>) -> u64 {
    bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default()
}

/// Bytes of its own: what it shares stays when it goes.
fn image(image: ImageSummary) -> DiskItem {
    let own = size(Some(image.size)).saturating_sub(size(Some(image.shared_size)));
    let name = image.repo_tags.first().cloned().unwrap_or_default();
    DiskItem { id: image.id, name, bytes: own, used: image.containers > 0 }
}

fn container(container: ContainerSummary) -> DiskItem {
    DiskItem {
        name: container_name(&container),
        used: runs(&container),
        bytes: size(container.size_rw),
        id: container.id.unwrap_or_default(),
    }
}

/// None when nobody could measure it.
fn volume(volume: Volume) -> Option<DiskItem> {
    let usage = volume.usage_data?;
    let bytes = u64::try_from(usage.size).ok()?;
    Some(DiskItem { id: volume.name.clone(), name: volume.name, bytes, used: usage.ref_count > 0 })
}

fn cached(record: CacheRecord) -> DiskItem {
    let CacheRecord { id, description, in_use, shared: _, size: bytes } = record;
    DiskItem { id, name: description, bytes: size(Some(bytes)), used: in_use }
}

#[cfg(test)]
mod tests {
    use naru_protocol::usage::{Disk, Memory};

    use super::*;

    #[test]
    fn processors_that_wait_do_not_work_and_memory_that_is_to_be_had_is_not_used() {
        let cpu = Cpu {
            processors: 2,
            user_ms: 1,
            nice_ms: 10,
            system_ms: 100,
            idle_ms: 5_000_000,
            iowait_ms: 6_000_000,
            irq_ms: 1000,
            softirq_ms: 10_000,
            steal_ms: 7_000_000,
        };
        let memory = Memory { total_bytes: 500, available_bytes: 200 };
        let disk = Disk { total_bytes: 90, used_bytes: 60 };
        let expected = MachineUsage {
            time_ms: 42,
            cpu_ms: 11_111,
            cpus: 2,
            memory_bytes: 300,
            memory_total_bytes: 500,
            disk_bytes: 60,
            disk_total_bytes: 90,
        };
        assert_eq!(used(usage::Usage { time_ms: 42, cpu, memory, disk }), expected);
    }

    #[test]
    fn bytes_are_counted_once_and_what_is_used_is_not_to_be_had() {
        let said = r#"{
            "LayersSize": 100,
            "Images": [
                { "Id": "sha256:a", "ParentId": "", "RepoTags": ["web:1"], "RepoDigests": [],
                  "Created": 0, "Size": 70, "SharedSize": 30, "Labels": {}, "Containers": 1 },
                { "Id": "sha256:b", "ParentId": "", "RepoTags": [], "RepoDigests": [],
                  "Created": 0, "Size": 60, "SharedSize": 30, "Labels": {}, "Containers": 0 }],
            "Containers": [
                { "Id": "c", "Names": ["/web"], "State": "running", "SizeRw": 5 },
                { "Id": "d", "Names": ["/old"], "State": "exited", "SizeRw": 9 }],
            "Volumes": [
                { "Name": "data", "Driver": "local", "Mountpoint": "", "Labels": {}, "Options": {},
                  "Scope": "local", "UsageData": { "Size": 7, "RefCount": 0 } },
                { "Name": "odd", "Driver": "local", "Mountpoint": "", "Labels": {}, "Options": {},
                  "Scope": "local", "UsageData": { "Size": -1, "RefCount": 0 } }],
            "BuildCache": null
        }"#;
        let usage = told(serde_json::from_str(said).unwrap());
        let sums = |part: &DiskPart| (part.bytes, part.reclaimable, part.count);
        assert_eq!(sums(&usage.images), (100, 30, 2));
        assert_eq!(sums(&usage.containers), (14, 9, 2));
        assert_eq!(sums(&usage.volumes), (7, 7, 1));
        assert_eq!(sums(&usage.build_cache), (0, 0, 0));
        assert_eq!(usage.images.largest[0].name, "web:1");
        assert_eq!(usage.containers.largest[0].name, "old");
    }
}
