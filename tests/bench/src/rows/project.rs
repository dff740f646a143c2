//! A project of ten services, up and down by docker compose.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use naru_test_framework::clients;

use super::{EngineBench, LONG_ROUNDS, row_of_engines};
use crate::engine::Engine;
use crate::row::Row;

const SERVICES: usize = 10;

pub(super) async fn measure(bench: &EngineBench<'_>) -> Result<Vec<Row>> {
    let mut up = row_of_engines("project: ten services up", "s");
    let mut down = row_of_engines("project: ten services down", "s");
    let compose = clients::compose()?;
    let file = bench.state.join("compose.yaml");
    fs::write(&file, project(&bench.busybox))?;
    for engine in &bench.engines {
        install(&compose, engine)?;
    }
    let file = file.display().to_string();
    for _ in 0..bench.rounds.min(LONG_ROUNDS) {
        for engine in &bench.engines {
            let begun = Instant::now();
            engine.docker(&["compose", "-f", &file, "up", "--detach"]).await?;
            up.push(engine.name, begun.elapsed().as_secs_f64());
            let begun = Instant::now();
            engine.docker(&["compose", "-f", &file, "down", "--timeout", "0"]).await?;
            down.push(engine.name, begun.elapsed().as_secs_f64());
        }
    }
    Ok(vec![up, down])
}

/// Each service is on a network, has a volume, and is up at once.
fn project(image: &str) -> String {
    let services = (0..SERVICES).map(|number| {
        format!(
            "  service{number}:\n    image: {image}\n    command: sleep 86400\n    volumes: \
             [data{number}:/data]\n"
        )
    });
    let volumes = (0..SERVICES).map(|number| format!("  data{number}:\n"));
    let (services, volumes): (String, String) = (services.collect(), volumes.collect());
    format!("name: bench\nservices:\n{services}volumes:\n{volumes}")
}

/// Makes compose a plugin of the engine's `docker`.
fn install(compose: &Path, engine: &Engine) -> Result<()> {
    let plugins = engine.directory().join("cli-plugins");
    fs::create_dir_all(&plugins)?;
    symlink(compose, plugins.join("docker-compose"))?;
    Ok(())
}
