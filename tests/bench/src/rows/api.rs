//! A container's life through the API: what the engine alone takes.

use std::time::Instant;

use anyhow::{Context, Result};
use hyper::Method;
use serde_json::{Value, json};

use super::{EngineBench, row_of_engines};
use crate::engine::Engine;
use crate::row::Row;

const STEPS: [&str; 4] = ["create", "start", "wait", "remove"];
/// Of a container that runs on: into it, and its end.
const LATER: [&str; 2] = ["exec", "stop"];
/// Ends at the first signal, which a first process does not unless it says so.
const UNTIL_STOPPED: &str = "trap exit TERM; while :; do sleep 86400 & wait; done";

pub(super) async fn measure(bench: &EngineBench<'_>) -> Result<Vec<Row>> {
    let names = STEPS.into_iter().chain(["all four"]).chain(LATER);
    let mut rows: Vec<Row> =
        names.map(|step| row_of_engines(format!("API: {step}"), "ms")).collect();
    let short = json!({ "Image": bench.busybox, "Cmd": ["true"] }).to_string();
    let long = json!({ "Image": bench.busybox, "Cmd": ["sh", "-c", UNTIL_STOPPED] }).to_string();
    for round in 0..=bench.rounds {
        for engine in &bench.engines {
            let times = live(engine, &format!("short{round}"), &short).await?;
            let all = times.iter().sum();
            let later = enter_and_stop(engine, &format!("long{round}"), &long).await?;
            // The first time pays for what is read from the disk and never again.
            if round > 0 {
                let times = times.into_iter().chain([all]).chain(later);
                for (row, time) in rows.iter_mut().zip(times) {
                    row.push(engine.name, time);
                }
            }
        }
    }
    Ok(rows)
}

/// How long each step takes, in milliseconds.
async fn live(engine: &Engine, name: &str, body: &str) -> Result<[f64; STEPS.len()]> {
    let requests = [
        (Method::POST, format!("/containers/create?name={name}"), body),
        (Method::POST, format!("/containers/{name}/start"), ""),
        (Method::POST, format!("/containers/{name}/wait"), ""),
        (Method::DELETE, format!("/containers/{name}"), ""),
    ];
    let mut times = [0.0; STEPS.len()];
    for ((method, path, body), time) in requests.into_iter().zip(&mut times) {
        let begun = Instant::now();
        engine.ask(method, &path, body).await?;
        *time = milliseconds(begun);
    }
    Ok(times)
}

/// How long `true` takes inside of a container that runs, and then its stop.
async fn enter_and_stop(engine: &Engine, name: &str, body: &str) -> Result<[f64; LATER.len()]> {
    engine.ask(Method::POST, &format!("/containers/create?name={name}"), body).await?;
    engine.ask(Method::POST, &format!("/containers/{name}/start"), "").await?;
    let command = json!({ "Cmd": ["true"], "AttachStdout": true }).to_string();
    let begun = Instant::now();
    let made = engine.ask(Method::POST, &format!("/containers/{name}/exec"), &command).await?;
    let made: Value = serde_json::from_slice(&made)?;
    let id = made["Id"].as_str().context("an exec has an id")?;
    // The answer ends when the process has.
    let attached = json!({ "Detach": false, "Tty": false }).to_string();
    engine.ask(Method::POST, &format!("/exec/{id}/start"), &attached).await?;
    let exec = milliseconds(begun);
    let begun = Instant::now();
    engine.ask(Method::POST, &format!("/containers/{name}/stop"), "").await?;
    let stop = milliseconds(begun);
    engine.ask(Method::DELETE, &format!("/containers/{name}"), "").await?;
    Ok([exec, stop])
}

fn milliseconds(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}
