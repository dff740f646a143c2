//! A hundred containers at once: their start, what they cost in memory, their end.

use std::time::Instant;

use anyhow::Result;
use futures::stream::{self, StreamExt, TryStreamExt};
use hyper::Method;
use serde_json::json;

use super::memory::memory;
use super::{EngineBench, LONG_ROUNDS, row_of_engines};
use crate::engine::Engine;
use crate::row::Row;

const COUNT: u32 = 100;
/// Requests on their way at once.
const PARALLEL: usize = 16;

pub(super) async fn measure(bench: &EngineBench<'_>) -> Result<Vec<Row>> {
    let mut rows = [
        row_of_engines("100 containers: create and start, 16 at a time", "s"),
        row_of_engines("100 containers: engine, resident", "MiB"),
        row_of_engines("100 containers: their shims, private", "MiB"),
        row_of_engines("100 containers: remove by force, 16 at a time", "s"),
    ];
    let body = json!({ "Image": bench.busybox, "Cmd": ["sleep", "86400"] }).to_string();
    for _ in 0..bench.rounds.min(LONG_ROUNDS) {
        for engine in &bench.engines {
            let begun = Instant::now();
            each(async |number| {
                let path = format!("/containers/create?name=many{number}");
                engine.ask(Method::POST, &path, &body).await?;
                engine.ask(Method::POST, &format!("/containers/many{number}/start"), "").await?;
                Ok(())
            })
            .await?;
            rows[0].push(engine.name, begun.elapsed().as_secs_f64());
            let used = memory(engine)?;
            rows[1].push(engine.name, used.daemon);
            rows[2].push(engine.name, used.shims);
            let begun = Instant::now();
            each(async |number| remove(engine, number).await).await?;
            rows[3].push(engine.name, begun.elapsed().as_secs_f64());
        }
    }
    Ok(rows.into())
}

async fn remove(engine: &Engine, number: u32) -> Result<()> {
    let path = format!("/containers/many{number}?force=true");
    engine.ask(Method::DELETE, &path, "").await?;
    Ok(())
}

/// Does something for each container, some at once.
async fn each(act: impl AsyncFn(u32) -> Result<()>) -> Result<()> {
    stream::iter(0..COUNT).map(|number| act(number)).buffer_unordered(PARALLEL).try_collect().await
}
