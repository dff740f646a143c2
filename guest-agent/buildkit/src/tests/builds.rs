//! Builds, as buildx makes them.

use std::collections::BTreeMap;

use futures::TryStreamExt as _;
use prost::Message as _;
use tonic::{Code, Status};

use super::{Client, Fixture};
use crate::wire::control::{Exporter, SolveRequest, SolveResponse, StatusRequest, StatusResponse};
use crate::wire::ops::Definition;
use crate::wire::{gateway, google};

pub(super) const SOLVE: &str = "/moby.buildkit.v1.Control/Solve";
const STATUS: &str = "/moby.buildkit.v1.Control/Status";
pub(super) const PING: &str = "/moby.buildkit.v1.frontend.LLBBridge/Ping";
const GATEWAY: &str = "/moby.buildkit.v1.frontend.LLBBridge/Solve";
const EVALUATE: &str = "/moby.buildkit.v1.frontend.LLBBridge/Evaluate";
const RETURN: &str = "/moby.buildkit.v1.frontend.LLBBridge/Return";

fn attributes(attributes: &[(&str, &str)]) -> BTreeMap<String, String> {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn solve(reference: &str) -> SolveRequest {
    let exporters =
        vec![Exporter { r#type: "moby".to_owned(), attrs: attributes(&[("name", "x")]) }];
    SolveRequest { r#ref: reference.to_owned(), exporters, ..SolveRequest::default() }
}

pub(super) fn direct(reference: &str, what: &str) -> SolveRequest {
    let frontend_attrs = attributes(&[("do", what), ("target", "app")]);
    SolveRequest { frontend: "dockerfile.v0".to_owned(), frontend_attrs, ..solve(reference) }
}

fn frontend(target: &str) -> gateway::SolveRequest {
    gateway::SolveRequest {
        frontend: "dockerfile.v0".to_owned(),
        frontend_opt: attributes(&[("target", target)]),
        ..gateway::SolveRequest::default()
    }
}

async fn gateway_solve(
    client: &Client,
    build: &str,
    request: gateway::SolveRequest,
) -> anyhow::Result<gateway::Result> {
    let answer: gateway::SolveResponse = client.call(GATEWAY, build, request).await?;
    answer.result.ok_or_else(|| anyhow::anyhow!("no result"))
}

async fn give_back(
    client: &Client,
    build: &str,
    request: gateway::ReturnRequest,
) -> Result<gateway::ReturnResponse, Status> {
    client.call(RETURN, build, request).await
}

/// All that a build told of itself.
pub(super) async fn all_told(client: &Client, build: &str) -> Result<Vec<StatusResponse>, Status> {
    let request = StatusRequest { r#ref: build.to_owned() };
    client.stream(STATUS, request).await?.try_collect().await
}

#[tokio::test]
async fn buildx_steers_a_build_through_the_gateway() -> anyhow::Result<()> {
    let fixture = Fixture::new();
    let client = fixture.client().await?;
    let steering = async {
        let pong: gateway::PongResponse = client.call(PING, "one", gateway::PingRequest {}).await?;
        assert!(pong.frontend_api_caps.iter().any(|cap| cap.id == "return" && cap.enabled));
        assert!(pong.llb_caps.iter().any(|cap| cap.id == "exporter.multiple"));
        let result = gateway_solve(&client, "one", frontend("app")).await?;
        assert_eq!(result.metadata["seen"], b"yes");
        let request = gateway::ReturnRequest { result: Some(result), error: None };
        give_back(&client, "one", request.clone()).await?;
        let again = give_back(&client, "one", request).await;
        assert!(again.is_err(), "there is one result, or the build is over");
        anyhow::Ok(())
    };
    // In the order in which they are hardest: the build itself comes last.
    let (told, steered, answer) = tokio::join!(
        all_told(&client, "one"),
        steering,
        client.call::<_, SolveResponse>(SOLVE, "", solve("one")),
    );
    steered?;
    assert_eq!(answer?.exporter_response, attributes(&[("built", "app")]));
    assert_eq!(fixture.builder.exports()[0].exporters[0].attrs["name"], "x");
    let told = told?;
    assert_eq!(told[0].vertexes[0].name, "app");
    assert_eq!(told[1].logs[0].msg, "printed");
    assert_eq!(all_told(&client, "one").await?, told, "it can be asked for later");
    Ok(())
}

#[tokio::test]
async fn a_build_without_a_result_only_tells_what_can_be_done() -> anyhow::Result<()> {
    let fixture = Fixture::new();
    let client = fixture.client().await?;
    let request = SolveRequest { internal: true, ..solve("probe") };
    let nothing = gateway::ReturnRequest::default();
    let (answer, returned) = tokio::join!(
        client.call::<_, SolveResponse>(SOLVE, "", request),
        give_back(&client, "probe", nothing),
    );
    returned?;
    assert_eq!(answer?, SolveResponse::default());
    assert!(fixture.builder.exports().is_empty(), "nothing was to be built");
    assert_eq!(all_told(&client, "probe").await?, []);
    Ok(())
}

#[tokio::test]
async fn a_failure_comes_through_with_its_place_in_the_file() -> anyhow::Result<()> {
    let fixture = Fixture::new();
    let client = fixture.client().await?;
    let failed = client.call::<_, SolveResponse>(SOLVE, "", direct("a", "fail")).await;
    let Err(failed) = failed else { anyhow::bail!("it was built") };
    assert_eq!((failed.code(), failed.message()), (Code::Unknown, "unknown instruction: FRM"));
    let details = google::Status::decode(failed.details())?;
    assert_eq!(details.details.len(), 1);
    // buildx hands a failed call's status back as its build's result.
    let (answer, returned) = tokio::join!(
        client.call::<_, SolveResponse>(SOLVE, "", solve("b")),
        give_back(
            &client,
            "b",
            gateway::ReturnRequest { error: Some(details.clone()), result: None }
        ),
    );
    returned?;
    let Err(failed) = answer else { anyhow::bail!("it was built") };
    assert_eq!(google::Status::decode(failed.details())?, details);
    Ok(())
}

#[tokio::test]
async fn a_build_ends_with_its_client() -> anyhow::Result<()> {
    let fixture = Fixture::new();
    let client = fixture.client().await?;
    {
        let call = client.call::<_, SolveResponse>(SOLVE, "", direct("a", "wait"));
        tokio::select! {
            answer = call => anyhow::bail!("it ended: {answer:?}"),
            permit = fixture.builder.waiting.acquire() => permit?.forget(),
        }
    }
    fixture.builder.tidied.acquire().await?.forget();
    // Its name is free again, and another client that breaks off cancels as well.
    let call = client.call::<_, SolveResponse>(SOLVE, "", direct("b", "wait"));
    tokio::select! {
        answer = call => anyhow::bail!("it ended: {answer:?}"),
        permit = fixture.builder.waiting.acquire() => permit?.forget(),
    }
    client.vanish();
    fixture.builder.tidied.acquire().await?.forget();
    fixture.door.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_build_that_waits_for_its_client_ends_with_the_door() -> anyhow::Result<()> {
    let fixture = Fixture::new();
    let client = fixture.client().await?;
    let call = client.call::<_, SolveResponse>(SOLVE, "", solve("a"));
    let (answer, ()) = tokio::join!(call, async {
        // It is there once it can be found.
        drop(client.call::<_, gateway::PongResponse>(PING, "a", gateway::PingRequest {}).await);
        fixture.door.shutdown().await;
    });
    assert_ne!(answer.map_err(|status| status.code()), Ok(SolveResponse::default()));
    Ok(())
}

#[tokio::test]
async fn two_builds_of_one_name_are_not_under_way_at_once() -> anyhow::Result<()> {
    let fixture = Fixture::new();
    let client = fixture.client().await?;
    let first = client.call::<_, SolveResponse>(SOLVE, "", direct("a", "wait"));
    let second = async {
        fixture.builder.waiting.acquire().await?.forget();
        anyhow::Ok(client.call::<_, SolveResponse>(SOLVE, "", direct("a", "")).await)
    };
    let second = tokio::select! {
        answer = first => anyhow::bail!("it ended: {answer:?}"),
        second = second => second?,
    };
    assert_eq!(second.map_err(|status| status.code()), Err(Code::AlreadyExists));
    Ok(())
}

#[tokio::test]
async fn a_builder_that_panics_fails_its_build_alone() -> anyhow::Result<()> {
    let fixture = Fixture::new();
    let client = fixture.client().await?;
    let failed = client.call::<_, SolveResponse>(SOLVE, "", direct("a", "panic")).await;
    assert_eq!(failed.map_err(|status| status.code()), Err(Code::Unknown));
    assert_eq!(all_told(&client, "a").await?, [], "who follows it sees its end");
    client.call::<_, SolveResponse>(SOLVE, "", direct("a", "")).await?;
    Ok(())
}

#[tokio::test]
async fn a_result_becomes_the_input_of_another_build() -> anyhow::Result<()> {
    let fixture = Fixture::new();
    let client = fixture.client().await?;
    let steering = async {
        let base = gateway_solve(&client, "base", frontend("base")).await?;
        let reference = base.r#ref.clone().ok_or_else(|| anyhow::anyhow!("no reference"))?;
        let inputs = reference.def.map(|graph| ("base".to_owned(), graph));
        let request = gateway::SolveRequest {
            frontend_inputs: inputs.into_iter().collect(),
            ..frontend("app")
        };
        let app = gateway_solve(&client, "app", request.clone()).await?;
        let evaluate = gateway::EvaluateRequest { r#ref: reference.id.clone() };
        client.call::<_, gateway::EvaluateResponse>(EVALUATE, "base", evaluate.clone()).await?;
        let other = client.call::<_, gateway::EvaluateResponse>(EVALUATE, "app", evaluate).await;
        assert_eq!(other.map_err(|status| status.code()), Err(Code::NotFound), "not its own");
        for (build, result) in [("app", app), ("base", base)] {
            let request = gateway::ReturnRequest { result: Some(result), error: None };
            give_back(&client, build, request).await?;
        }
        anyhow::Ok(request)
    };
    let (base, app, request) = tokio::join!(
        client.call::<_, SolveResponse>(SOLVE, "", solve("base")),
        client.call::<_, SolveResponse>(SOLVE, "", solve("app")),
        steering,
    );
    assert_eq!(base?.exporter_response["built"], "base");
    assert_eq!(app?.exporter_response["built"], "app(base)");
    // Once its build is over the input is gone, and a foreign graph was never one.
    let foreign = Definition { def: vec![vec![]], ..Definition::default() };
    let inputs = [request?.frontend_inputs, BTreeMap::from([("x".to_owned(), foreign)])];
    for (inputs, code) in inputs.into_iter().zip([Code::NotFound, Code::Unimplemented]) {
        let request = SolveRequest { frontend_inputs: inputs, ..direct("late", "") };
        let refused = client.call::<_, SolveResponse>(SOLVE, "", request).await;
        assert_eq!(refused.map_err(|status| status.code()), Err(code));
    }
    Ok(())
}
