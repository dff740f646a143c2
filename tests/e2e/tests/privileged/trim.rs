//! What is removed in the machine, the host's file of its disk no longer holds.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use naru_test_framework::images::of_layers;
use naru_test_framework::oci::{Compression, LayerWriter};
use naru_test_framework::{Registry, Vm, noise};

const CONTENT: usize = 64 << 20;
/// The engine waits a few seconds for more to be removed.
const DEADLINE: Duration = Duration::from_mins(1);

#[test]
fn pruned_images_give_the_hosts_disk_back() -> Result<()> {
    let registry = Registry::start()?;
    let mut layer = LayerWriter::new();
    layer.file("noise", 0o644, &noise(1).take(CONTENT).collect::<Vec<u8>>())?;
    registry.push("noise", "1", &of_layers(vec![layer.finish(Compression::None)?])?)?;
    let vm = Vm::start()?;
    let taken = || -> Result<u64> { Ok(fs::metadata(vm.data_disk())?.blocks() * 512) };
    let before = taken()?;
    vm.docker_ok(&["pull", &format!("localhost:{}/noise:1", registry.port())])?;
    let full = taken()?;
    let content = CONTENT as u64;
    ensure!(full >= before + content / 2, "pulling took {before} to {full}");

    vm.docker_ok(&["image", "prune", "-af"])?;
    let end = Instant::now() + DEADLINE;
    loop {
        let left = taken()?;
        if left <= full - content * 3 / 4 {
            return Ok(());
        }
        ensure!(Instant::now() < end, "{full} bytes on the host became {left} only");
        // The machine goes on working meanwhile; asking it takes its time.
        vm.docker_ok(&["version"])?;
    }
}
