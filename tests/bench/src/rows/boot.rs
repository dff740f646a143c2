//! Power-on of a new machine to the engine's answer.

use std::fs::{self, remove_dir_all};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hyper::Method;
use naru_machine::{Carrier, Plan};
use naru_protocol::MUX_PORT_NAME;
use naru_transport::{Endpoint, Port};
use tokio::time::{sleep, timeout};

use crate::engine::HUNG;
use crate::guest::{self, RETRY};
use crate::http::ask_over;
use crate::row::{NARU, Row};

mod printing_init;

/// The same QEMU, devices and kernel, and an init that prints one line.
const FLOOR: &str = "init that prints";

pub(super) async fn measure(rounds: u32, state: &Path) -> Result<Vec<Row>> {
    let initramfs = state.join("printing.cpio");
    fs::write(&initramfs, printing_init::initramfs()?)?;
    let mut row = Row::new("VM: power-on to answer", "s");
    row.expect(NARU);
    for _ in 0..rounds {
        let took = once(state, until_engine_answers).await?;
        row.push(NARU, took.as_secs_f64());
        let took = once(state, |mut plan| {
            plan.image.initramfs.clone_from(&initramfs);
            until_init_prints(plan)
        })
        .await?;
        row.push(FLOOR, took.as_secs_f64());
    }
    Ok(vec![row])
}

/// Boots with a disk that does not exist yet, as at the very first start.
async fn once<F: Future<Output = Result<Duration>>>(
    state: &Path,
    boot: impl FnOnce(Plan) -> F,
) -> Result<Duration> {
    let home = state.join("machine");
    fs::create_dir(&home)?;
    let carrier = Carrier::VirtioSerial { port_name: MUX_PORT_NAME.to_owned() };
    let took = boot(guest::plan(&home, carrier)?).await;
    remove_dir_all(&home)?;
    took
}

async fn until_engine_answers(plan: Plan) -> Result<Duration> {
    let (endpoint, log) = (Endpoint::MuxUnix { path: plan.channel_socket() }, plan.serial_log());
    let begun = Instant::now();
    let machine = guest::power_on(plan).await?;
    let answered = async {
        loop {
            let (dialer, stream) = guest::reach(&endpoint, Port::API, &log).await?;
            // The guest's agent answers for its engine only when that runs.
            if ask_over(stream, Method::GET, "/_ping", "").await.is_ok() {
                drop(dialer);
                return Ok(begun.elapsed());
            }
            sleep(RETRY).await;
        }
    };
    let took = timeout(HUNG, answered).await.context("the engine does not answer").flatten();
    machine.shutdown(None).await;
    took
}

async fn until_init_prints(plan: Plan) -> Result<Duration> {
    let log = plan.serial_log();
    let begun = Instant::now();
    let machine = guest::power_on(plan).await?;
    let printed = async {
        while !fs::read_to_string(&log).is_ok_and(|log| log.contains(printing_init::LINE)) {
            sleep(RETRY).await;
        }
        begun.elapsed()
    };
    let took = timeout(HUNG, printed).await.context("init prints nothing");
    machine.shutdown(None).await;
    took
}
