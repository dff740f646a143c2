//! `stats`.

use std::time::{Duration, Instant};

use anyhow::ensure;
use naru_test_framework::Engine;
use serde_json::{Value, json};

use crate::has_controller;
use crate::raw::ask;

#[test]
fn two_samples_tell_what_a_container_does() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let shell = "while :; do :; done";
    engine.docker(&["run", "-d", "--name", "busy", "busybox", "sh", "-c", shell])?.success()?;
    engine.docker(&["run", "-d", "--name", "idle", "busybox", "sleep", "1000"])?.success()?;

    let format = "{{.Name}} {{.CPUPerc}}";
    let percents = || -> anyhow::Result<[f64; 2]> {
        let shown = engine.docker(&["stats", "--no-stream", "--format", format, "busy", "idle"])?;
        let percent = |name: &str| -> anyhow::Result<f64> {
            let line = shown.success()?.lines().find_map(|line| line.strip_prefix(name));
            Ok(line.unwrap_or_default().trim().trim_end_matches('%').parse()?)
        };
        Ok([percent("busy")?, percent("idle")?])
    };
    // Who shares a processor with others may get nothing of it for a while.
    let patience = Instant::now() + Duration::from_mins(1);
    let mut shown = percents()?;
    while !(shown[0] > 1.0 && shown[0] > shown[1]) {
        ensure!(Instant::now() < patience, "busy and idle: {shown:?}");
        shown = percents()?;
    }

    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let total = |cpu: &Value| number(&cpu["cpu_usage"]["total_usage"]);
    let sample = || ask(&engine, "GET", "/v1.45/containers/busy/stats?stream=0")?.json();
    let mut sample_now = sample()?;
    while total(&sample_now["cpu_stats"]) == total(&sample_now["precpu_stats"]) {
        ensure!(Instant::now() < patience, "{sample_now}");
        sample_now = sample()?;
    }
    let sample = sample_now;
    let (now, before) = (&sample["cpu_stats"], &sample["precpu_stats"]);
    assert!(number(&now["system_cpu_usage"]) > number(&before["system_cpu_usage"]), "{sample}");
    assert!(total(now) > total(before) && total(before) > 0, "{sample}");
    assert!(number(&now["online_cpus"]) > 0, "{sample}");
    assert!(sample["preread"].as_str() < sample["read"].as_str(), "{sample}");
    Ok(())
}

#[test]
fn one_sample_is_answered_without_a_second() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let run = ["run", "-d", "--name", "runs", "busybox", "sleep", "1000"];
    let id = engine.docker(&run)?.success()?.to_owned();
    let path = "/v1.45/containers/runs/stats?stream=0&one-shot=1";
    let sample = ask(&engine, "GET", path)?.json()?;
    assert_eq!((&sample["name"], &sample["id"]), (&json!("/runs"), &json!(id)));
    assert_eq!(sample["preread"], "0001-01-01T00:00:00Z");
    assert_eq!(sample["precpu_stats"].get("system_cpu_usage"), None);
    assert!(sample["cpu_stats"]["system_cpu_usage"].is_u64());
    let networks =
        sample["networks"].as_object().map(|networks| networks.keys().collect::<Vec<_>>());
    assert_eq!(networks, Some(vec![&"eth0".to_owned()]));
    // What the kernel does not count is not made up.
    for (part, controller) in [("memory_stats", "memory"), ("pids_stats", "pids")] {
        let is_counted = has_controller(&engine, controller)?;
        assert_eq!(sample[part] != json!({}), is_counted, "{part}: {sample}");
    }
    let both = ask(&engine, "GET", "/v1.45/containers/runs/stats?one-shot=1")?;
    assert_eq!(both.status, 400);
    Ok(())
}

#[test]
fn traffic_is_counted_where_the_network_is_the_containers_own() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let gateway = "ping -c 3 -s 1000 $(ip route | sed -n 's/default via \\([^ ]*\\).*/\\1/p')";
    let shell = format!("{gateway}; echo done; exec sleep 1000");
    engine.docker(&["run", "-d", "--name", "own", "busybox", "sh", "-c", &shell])?.success()?;
    let hosts = ["run", "-d", "--network", "host", "--name", "hosts", "busybox", "sleep", "1000"];
    engine.docker(&hosts)?.success()?;
    let mut logs = engine.spawn(&["logs", "-f", "own"])?;
    while logs.line()? != "done" {}
    let own = ask(&engine, "GET", "/containers/own/stats?stream=0&one-shot=1")?.json()?;
    assert!(own["networks"]["eth0"]["tx_bytes"].as_u64() > Some(3000), "{own}");
    assert!(own["networks"]["eth0"]["rx_packets"].as_u64() >= Some(3), "{own}");
    let hosts = ask(&engine, "GET", "/containers/hosts/stats?stream=0&one-shot=1")?.json()?;
    assert_eq!(hosts.get("networks"), None);
    Ok(())
}

#[test]
fn what_does_not_run_has_a_name_and_no_numbers() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["create", "--name", "idle", "busybox"])?.success()?;
    let sample = ask(&engine, "GET", "/v1.45/containers/idle/stats?stream=0")?.json()?;
    assert_eq!(
        (&sample["name"], &sample["read"]),
        (&json!("/idle"), &json!("0001-01-01T00:00:00Z"))
    );
    assert_eq!(sample["cpu_stats"]["cpu_usage"]["total_usage"], 0);
    assert_eq!((&sample["memory_stats"], sample.get("networks")), (&json!({}), None));
    let shown = engine.docker(&["stats", "--no-stream", "--format", "{{.Name}}", "idle"])?;
    assert_eq!(shown.success()?, "idle");
    assert_eq!(ask(&engine, "GET", "/v1.45/containers/nosuch/stats")?.status, 404);
    Ok(())
}

#[test]
fn a_stream_goes_on_until_the_container_is_removed() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["run", "-d", "--name", "runs", "busybox", "sleep", "1000"])?.success()?;
    let mut stream = ask(&engine, "GET", "/v1.45/containers/runs/stats")?;
    let first: Value = serde_json::from_slice(&stream.chunk()?)?;
    let second: Value = serde_json::from_slice(&stream.chunk()?)?;
    assert_eq!(first["precpu_stats"].get("system_cpu_usage"), None);
    assert_eq!(second["precpu_stats"]["system_cpu_usage"], first["cpu_stats"]["system_cpu_usage"]);
    assert_eq!(second["preread"], first["read"]);
    engine.docker(&["kill", "runs"])?.success()?;
    while serde_json::from_slice::<Value>(&stream.chunk()?)?["read"] != "0001-01-01T00:00:00Z" {}
    engine.docker(&["rm", "runs"])?.success()?;
    while !stream.chunk()?.is_empty() {}
    Ok(())
}
