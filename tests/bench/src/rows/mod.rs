//! The rows of the table: `design.md`'s budgets, one file each.

mod api;
mod boot;
mod build;
mod channel;
mod logs;
mod machine;
mod many;
mod memory;
mod network;
mod project;
mod pull;
mod run;

use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;
use naru_test_framework::{Registry, images};
use tokio::task::spawn_blocking;

use crate::engine::{Engine, PEERS};
use crate::row::{NARU, Row};
use crate::say;

/// How often at most what takes an engine many seconds is measured.
const LONG_ROUNDS: u32 = 3;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measure {
    /// `docker run --rm busybox true`
    Run,
    /// A container's life through the API
    Api,
    /// The pull of six layers, some 150 MB of files
    Pull,
    /// Images from Dockerfiles
    Build,
    /// What idle engines keep in memory
    Memory,
    /// A hundred containers at once
    Many,
    /// 200 MB of output
    Logs,
    /// A network of a user's own
    Network,
    /// Ten services by docker compose
    Project,
    /// Power-on of the machine to its engine's answer
    Boot,
    /// Streams between host and machine
    Channel,
    /// A published port of the machine
    Machine,
}

impl Measure {
    /// The engines are stopped before a machine is started.
    const OF_ENGINES: [Self; 9] = [
        Self::Run,
        Self::Api,
        Self::Pull,
        Self::Build,
        Self::Memory,
        Self::Many,
        Self::Logs,
        Self::Network,
        Self::Project,
    ];
    const OF_MACHINE: [Self; 3] = [Self::Boot, Self::Channel, Self::Machine];

    fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// Measures what is wanted, all if nothing is named; says whether something failed.
pub(crate) async fn measure(
    only: &[Measure],
    rounds: u32,
    state: &Path,
) -> Result<(Vec<Row>, bool)> {
    let wanted = |measure: &Measure| only.is_empty() || only.contains(measure);
    let (mut rows, mut failed) = (Vec::new(), false);
    let mut take = |measure: Measure, measured: Result<Vec<Row>>| match measured {
        Ok(measured) => {
            rows.extend(measured);
            Ok(())
        }
        Err(error) => {
            failed = true;
            say(&format!("{} failed: {error:#}", measure.name()))
        }
    };
    let of_engines: Vec<Measure> = Measure::OF_ENGINES.into_iter().filter(wanted).collect();
    if !of_engines.is_empty() {
        let bench = EngineBench::start(state, rounds).await?;
        for measure in of_engines {
            say(&format!("measuring {} …", measure.name()))?;
            take(measure, bench.measure(measure).await)?;
        }
        for engine in bench.engines {
            engine.stop().await?;
        }
    }
    for measure in Measure::OF_MACHINE.into_iter().filter(wanted) {
        say(&format!("measuring {} …", measure.name()))?;
        let measured = match measure {
            Measure::Boot => boot::measure(rounds, state).await,
            Measure::Channel => channel::measure(rounds, state).await,
            _ => {
                let state = state.to_owned();
                spawn_blocking(move || machine::measure(rounds, &state)).await?
            }
        };
        take(measure, measured)?;
    }
    Ok((rows, failed))
}

/// All engines, and the registry that they pull from.
struct EngineBench<'a> {
    engines: Vec<Engine>,
    registry: Registry,
    busybox: String,
    rounds: u32,
    state: &'a Path,
}

impl<'a> EngineBench<'a> {
    async fn start(state: &'a Path, rounds: u32) -> Result<Self> {
        let registry = Registry::start()?;
        registry.push("busybox", "latest", &images::busybox()?)?;
        let busybox = registry.reference("busybox", "latest");
        let mut engines = Vec::new();
        for engine in Engine::start_all(state, &registry.address()).await? {
            match engine.docker(&["run", "--rm", &busybox, "true"]).await {
                Ok(()) => engines.push(engine),
                Err(error) if engine.name == NARU => return Err(error),
                Err(error) => {
                    say(&format!("{} is left out: {error:#}", engine.name))?;
                    engine.stop().await?;
                }
            }
        }
        Ok(Self { engines, registry, busybox, rounds, state })
    }

    async fn measure(&self, measure: Measure) -> Result<Vec<Row>> {
        match measure {
            Measure::Run => run::measure(self).await,
            Measure::Api => api::measure(self).await,
            Measure::Pull => pull::measure(self).await,
            Measure::Build => build::measure(self).await,
            Measure::Many => many::measure(self).await,
            Measure::Logs => logs::measure(self).await,
            Measure::Network => network::measure(self).await,
            Measure::Project => project::measure(self).await,
            _ => memory::measure(self).await,
        }
    }
}

/// A row for all engines, whether or not they are here.
fn row_of_engines(name: impl Into<String>, unit: &'static str) -> Row {
    let mut row = Row::new(name, unit);
    row.expect(NARU);
    for peer in PEERS {
        row.expect(peer);
    }
    row
}
