//! `GET /containers/{id}/stats`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use futures::{Stream, StreamExt as _};
use hyper::header::CONTENT_TYPE;
use naru_protocol::version::ApiVersion;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::task::spawn_blocking;
use tokio::time::{Interval, interval};

use super::container_view::{NO_TIME, time};
use super::error::ApiError;
use super::query::{Flag, Query};
use crate::container::Container;
use crate::engine::Engine;
use crate::stats::{Cpu, Interface, Memory, Pids, Sample, sample};

/// How often there is a new sample; Docker's number.
const PERIOD: Duration = Duration::from_secs(1);

/// From this version on a client may do without the first of two samples.
const HAS_ONE_SHOT: ApiVersion = ApiVersion::new(1, 41);

pub(super) fn routes() -> Router<Engine> {
    Router::new().route("/containers/{id}/stats", get(stats))
}

#[derive(Debug, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct StatsQuery {
    stream: Flag,
    one_shot: Flag,
}

impl Default for StatsQuery {
    fn default() -> Self {
        Self { stream: Flag(true), one_shot: Flag(false) }
    }
}

async fn stats(
    State(engine): State<Engine>,
    Extension(version): Extension<ApiVersion>,
    Path(id): Path<String>,
    Query(mut query): Query<StatsQuery>,
) -> Result<Response, ApiError> {
    query.one_shot.0 &= version >= HAS_ONE_SHOT;
    if query.stream.0 && query.one_shot.0 {
        return Err(ApiError::invalid("cannot have stream=true and one-shot=true"));
    }
    let container = engine.containers().find(&id)?;
    // The first of two samples only says from where the second counts.
    let unshown = usize::from(!query.stream.0 && !query.one_shot.0);
    let shown = if query.stream.0 { usize::MAX } else { 1 };
    let is_running = container.record().running();
    let samples = samples(engine.clone(), container);
    // What does not run is not waited for.
    let samples = samples.skip(if is_running { unshown } else { 0 }).take(shown);
    let shutdown = engine.shutdown().clone().cancelled_owned();
    let lines = samples.take_until(shutdown).map(|view| Ok::<_, Infallible>(format!("{view}\n")));
    Ok(([(CONTENT_TYPE, "application/json")], Body::from_stream(lines)).into_response())
}

struct Sampler {
    engine: Engine,
    container: Arc<Container>,
    ticks: Interval,
    before: Option<Sample>,
}

/// One sample a period until the container is removed, the first at once.
fn samples(engine: Engine, container: Arc<Container>) -> impl Stream<Item = Value> {
    let sampler = Sampler { engine, container, ticks: interval(PERIOD), before: None };
    futures::stream::unfold(sampler, async |mut sampler| {
        sampler.ticks.tick().await;
        sampler.engine.containers().find(&sampler.container.id).ok()?;
        let view = sampler.next().await;
        Some((view, sampler))
    })
}

impl Sampler {
    async fn next(&mut self) -> Value {
        let record = self.container.record();
        let mut sampled = None;
        if record.running() {
            let cgroup = self.engine.paths().cgroup(&record);
            // With the host's network the host's traffic would look like the container's.
            let mut own =
                record.networks.iter().filter_map(|membership| membership.endpoint.as_ref());
            let own = own.find_map(|endpoint| endpoint.interface.as_ref());
            let pid = own.map(|_| record.state.pid);
            // An error says that it has ended meanwhile.
            sampled = spawn_blocking(move || sample(&cgroup, pid)).await.ok().and_then(Result::ok);
        }
        let view = view(&record.id, &record.name, sampled.as_ref(), self.before.as_ref());
        self.before = sampled;
        view
    }
}

/// Docker's object; near empty for a container that does not run.
fn view(id: &str, name: &str, sample: Option<&Sample>, before: Option<&Sample>) -> Value {
    let at = |sample: Option<&Sample>| sample.map_or_else(|| NO_TIME.into(), |s| time(Some(s.at)));
    let mut view = json!({
        "name": format!("/{name}"),
        "id": id,
        "read": at(sample),
        "preread": at(before.filter(|_| sample.is_some())),
        "pids_stats": sample.and_then(|sample| sample.pids).map_or_else(|| json!({}), pids),
        "blkio_stats": blkio(sample),
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": cpu(sample.map(|sample| sample.cpu)),
        "precpu_stats": cpu(before.filter(|_| sample.is_some()).map(|sample| sample.cpu)),
        "memory_stats": sample
            .and_then(|sample| sample.memory.as_ref())
            .map_or_else(|| json!({}), memory),
    });
    if let Some(sample) = sample.filter(|sample| !sample.networks.is_empty()) {
        let networks = sample.networks.iter();
        view["networks"] = networks
            .map(|(name, traffic)| (name.clone(), network(traffic)))
            .collect::<Map<_, _>>()
            .into();
    }
    view
}

fn pids(pids: Pids) -> Value {
    json!({ "current": pids.current, "limit": pids.limit })
}

fn blkio(sample: Option<&Sample>) -> Value {
    let bytes = sample.and_then(|sample| sample.io.as_ref()).map(|devices| -> Vec<Value> {
        let entry = |major: u64, minor: u64, op: &str, value: u64| json!({ "major": major, "minor": minor, "op": op, "value": value });
        let entries = devices.iter().flat_map(|device| {
            let (major, minor) = (device.major, device.minor);
            [entry(major, minor, "read", device.read), entry(major, minor, "write", device.written)]
        });
        entries.collect()
    });
    // The rest was known to cgroup v1 only.
    json!({
        "io_service_bytes_recursive": bytes,
        "io_serviced_recursive": null,
        "io_queue_recursive": null,
        "io_service_time_recursive": null,
        "io_wait_time_recursive": null,
        "io_merged_recursive": null,
        "io_time_recursive": null,
        "sectors_recursive": null,
    })
}

fn cpu(cpu: Option<Cpu>) -> Value {
    let is_known = cpu.is_some();
    let cpu = cpu.unwrap_or_default();
    let mut view = json!({
        "cpu_usage": {
            "total_usage": cpu.total,
            "usage_in_kernelmode": cpu.kernel,
            "usage_in_usermode": cpu.user,
        },
        "throttling_data": {
            "periods": cpu.periods,
            "throttled_periods": cpu.throttled_periods,
            "throttled_time": cpu.throttled,
        },
    });
    if is_known {
        view["system_cpu_usage"] = cpu.of_system.into();
        view["online_cpus"] = cpu.online.into();
    }
    view
}

fn memory(memory: &Memory) -> Value {
    let mut view = json!({ "usage": memory.usage, "stats": memory.fields, "limit": memory.limit });
    if memory.failures > 0 {
        view["failcnt"] = memory.failures.into();
    }
    view
}

fn network(interface: &Interface) -> Value {
    let Interface { received, sent } = interface;
    json!({
        "rx_bytes": received.bytes, "rx_packets": received.packets,
        "rx_errors": received.errors, "rx_dropped": received.dropped,
        "tx_bytes": sent.bytes, "tx_packets": sent.packets,
        "tx_errors": sent.errors, "tx_dropped": sent.dropped,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::*;
    use crate::stats::{DeviceIo, Traffic};

    fn taken(second: i64) -> Sample {
        Sample {
            at: Timestamp::from_second(second).unwrap(),
            cpu: Cpu { total: 5, of_system: 50, online: 2, ..Cpu::default() },
            memory: None,
            pids: None,
            io: None,
            networks: BTreeMap::new(),
        }
    }

    #[test]
    fn what_does_not_run_has_a_name_and_nothing_else() {
        let view = view("1", "x", None, Some(&taken(1)));
        assert_eq!((&view["name"], &view["id"]), (&json!("/x"), &json!("1")));
        assert_eq!((&view["read"], &view["preread"]), (&json!(NO_TIME), &json!(NO_TIME)));
        for empty in ["pids_stats", "memory_stats", "storage_stats"] {
            assert_eq!(view[empty], json!({}), "{empty}");
        }
        assert_eq!(view["cpu_stats"]["cpu_usage"]["total_usage"], 0);
        assert_eq!(view["cpu_stats"].get("system_cpu_usage"), None);
        assert_eq!(view.get("networks"), None);
    }

    #[test]
    fn what_the_host_does_not_count_is_not_told() {
        let first = view("1", "x", Some(&taken(1)), None);
        assert_eq!((&first["pids_stats"], &first["memory_stats"]), (&json!({}), &json!({})));
        assert_eq!(first["blkio_stats"]["io_service_bytes_recursive"], Value::Null);
        assert_eq!(first["cpu_stats"]["system_cpu_usage"], 50);
        assert_eq!(first["precpu_stats"].get("system_cpu_usage"), None);
        let second = view("1", "x", Some(&taken(2)), Some(&taken(1)));
        assert_eq!(second["preread"], "1970-01-01T00:00:01.000000000Z");
        assert_eq!(second["precpu_stats"]["online_cpus"], 2);
    }

    #[test]
    fn everything_has_its_place() {
        let traffic = |bytes| Traffic { bytes, ..Traffic::default() };
        let interface = Interface { received: traffic(3), sent: traffic(4) };
        let sample = Sample {
            memory: Some(Memory {
                usage: 7,
                limit: 9,
                failures: 1,
                fields: BTreeMap::from([("inactive_file", 2)]),
            }),
            pids: Some(Pids { current: 1, limit: u64::MAX }),
            io: Some(vec![DeviceIo { major: 8, minor: 0, read: 1, written: 2 }]),
            networks: BTreeMap::from([("eth0".to_owned(), interface)]),
            ..taken(1)
        };
        let view = view("1", "x", Some(&sample), None);
        let expected =
            json!({ "usage": 7, "limit": 9, "failcnt": 1, "stats": { "inactive_file": 2 } });
        assert_eq!(view["memory_stats"], expected);
        assert_eq!(view["pids_stats"], json!({ "current": 1, "limit": u64::MAX }));
        let devices = &view["blkio_stats"]["io_service_bytes_recursive"];
        assert_eq!(devices[1], json!({ "major": 8, "minor": 0, "op": "write", "value": 2 }));
        assert_eq!(view["networks"]["eth0"]["rx_bytes"], 3);
        assert_eq!(view["networks"]["eth0"]["tx_bytes"], 4);
    }
}
