//! A container's life through the API: what the engine alone takes.

use std::time::Instant;

use anyhow::Result;
use hyper::Method;
use serde_json::json;

use super::{EngineBench, row_of_engines};
use crate::engine::Engine;
use crate::row::Row;

const STEPS: [&str; 4] = ["create", "start", "wait", "remove"];

pub(super) async fn measure(bench: &EngineBench<'_>) -> Result<Vec<Row>> {
    let names = STEPS.into_iter().chain(["all four"]);
    let mut rows: Vec<Row> =
        names.map(|step| row_of_engines(format!("API: {step}"), "ms")).collect();
    let body = json!({ "Image": bench.busybox, "Cmd": ["true"] }).to_string();
    for round in 0..=bench.rounds {
        for engine in &bench.engines {
            let times = live(engine, &format!("bench{round}"), &body).await?;
            // The first time pays for what is read from the disk and never again.
            if round > 0 {
                let all = times.iter().sum();
                for (row, time) in rows.iter_mut().zip(times.into_iter().chain([all])) {
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
        *time = begun.elapsed().as_secs_f64() * 1e3;
    }
    Ok(times)
}
