//! The door's other calls, and what is none.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use tonic::{Code, Request};

use super::Fixture;
use super::builds::{PING, SOLVE, all_told, direct};
use crate::wire::control::{
    DiskUsageRequest, DiskUsageResponse, InfoRequest, InfoResponse, ListWorkersRequest,
    ListWorkersResponse, PruneRequest, SolveRequest, SolveResponse, UsageRecord,
};
use crate::wire::gateway;
use crate::wire::health::{HealthCheckRequest, HealthCheckResponse, ServingStatus};
use crate::wire::history::{BuildHistoryEvent, BuildHistoryRequest};
use crate::wire::session::BytesMessage;

const HISTORY: &str = "/moby.buildkit.v1.Control/ListenBuildHistory";
const PRUNE: &str = "/moby.buildkit.v1.Control/Prune";

#[tokio::test]
async fn clients_learn_what_is_there() -> anyhow::Result<()> {
    let fixture = Fixture::new();
    let client = fixture.client().await?;
    let info: InfoResponse =
        client.call("/moby.buildkit.v1.Control/Info", "", InfoRequest {}).await?;
    assert_eq!(info.buildkit_version.map(|version| version.version).as_deref(), Some("v0.13.0"));
    let workers: ListWorkersResponse = client
        .call("/moby.buildkit.v1.Control/ListWorkers", "", ListWorkersRequest::default())
        .await?;
    assert_eq!(workers.record[0].id, "one");
    let health: HealthCheckResponse =
        client.call("/grpc.health.v1.Health/Check", "", HealthCheckRequest::default()).await?;
    assert_eq!(health.status, i32::from(ServingStatus::Serving));
    let usage: DiskUsageResponse =
        client.call("/moby.buildkit.v1.Control/DiskUsage", "", DiskUsageRequest::default()).await?;
    assert_eq!(usage.record[0].size, 7);
    // How buildx asks whether there is a history.
    let request = BuildHistoryRequest {
        active_only: true,
        r#ref: "buildx-test-history-api-feature".to_owned(),
        early_exit: true,
        ..BuildHistoryRequest::default()
    };
    let events: Vec<BuildHistoryEvent> =
        client.stream(HISTORY, request).await?.try_collect().await?;
    assert_eq!(events, []);
    Ok(())
}

#[tokio::test]
async fn history_counts_a_builds_steps() -> anyhow::Result<()> {
    let fixture = Fixture::new();
    let client = fixture.client().await?;
    client.call::<_, SolveResponse>(SOLVE, "", direct("a", "")).await?;
    let request = BuildHistoryRequest { early_exit: true, ..BuildHistoryRequest::default() };
    let events: Vec<BuildHistoryEvent> =
        client.stream(HISTORY, request).await?.try_collect().await?;
    let record = events.into_iter().find_map(|event| event.record);
    let record = record.ok_or_else(|| anyhow::anyhow!("no record"))?;
    assert_eq!((record.r#ref.as_str(), record.num_total_steps), ("a", 1));
    assert_eq!(record.frontend_attrs["target"], "app");
    Ok(())
}

#[tokio::test]
async fn pruning_tells_of_each_piece_and_then_of_its_failure() -> anyhow::Result<()> {
    let fixture = Fixture::new();
    let client = fixture.client().await?;
    let request = PruneRequest { all: true, ..PruneRequest::default() };
    let mut records = client.stream::<_, UsageRecord>(PRUNE, request).await?;
    for size in 0..100 {
        assert_eq!(records.try_next().await?.map(|record| record.size), Some(size));
    }
    let end = records.try_next().await.map_err(|status| status.message().to_owned());
    assert_eq!(end, Err("one is left".to_owned()));
    Ok(())
}

#[tokio::test]
async fn what_is_no_message_fails_its_call_alone() -> anyhow::Result<()> {
    let fixture = Fixture::new();
    let client = fixture.client().await?;
    // Field 1 is a text there, and here bytes that are none.
    let garbage = BytesMessage { data: vec![0xff; 8].into() };
    let failed = client.call::<_, SolveResponse>(SOLVE, "", garbage).await;
    assert_eq!(failed.map_err(|status| status.code()), Err(Code::Internal));
    let huge = BytesMessage { data: vec![b'a'; crate::rpc::MESSAGE_LIMIT + 1].into() };
    let failed = client.call::<_, SolveResponse>(SOLVE, "", huge).await;
    assert_eq!(failed.map_err(|status| status.code()), Err(Code::OutOfRange));
    let unnamed = client.call::<_, gateway::PongResponse>(PING, "", gateway::PingRequest {}).await;
    assert_eq!(unnamed.map_err(|status| status.code()), Err(Code::InvalidArgument));
    let none: Request<_> = Request::new(stream::empty::<SolveRequest>().boxed());
    let mut answers = client.exchange::<_, SolveResponse>(SOLVE, none).await;
    let failed = match &mut answers {
        Ok(answers) => answers.try_next().await.map(|_| ()),
        Err(status) => Err(status.clone()),
    };
    assert!(failed.is_err(), "a call without its message");
    let unknown = client
        .call::<_, SolveResponse>("/moby.buildkit.v1.Control/Other", "", InfoRequest {})
        .await;
    assert_eq!(unknown.map_err(|status| status.code()), Err(Code::Unimplemented));
    client.call::<_, SolveResponse>(SOLVE, "", direct("a", "")).await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_a_build_that_never_comes_is_told_so() -> anyhow::Result<()> {
    let fixture = Fixture::new();
    let client = fixture.client().await?;
    let unknown = all_told(&client, "none").await;
    assert_eq!(unknown.map_err(|status| status.code()), Err(Code::NotFound));
    Ok(())
}
