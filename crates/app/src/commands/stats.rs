//! `container.stats`.

use bollard::Docker;
use bollard::models::{
    BollardDate, ContainerBlkioStats, ContainerCpuStats, ContainerMemoryStats,
    ContainerStatsResponse,
};
use bollard::query_parameters::StatsOptionsBuilder;
use futures::{StreamExt, stream};
use naru_ipc::{ContainerStats, ContainerUsage, ContainerUsageOf, IpcError, StatsSample};

use super::check_container;
use crate::{App, AppError};

/// How many containers are asked about at a time.
const PARALLEL: usize = 8;
/// More than are in sight of any list.
const MOST: usize = 100;

impl App {
    /// `container.usage`: what does not run is left out.
    pub async fn container_usage(
        &self,
        request: ContainerUsageOf,
    ) -> Result<Vec<ContainerUsage>, IpcError> {
        for id in &request.ids {
            check_container(id)?;
        }
        let docker = &self.inner.docker()?;
        let asked = stream::iter(request.ids.into_iter().take(MOST));
        let looks = asked.map(|id| async move { usage(docker, &id).await });
        let found = looks.buffer_unordered(PARALLEL).filter_map(std::future::ready);
        Ok(found.collect().await)
    }

    /// `container.stats`: returns with the first answer of the engine; the last sample has no
    /// time.
    pub async fn container_stats(
        &self,
        request: ContainerStats,
        sink: impl Fn(StatsSample) -> bool + Send + Sync + 'static,
    ) -> Result<(), IpcError> {
        check_container(&request.id)?;
        let docker = self.inner.docker()?;
        let stream = self.inner.streams.open(&request.stream_id, None)?;
        let options = StatsOptionsBuilder::new().stream(true).build();
        let mut answers = Box::pin(docker.stats(&request.id, Some(options)));
        let first = answers.next().await.transpose().map_err(AppError::from)?;
        if let Some(first) = first.as_ref().and_then(sample) {
            sink(first);
        }
        self.inner.tasks.spawn(async move {
            let forward = async {
                while let Some(Ok(answer)) = answers.next().await {
                    if !sample(&answer).is_none_or(&sink) {
                        return;
                    }
                }
            };
            tokio::select! {
                () = stream.closed() => {}
                () = forward => {}
            }
            sink(StatsSample::default());
        });
        Ok(())
    }
}

/// None for a container that does not run, or has gone meanwhile.
async fn usage(docker: &Docker, id: &str) -> Option<ContainerUsage> {
    let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
    let mut answers = Box::pin(docker.stats(id, Some(options)));
    let answer = answers.next().await?.ok()?;
    used(id, &answer)
}

fn used(id: &str, answer: &ContainerStatsResponse) -> Option<ContainerUsage> {
    Some(ContainerUsage {
        id: id.to_owned(),
        time_ms: milliseconds(answer.read?)?,
        cpu_ms: cpu_nanos(answer.cpu_stats.as_ref())? / 1_000_000,
        memory_bytes: memory_needed(&answer.memory_stats.clone().unwrap_or_default()),
    })
}

fn milliseconds(time: BollardDate) -> Option<i64> {
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok().filter(|time| *time > 0)
}

/// None for the very first answer, which has nothing to be compared with, and for a container
/// that does not run.
fn sample(answer: &ContainerStatsResponse) -> Option<StatsSample> {
    let (now, before) = (answer.read?, answer.preread?);
    let seconds = (now - before).as_seconds_f64();
    // A year without a name, or a clock that was set back.
    if !(0.0..3600.0).contains(&seconds) || seconds == 0.0 {
        return None;
    }
    let used = cpu_nanos(answer.cpu_stats.as_ref())?;
    let nanos = used.saturating_sub(cpu_nanos(answer.precpu_stats.as_ref())?);
    let memory = answer.memory_stats.clone().unwrap_or_default();
    let networks: Vec<_> = answer.networks.iter().flatten().map(|(_, network)| network).collect();
    let disks = answer.blkio_stats.clone().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
    let cpus = nanos as f64 / 1e9 / seconds;
    Some(StatsSample {
        time_ms: milliseconds(now)?,
        cpus,
        memory_bytes: memory_needed(&memory),
        memory_limit: memory.limit.unwrap_or_default(),
        received: networks.iter().filter_map(|network| network.rx_bytes).sum(),
        sent: networks.iter().filter_map(|network| network.tx_bytes).sum(),
        read: transferred(&disks, "read"),
        written: transferred(&disks, "write"),
        pids: answer.pids_stats.as_ref().and_then(|pids| pids.current).unwrap_or_default(),
    })
}

fn cpu_nanos(stats: Option<&ContainerCpuStats>) -> Option<u64> {
    stats?.cpu_usage.as_ref()?.total_usage
}

/// Without pages of files that the kernel gives away when it needs them, as `docker stats`
/// counts.
fn memory_needed(memory: &ContainerMemoryStats) -> u64 {
    let usage = memory.usage.unwrap_or_default();
    let of = |name: &str| memory.stats.as_ref().and_then(|stats| stats.get(name)).copied();
    let spare = of("total_inactive_file").or_else(|| of("inactive_file")).unwrap_or_default();
    if spare < usage { usage - spare } else { usage }
}

fn transferred(disks: &ContainerBlkioStats, operation: &str) -> u64 {
    let entries = disks.io_service_bytes_recursive.iter().flatten();
    let meant = entries
        .filter(|entry| entry.op.as_deref().is_some_and(|op| op.eq_ignore_ascii_case(operation)));
    meant.filter_map(|entry| entry.value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(read: &str, preread: &str, total: u64, before: u64) -> ContainerStatsResponse {
        let text = format!(
            r#"{{ "read": "{read}", "preread": "{preread}",
                "cpu_stats": {{ "cpu_usage": {{ "total_usage": {total} }} }},
                "precpu_stats": {{ "cpu_usage": {{ "total_usage": {before} }} }},
                "memory_stats": {{ "usage": 100, "limit": 400, "stats": {{ "inactive_file": 30 }} }},
                "networks": {{ "eth0": {{ "rx_bytes": 1, "tx_bytes": 2 }},
                    "eth1": {{ "rx_bytes": 10, "tx_bytes": 20 }} }},
                "blkio_stats": {{ "io_service_bytes_recursive": [
                    {{ "op": "read", "value": 5 }}, {{ "op": "Write", "value": 6 }},
                    {{ "op": "read", "value": 2 }} ] }},
                "pids_stats": {{ "current": 3 }} }}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn processor_time_is_what_was_used_since_the_sample_before() {
        let said =
            answer("2026-11-26T10:00:02Z", "2026-11-26T10:00:00Z", 4_000_000_000, 1_000_000_000);
        let sample = sample(&said).unwrap();
        assert!((sample.cpus - 1.5).abs() < 1e-9, "{}", sample.cpus);
        assert_eq!((sample.memory_bytes, sample.memory_limit), (70, 400));
        assert_eq!((sample.received, sample.sent), (11, 22));
        assert_eq!((sample.read, sample.written, sample.pids), (7, 6, 3));
        assert_eq!(sample.time_ms, 1_795_687_202_000);
    }

    #[test]
    fn a_look_at_many_has_sums_and_leaves_out_what_does_not_run() {
        let said = answer("2026-11-26T10:00:02Z", "0001-01-01T00:00:00Z", 4_000_000_000, 0);
        let usage = used("ab", &said).unwrap();
        assert_eq!((usage.cpu_ms, usage.memory_bytes), (4000, 70));
        let stopped = answer("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", 0, 0);
        assert_eq!(used("ab", &stopped), None);
    }

    #[test]
    fn a_first_answer_has_nothing_to_be_compared_with() {
        let first = answer("2026-11-26T10:00:02Z", "0001-01-01T00:00:00Z", 4, 0);
        assert_eq!(sample(&first), None);
    }
}
