//! Containers as Docker's clients see them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bollard_stubs::models::MountType;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::container::{ContainerSize, Health, LogDriver, Record, Status};
use crate::engine::Engine;
use crate::network::network_id;
use crate::spec::{MASKED_PATHS, READONLY_PATHS, WantedMounts};

/// What Docker writes where there is no time yet.
pub(super) const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// RFC 3339 with nanoseconds, as Docker writes it.
pub(super) fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| NO_TIME.to_owned(), |at| format!("{at:.9}"))
}

/// One row of `GET /containers/json`.
pub(super) fn summary(engine: &Engine, record: &Record, now: Timestamp) -> Value {
    let mode = record.network_mode();
    json!({
        "Id": record.id,
        "Names": [format!("/{}", record.name)],
        "Image": image_name(engine, record),
        "ImageID": record.image_id,
        "Command": command_line(&record.command),
        "Created": record.created.as_second(),
        "Ports": ports_list(record),
        "Labels": record.config.labels.clone().unwrap_or_default(),
        "State": record.state.status.as_str(),
        "Status": record.status_text(now),
        "HostConfig": { "NetworkMode": mode },
        "NetworkSettings": { "Networks": networks(record) },
        "Mounts": mounts(record),
    })
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

/// The name, or the id when the name belongs to another image by now.
fn image_name(engine: &Engine, record: &Record) -> String {
    match engine.images().resolve(&record.image) {
        Ok(image) if image.id.to_string() == record.image_id => record.image.clone(),
        _ => record.image_id.clone(),
    }
}

fn ports_list(record: &Record) -> Vec<Value> {
    let mut ports: Vec<Value> = Vec::new();
    let published = record.endpoint.iter().flat_map(|endpoint| &endpoint.ports);
    for port in published.clone() {
        ports.push(json!({
            "IP": port.host_ip, "PrivatePort": port.container_port,
            "PublicPort": port.host_port, "Type": "tcp",
        }));
    }
    if record.running() {
        for exposed in record.config.exposed_ports.iter().flatten() {
            let (number, protocol) = exposed.split_once('/').unwrap_or((exposed, "tcp"));
            let Ok(number) = number.parse::<u16>() else { continue };
            if !published.clone().any(|port| port.container_port == number && protocol == "tcp") {
                ports.push(json!({ "PrivatePort": number, "Type": protocol }));
            }
        }
    }
    ports
}

fn mounts(record: &Record) -> Vec<Value> {
    let Ok(wanted) = WantedMounts::parse(&record.host_config) else { return Vec::new() };
    let binds = wanted.binds.iter().map(|bind| {
        json!({
            "Type": "bind", "Source": bind.source, "Destination": bind.destination,
            "Mode": bind.mode, "RW": !bind.read_only, "Propagation": bind.propagation,
        })
    });
    // Those of `--tmpfs` Docker does not show here.
    let mounts = record.host_config.mounts.iter().flatten();
    let tmpfs = mounts.filter(|mount| mount.typ == Some(MountType::TMPFS)).map(|mount| {
        json!({
            "Type": "tmpfs", "Source": "", "Destination": mount.target, "Mode": "",
            "RW": !mount.read_only.unwrap_or_default(), "Propagation": "",
        })
    });
    binds.chain(tmpfs).collect()
}

fn network(record: &Record) -> Value {
    let endpoint = record.endpoint.as_ref();
    let had_one = endpoint.is_some() || record.state.started_at.is_some();
    json!({
        "IPAMConfig": null, "Links": null, "Aliases": null, "DriverOpts": null, "GwPriority": 0,
        "MacAddress": endpoint.map_or("", |endpoint| endpoint.mac.as_str()),
        "NetworkID": if had_one { network_id(record.network_mode()) } else { "" },
        "EndpointID": endpoint.map_or("", |endpoint| endpoint.id.as_str()),
        "Gateway": endpoint.map(|endpoint| endpoint.gateway.to_string()).unwrap_or_default(),
        "IPAddress": endpoint.map(|endpoint| endpoint.address.to_string()).unwrap_or_default(),
        "IPPrefixLen": endpoint.map_or(0, |endpoint| endpoint.prefix_len),
        "IPv6Gateway": "", "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0,
        // The default bridge has no names.
        "DNSNames": null,
    })
}

/// A container that has another's network is in none itself.
fn networks(record: &Record) -> Value {
    if record.joined_network().is_some() {
        return json!({});
    }
    json!({ record.network_mode(): network(record) })
}

/// `"80/tcp": [{…}]`, and null for a port that is exposed only.
fn port_map(record: &Record) -> Value {
    let mut map: BTreeMap<String, Option<Vec<Value>>> = BTreeMap::new();
    if !record.running() {
        return json!(map);
    }
    for exposed in record.config.exposed_ports.iter().flatten() {
        let exposed =
            if exposed.contains('/') { exposed.clone() } else { format!("{exposed}/tcp") };
        map.entry(exposed).or_default();
    }
    for port in record.endpoint.iter().flat_map(|endpoint| &endpoint.ports) {
        let binding = json!({ "HostIp": port.host_ip, "HostPort": port.host_port.to_string() });
        map.entry(format!("{}/tcp", port.container_port))
            .or_default()
            .get_or_insert_default()
            .push(binding);
    }
    json!(map)
}

fn network_settings(engine: &Engine, record: &Record) -> Value {
    let mut settings = Map::new();
    let on_bridge = network(record);
    // The top-level copies are what `docker inspect` showed before networks had names.
    for field in [
        "EndpointID",
        "Gateway",
        "GlobalIPv6Address",
        "GlobalIPv6PrefixLen",
        "IPAddress",
        "IPPrefixLen",
        "IPv6Gateway",
        "MacAddress",
    ] {
        settings.insert(field.to_owned(), on_bridge[field].clone());
    }
    let key = engine.network().namespace(record).filter(|_| record.running());
    let sandbox = if key.is_some() { record.id.as_str() } else { "" };
    let rest = json!({
        "Bridge": "", "SandboxID": sandbox, "SandboxKey": key.unwrap_or_default(),
        "Ports": port_map(record), "HairpinMode": false, "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0, "SecondaryIPAddresses": null, "SecondaryIPv6Addresses": null,
        "Networks": networks(record),
    });
    if let Value::Object(rest) = rest {
        settings.extend(rest);
    }
    Value::Object(settings)
}

/// `GET /containers/{id}/json`.
pub(super) fn inspect(engine: &Engine, record: &Record) -> Value {
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
        "Mounts": mounts(record),
        "Config": config(record),
        "NetworkSettings": network_settings(engine, record),
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
