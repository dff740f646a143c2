//! `docker run --rm busybox true`, from the command's start to its end.

use std::fs;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use naru_test_framework::images;
use tar::Archive;
use tokio::process::Command;
use tokio::time::timeout;

use super::{EngineBench, row_of_engines};
use crate::engine::HUNG;
use crate::row::Row;

/// The least that a container is: namespaces and another root.
const FLOOR: &str = "unshare, chroot, exec";

pub(super) async fn measure(bench: &EngineBench<'_>) -> Result<Vec<Row>> {
    let rootfs = bench.state.join("rootfs");
    let image = images::busybox()?;
    let layer = image.blobs.last().context("the image has a layer")?;
    fs::create_dir_all(&rootfs)?;
    Archive::new(GzDecoder::new(layer.as_slice())).unpack(&rootfs)?;
    let mut row = row_of_engines("docker run --rm busybox true", "ms");
    // The first time pays for what is read from the disk and never again.
    for counts in [false].into_iter().chain((0..bench.rounds).map(|_| true)) {
        for engine in &bench.engines {
            let begun = Instant::now();
            engine.docker(&["run", "--rm", &bench.busybox, "true"]).await?;
            if counts {
                row.push(engine.name, begun.elapsed().as_secs_f64() * 1e3);
            }
        }
        let begun = Instant::now();
        let ended = Command::new("unshare")
            .args(["-mpiuf", "chroot"])
            .arg(&rootfs)
            .arg("/bin/true")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .status();
        let status = timeout(HUNG, ended).await.context("unshare hangs")??;
        ensure!(status.success(), "unshare ended with {status}");
        if counts {
            row.push(FLOOR, begun.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(vec![row])
}
