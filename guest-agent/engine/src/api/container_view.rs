//! Containers as Docker's clients see them.

use std::collections::HashMap;
use std::path::PathBuf;

use jiff::Timestamp;
use naru_protocol::version::ApiVersion;
use serde_json::{Map, Value, json};

use super::network_settings::{network_settings, networks_listed, ports_list};

use crate::container::{
    ContainerSize, Health, LogDriver, MountKind, MountPoint, Record, Status, shown_links,
};
use crate::engine::Engine;
use crate::spec::{MASKED_PATHS, READONLY_PATHS};
use crate::volume::LOCAL;

/// What Docker writes where there is no time yet.
pub(super) const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// RFC 3339 with nanoseconds, as Docker writes it.
pub(super) fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| NO_TIME.to_owned(), |at| format!("{at:.9}"))
}

/// The rows of `GET /containers/json`.
pub(super) struct Rows<'a> {
    engine: &'a Engine,
    now: Timestamp,
    /// By what the image was called and its id: many containers are of the same image, which
    /// may have many names to look through.
    image_names: HashMap<(String, String), String>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(engine: &'a Engine) -> Self {
        Self { engine, now: Timestamp::now(), image_names: HashMap::new() }
    }

    /// The row of one container.
    pub(super) fn row(&mut self, record: &Record) -> Value {
        let mode = record.network_mode();
        json!({
            "Id": record.id,
            "Names": [format!("/{}", record.name)],
            "Image": self.image_name(record),
            "ImageID": record.image_id,
            "Command": command_line(&record.command),
            "Created": record.created.as_second(),
            "Ports": ports_list(record),
            "Labels": record.config.labels.clone().unwrap_or_default(),
            "State": record.state.status.as_str(),
            "Status": record.status_text(self.now),
            "HostConfig": { "NetworkMode": mode },
            "NetworkSettings": { "Networks": networks_listed(record) },
            "Mounts": mounts(self.engine, record, Shown::InList),
        })
    }

    /// The name, or the id when the name belongs to another image by now.
    fn image_name(&mut self, record: &Record) -> String {
        let image = (record.image.clone(), record.image_id.clone());
        let name = self.image_names.entry(image).or_insert_with_key(|(name, id)| {
            match self.engine.images().means(name, id) {
                Ok(true) => name.clone(),
                _ => id.clone(),
            }
        });
        name.clone()
    }
}

/// What a container takes, for a list that was asked for it; a list leaves out zeros.
pub(super) fn add_size(row: &mut Value, size: ContainerSize) {
    for (field, bytes) in [("SizeRw", size.written), ("SizeRootFs", size.whole)] {
        if bytes > 0 {
            row[field] = bytes.into();
        }
    }
}

/// As Docker writes it: what has spaces in it stands in quotes, the program apart.
fn command_line(command: &[String]) -> String {
    let words = command.iter().enumerate().map(|(index, word)| {
        if index > 0 && word.contains(' ') { format!("'{word}'") } else { word.clone() }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Where a container is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Alone,
    InList,
}

/// Those of `--tmpfs` Docker does not show here.
fn mounts(engine: &Engine, record: &Record, shown: Shown) -> Vec<Value> {
    record.mount_points().iter().map(|point| mount(engine, point, shown)).collect()
}

fn mount(engine: &Engine, point: &MountPoint, shown: Shown) -> Value {
    let mut view = Map::new();
    let mut show = |field: &str, value: Value| drop(view.insert(field.to_owned(), value));
    let (kind, source, propagation) = match &point.kind {
        MountKind::Bind(bind) => ("bind", json!(bind.source), bind.propagation.as_str()),
        MountKind::Volume(volume) => {
            show("Name", json!(volume.name));
            show("Driver", json!(LOCAL));
            let data = engine.volumes().directories().data(&volume.name);
            // A list of Docker's does not know where those are that nobody has asked for.
            let is_known = shown == Shown::Alone || !volume.declared;
            ("volume", if is_known { json!(data) } else { json!("") }, "")
        }
        MountKind::Tmpfs(_) => ("tmpfs", json!(""), ""),
        MountKind::Image(image) => {
            show("Name", json!(image.reference));
            ("image", json!(image.image_id), "")
        }
    };
    show("Type", json!(kind));
    show("Source", source);
    show("Destination", json!(point.destination));
    show("Mode", json!(point.mode));
    show("RW", json!(!point.read_only));
    show("Propagation", json!(propagation));
    Value::Object(view)
}

/// `GET /containers/{id}/json`.
pub(super) fn inspect(engine: &Engine, record: &Record, version: ApiVersion) -> Value {
    let directory = engine.paths().container(&record.id);
    let state = &record.state;
    // Docker makes them with the first start.
    let path = |path: PathBuf| if state.started_at.is_some() { path } else { PathBuf::new() };
    let exec_ids = engine.execs().running_in(&record.id);
    let mut view = json!({
        "Id": record.id,
        "Created": time(Some(record.created)),
        "Path": record.command.first().cloned().unwrap_or_default(),
        "Args": record.command.get(1..).unwrap_or_default(),
        "State": {
            "Status": state.status.as_str(),
            "Running": record.counts_as_running(),
            "Paused": state.status == Status::Paused,
            "Restarting": state.status == Status::Restarting,
            "OOMKilled": state.oom_killed,
            "Dead": false,
            "Pid": state.pid,
            "ExitCode": state.exit_code,
            "Error": state.error,
            "StartedAt": time(state.started_at),
            "FinishedAt": time(state.finished_at.filter(|_| !record.running())),
        },
        "Image": record.image_id,
        "ResolvConfPath": path(directory.join("resolv.conf")),
        "HostnamePath": path(directory.join("hostname")),
        "HostsPath": path(directory.join("hosts")),
        "LogPath": path(log_path(engine, record)),
        "Name": format!("/{}", record.name),
        "RestartCount": state.restart_count,
        "Driver": "overlay2",
        "Platform": "linux",
        "MountLabel": "", "ProcessLabel": "", "AppArmorProfile": "",
        "ExecIDs": if exec_ids.is_empty() { Value::Null } else { json!(exec_ids) },
        "HostConfig": host_config(record),
        "GraphDriver": {
            "Name": "overlay2",
            "Data": { "UpperDir": directory.join("upper"), "WorkDir": directory.join("work") },
        },
        "Mounts": mounts(engine, record, Shown::Alone),
        "Config": config(record),
        "NetworkSettings": network_settings(engine, record, version),
    });
    if let Some(health) = &state.health {
        view["State"]["Health"] = health_view(health);
    }
    view
}

fn health_view(health: &Health) -> Value {
    let log: Vec<Value> = health
        .log
        .iter()
        .map(|probe| {
            json!({
                "Start": time(Some(probe.start)),
                "End": time(Some(probe.end)),
                "ExitCode": probe.exit_code,
                "Output": probe.output,
            })
        })
        .collect();
    json!({
        "Status": health.status.as_str(),
        "FailingStreak": health.failing_streak,
        "Log": log,
    })
}

/// Only that of this driver is anybody's business.
fn log_path(engine: &Engine, record: &Record) -> PathBuf {
    match LogDriver::of(&record.host_config) {
        Ok(LogDriver::JsonFile) => engine.paths().log(&record.id),
        _ => PathBuf::new(),
    }
}

/// The client's words, with Docker's nulls and zeroes where clients look for them.
fn host_config(record: &Record) -> Value {
    let mut value = json!({
        "Binds": null, "ContainerIDFile": "", "PortBindings": null, "VolumeDriver": "",
        "VolumesFrom": null, "CapAdd": null, "CapDrop": null, "CgroupnsMode": "private",
        "Dns": null, "DnsOptions": null, "DnsSearch": null, "ExtraHosts": null, "GroupAdd": null,
        "IpcMode": "private", "Cgroup": "", "Links": null, "OomScoreAdj": 0, "PidMode": "",
        "Privileged": false, "PublishAllPorts": false, "ReadonlyRootfs": false,
        "SecurityOpt": null, "UTSMode": "", "UsernsMode": "", "Runtime": "naru",
        "Isolation": "", "CpuShares": 0, "Memory": 0, "NanoCpus": 0, "CgroupParent": "",
        "CpuPeriod": 0, "CpuQuota": 0, "CpusetCpus": "", "CpusetMems": "", "Devices": null,
        "MemoryReservation": 0, "MemorySwap": 0, "PidsLimit": null, "Ulimits": null,
        "MaskedPaths": null, "ReadonlyPaths": null, "ConsoleSize": [0, 0], "BlkioWeight": 0,
        "BlkioWeightDevice": null, "BlkioDeviceReadBps": null, "BlkioDeviceReadIOps": null,
        "BlkioDeviceWriteBps": null, "BlkioDeviceWriteIOps": null, "CpuCount": 0,
        "CpuPercent": 0, "CpuRealtimePeriod": 0, "CpuRealtimeRuntime": 0,
        "DeviceCgroupRules": null, "DeviceRequests": null, "IOMaximumBandwidth": 0,
        "IOMaximumIOps": 0, "MemorySwappiness": null, "OomKillDisable": null,
    });
    if record.host_config.privileged != Some(true) {
        value["MaskedPaths"] = json!(MASKED_PATHS);
        value["ReadonlyPaths"] = json!(READONLY_PATHS);
    }
    overlay(&mut value, json!(record.host_config));
    value["Links"] = json!(shown_links(record));
    value
}

fn config(record: &Record) -> Value {
    let mut value = json!({
        "Hostname": "", "Domainname": "", "User": "", "AttachStdin": false, "AttachStdout": false,
        "AttachStderr": false, "Tty": false, "OpenStdin": false, "StdinOnce": false, "Env": null,
        "Cmd": null, "Image": record.image, "Volumes": null, "WorkingDir": "", "Entrypoint": null,
        "OnBuild": null, "Labels": {},
    });
    overlay(&mut value, json!(record.config));
    value
}

/// Puts the fields of `upper` over those of `lower`; an empty text says nothing.
pub(super) fn overlay(lower: &mut Value, upper: Value) {
    if let (Value::Object(lower), Value::Object(upper)) = (lower, upper) {
        for (field, value) in upper {
            if value != "" || !lower.contains_key(&field) {
                lower.insert(field, value);
            }
        }
    }
}
