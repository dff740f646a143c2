//! Much output: into the log, and out of it.

use std::time::Instant;

use anyhow::Result;
use hyper::Method;
use serde_json::json;

use super::{EngineBench, LONG_ROUNDS, row_of_engines};
use crate::row::Row;

const CONTAINER: &str = "talks";
/// Two million lines of a hundred bytes.
const TALK: &str = r"yes $(printf '%099d' 0) | head -n 2000000";

pub(super) async fn measure(bench: &EngineBench<'_>) -> Result<Vec<Row>> {
    let mut write = row_of_engines("log: a container writes 200 MB", "s");
    let mut read = row_of_engines("log: docker logs of 200 MB", "s");
    let body = json!({
        "Image": bench.busybox,
        "Cmd": ["sh", "-c", TALK],
        "HostConfig": { "LogConfig": { "Type": "json-file", "Config": {} } },
    });
    let body = body.to_string();
    for _ in 0..bench.rounds.min(LONG_ROUNDS) {
        for engine in &bench.engines {
            let path = format!("/containers/create?name={CONTAINER}");
            engine.ask(Method::POST, &path, &body).await?;
            let begun = Instant::now();
            engine.ask(Method::POST, &format!("/containers/{CONTAINER}/start"), "").await?;
            engine.ask(Method::POST, &format!("/containers/{CONTAINER}/wait"), "").await?;
            write.push(engine.name, begun.elapsed().as_secs_f64());
            let begun = Instant::now();
            engine.docker(&["logs", CONTAINER]).await?;
            read.push(engine.name, begun.elapsed().as_secs_f64());
            engine.ask(Method::DELETE, &format!("/containers/{CONTAINER}"), "").await?;
        }
    }
    Ok(vec![write, read])
}
