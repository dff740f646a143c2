//! Ping, version, info.

use std::env::consts::ARCH;
use std::path::Path;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use hyper::header::{CONTENT_LENGTH, HeaderValue};
use jiff::Timestamp;
use naru_protocol::ping::{self, SERVER_VERSION};
use naru_protocol::version::{self, ApiVersion};
use nix::sys::sysinfo::sysinfo;
use nix::sys::utsname::uname;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::error::ApiError;
use crate::args::Mode;
use crate::container::Status;
use crate::engine::Engine;
use crate::processes::group_directory;
use crate::registries;

pub(super) fn routes() -> Router<Engine> {
    Router::new()
        .route(ping::PATH, get(answer_ping).head(head_ping))
        .route("/version", get(version))
        .route("/info", get(info))
        // There are none, and their routes but this one are refused.
        .route("/plugins", get(async || Json(json!([]))))
}

async fn answer_ping() -> Response {
    (ping::HEADERS, ping::BODY).into_response()
}

/// As Docker: the length of this answer, not that of the other's.
async fn head_ping() -> Response {
    let mut response = answer_ping().await;
    *response.body_mut() = Body::empty();
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

struct Kernel {
    release: String,
    hostname: String,
}

impl Kernel {
    fn read() -> Self {
        let text = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
        match uname() {
            Ok(names) => Self { release: text(names.release()), hostname: text(names.nodename()) },
            Err(_) => Self { release: String::new(), hostname: String::new() },
        }
    }
}

/// Go's name of this processor, as Docker's clients expect it.
fn go_arch() -> &'static str {
    match ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

async fn version() -> Json<Value> {
    let kernel = Kernel::read();
    let details = json!({
        "ApiVersion": version::MAXIMUM.to_string(),
        "Arch": go_arch(),
        "BuildTime": "",
        "Experimental": "false",
        "GitCommit": "",
        "GoVersion": "",
        "KernelVersion": kernel.release,
        "MinAPIVersion": version::MINIMUM.to_string(),
        "Os": "linux",
    });
    Json(json!({
        "Platform": { "Name": "Naru" },
        "Components": [{ "Name": "Engine", "Version": SERVER_VERSION, "Details": details }],
        "Version": SERVER_VERSION,
        "ApiVersion": version::MAXIMUM.to_string(),
        "MinAPIVersion": version::MINIMUM.to_string(),
        "GitCommit": "",
        "GoVersion": "",
        "Os": "linux",
        "Arch": go_arch(),
        "KernelVersion": kernel.release,
        "BuildTime": "",
    }))
}

async fn info(
    State(engine): State<Engine>,
    Extension(version): Extension<ApiVersion>,
) -> Result<Json<Value>, ApiError> {
    let kernel = Kernel::read();
    let containers: Vec<_> =
        engine.containers().all().iter().map(|container| container.record()).collect();
    let running = containers.iter().filter(|record| record.running()).count();
    let paused = containers.iter().filter(|record| record.state.status == Status::Paused).count();
    let images = engine.images().list().map_err(crate::error::EngineError::from)?.len();
    let memory = sysinfo().map_or(0, |info| info.ram_total());
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let limits = Limits::read();
    let registries = engine.images().registry_config();
    let system = match engine.mode() {
        Mode::Vm => "Naru",
        Mode::Native => "Naru (native)",
    };
    let mut info = json!({
        "ID": machine_id(),
        "Containers": containers.len(),
        "ContainersRunning": running - paused,
        "ContainersPaused": paused,
        "ContainersStopped": containers.len() - running,
        "Images": images,
        "Driver": "overlay2",
        "DriverStatus": [
            ["Backing Filesystem", "extfs"], ["Supports d_type", "true"],
            ["Using metacopy", "false"], ["Native Overlay Diff", "true"], ["userxattr", "false"],
            // By which clients know that a name may stand for images of several platforms, and
            // that archives may be OCI's.
            ["driver-type", "io.containerd.snapshotter.v1"],
        ],
        "Plugins": {
            "Volume": ["local"], "Network": ["bridge", "host", "ipvlan", "macvlan", "null"],
            "Authorization": null, "Log": ["json-file", "local", "none"],
        },
        "MemoryLimit": limits.memory, "SwapLimit": limits.memory,
        "CpuCfsPeriod": limits.cpu, "CpuCfsQuota": limits.cpu, "CPUShares": limits.cpu,
        "CPUSet": limits.cpuset, "PidsLimit": limits.pids, "OomKillDisable": false,
        "IPv4Forwarding": limits.forwarding, "Debug": false, "NFd": open_files(),
        "NGoroutines": Handle::current().metrics().num_alive_tasks(),
        "NEventsListener": engine.events().listeners(),
        "SystemTime": Timestamp::now().to_string(),
        "LoggingDriver": "json-file", "CgroupDriver": "cgroupfs", "CgroupVersion": "2",
        "KernelVersion": kernel.release, "OperatingSystem": system, "OSVersion": "",
        "OSType": "linux", "Architecture": ARCH,
        "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": registries::shown(&registries),
        "NCPU": processors, "MemTotal": memory, "GenericResources": null,
        "DockerRootDir": engine.paths().root, "HttpProxy": registries::without_password(&registries.proxies.http),
        "HttpsProxy": registries::without_password(&registries.proxies.https),
        "NoProxy": registries.proxies.no_proxy,
        "Name": kernel.hostname, "Labels": [], "ExperimentalBuild": false,
        "ServerVersion": SERVER_VERSION,
        "Runtimes": { "naru": { "path": "naru-agent" } }, "DefaultRuntime": "naru",
        "Swarm": {
            "NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": false,
            "Error": "", "RemoteManagers": null,
        },
        "LiveRestoreEnabled": true, "Isolation": "", "InitBinary": "",
        "ContainerdCommit": { "ID": "" }, "RuncCommit": { "ID": "" }, "InitCommit": { "ID": "" },
        "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
        "FirewallBackend": { "Driver": "nftables" }, "CDISpecDirs": [],
        "Warnings": limits.warnings(),
    });
    shape(&mut info, version);
    Ok(Json(info))
}

/// From this version on options of security are told with what there is to say about them.
const SECURITY_IN_FULL: ApiVersion = ApiVersion::new(1, 25);
const WITHOUT_KERNEL_MEMORY: ApiVersion = ApiVersion::new(1, 42);
const WITHOUT_ALLOWED_REGISTRIES: ApiVersion = ApiVersion::new(1, 47);
const HAS_FIREWALL: ApiVersion = ApiVersion::new(1, 49);
const WITHOUT_BRIDGE_FILTERS: ApiVersion = ApiVersion::new(1, 50);

/// Puts back what newer versions have left out, and leaves out what they brought.
fn shape(info: &mut Value, version: ApiVersion) {
    if version < SECURITY_IN_FULL {
        info["SecurityOptions"] = json!(["seccomp", "cgroupns"]);
    }
    if version < WITHOUT_KERNEL_MEMORY {
        info["KernelMemory"] = false.into();
    }
    if version < WITHOUT_ALLOWED_REGISTRIES {
        info["RegistryConfig"]["AllowNondistributableArtifactsCIDRs"] = Value::Null;
        info["RegistryConfig"]["AllowNondistributableArtifactsHostnames"] = Value::Null;
    }
    if version < HAS_FIREWALL
        && let Some(info) = info.as_object_mut()
    {
        info.remove("FirewallBackend");
    }
    if version < WITHOUT_BRIDGE_FILTERS {
        info["BridgeNfIptables"] = false.into();
        info["BridgeNfIp6tables"] = false.into();
    }
}

/// What of a container can be limited on this machine, and whether it forwards packets.
#[expect(clippy::struct_excessive_bools, reason = "they are the machine's independent abilities")]
struct Limits {
    memory: bool,
    cpu: bool,
    cpuset: bool,
    pids: bool,
    forwarding: bool,
}

impl Limits {
    fn read() -> Self {
        let file = group_directory(Path::new("/")).join("cgroup.controllers");
        let controllers = std::fs::read_to_string(file).unwrap_or_default();
        let has = |controller| controllers.split_whitespace().any(|word| word == controller);
        let forward = std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward");
        Self {
            memory: has("memory"),
            cpu: has("cpu"),
            cpuset: has("cpuset"),
            pids: has("pids"),
            forwarding: forward.is_ok_and(|text| text.trim() == "1"),
        }
    }

    /// Docker's sentences; clients show them.
    fn warnings(&self) -> Vec<&'static str> {
        let lacking = [
            (self.memory, "WARNING: No memory limit support"),
            (self.memory, "WARNING: No swap limit support"),
            (self.cpu, "WARNING: No cpu cfs quota support"),
            (self.cpu, "WARNING: No cpu cfs period support"),
            (self.cpu, "WARNING: No cpu shares support"),
            (self.cpuset, "WARNING: No cpuset support"),
            (self.pids, "WARNING: No pids limit support"),
            (self.forwarding, "WARNING: IPv4 forwarding is disabled"),
        ];
        lacking.iter().filter(|(has, _)| !has).map(|(_, warning)| *warning).collect()
    }
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// Names this engine's machine; the same for its life.
fn machine_id() -> String {
    let id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let id = if id.trim().is_empty() {
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
    } else {
        id
    };
    id.trim().to_owned()
}
