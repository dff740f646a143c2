//! Streams between host and machine: how much, and how soon.

use std::env::var_os;
use std::fs::{self, File, remove_dir_all};
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use naru_machine::{Carrier, Plan};
use naru_protocol::MUX_PORT_NAME;
use naru_transport::{Dialer, Endpoint, GuestCid, Port};
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::engine::{HUNG, is_installed};
use crate::guest::{self, RETRY};
use crate::row::Row;

const VIRTIO_SERIAL: &str = "virtio-serial";
const VSOCK: &str = "vsock";
/// The kernel's vsock device.
const KERNEL_DEVICE: &str = "/dev/vhost-vsock";
/// The user-space one (`cargo install vhost-device-vsock`).
const USER_DEVICE: &str = "vhost-device-vsock";
/// The machine's address with the kernel's device.
const CID: u32 = 4217;
const MIB: usize = 1 << 20;
/// Sent each time: a second or so of an emulated machine.
const AMOUNT_MIB: usize = 64;
/// Round trips each time; their mean is one value.
const ROUND_TRIPS: u32 = 200;

pub(super) async fn measure(rounds: u32, state: &Path) -> Result<Vec<Row>> {
    let mut rows = [
        Row::new("stream: host to machine", "MiB/s"),
        Row::new("stream: there and back at once", "MiB/s"),
        Row::new("stream: round trip", "us"),
    ];
    for carrier in [VIRTIO_SERIAL, VSOCK] {
        for row in &mut rows {
            row.expect(carrier);
        }
        let home = state.join(carrier);
        fs::create_dir(&home)?;
        if let Some((plan, endpoint, _device)) = way(carrier, &home).await? {
            measure_way(carrier, plan, &endpoint, rounds, &mut rows).await?;
        }
        remove_dir_all(&home)?;
    }
    Ok(rows.into())
}

/// How a machine is reached over this carrier; none when this computer cannot. The
/// device ends with its handle.
async fn way(carrier: &str, home: &Path) -> Result<Option<(Plan, Endpoint, Option<Child>)>> {
    if carrier == VIRTIO_SERIAL {
        let plan =
            guest::plan(home, Carrier::VirtioSerial { port_name: MUX_PORT_NAME.to_owned() })?;
        let endpoint = Endpoint::MuxUnix { path: plan.channel_socket() };
        return Ok(Some((plan, endpoint, None)));
    }
    if File::open(KERNEL_DEVICE).is_ok() {
        let plan = guest::plan(home, Carrier::Vsock { cid: CID })?;
        return Ok(Some((plan, Endpoint::Vsock { cid: GuestCid::new(CID)? }, None)));
    }
    let named = var_os("NARU_VHOST_DEVICE_VSOCK");
    if named.is_none() && !is_installed(USER_DEVICE) {
        return Ok(None);
    }
    let [socket, path] = ["device.sock", "vsock.sock"].map(|name| home.join(name));
    let mut device = Command::new(named.unwrap_or_else(|| USER_DEVICE.into()))
        .args(["--guest-cid", "4", "--tx-buffer-size", "28672", "--socket"])
        .arg(&socket)
        .arg("--uds-path")
        .arg(&path)
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    while !socket.exists() {
        ensure!(device.try_wait()?.is_none(), "{USER_DEVICE} ended");
        sleep(RETRY).await;
    }
    let plan = guest::plan(home, Carrier::VhostUserVsock { socket })?;
    Ok(Some((plan, Endpoint::VsockUnix { path }, Some(device))))
}

async fn measure_way(
    carrier: &str,
    plan: Plan,
    endpoint: &Endpoint,
    rounds: u32,
    rows: &mut [Row; 3],
) -> Result<()> {
    let log = plan.serial_log();
    let machine = guest::power_on(plan).await?;
    let measured = async {
        let (dialer, _stream) = guest::reach(endpoint, Port::ECHO, &log).await?;
        for _ in 0..rounds {
            rows[0].push(carrier, send(&*dialer).await?);
            rows[1].push(carrier, send_and_receive(&*dialer).await?);
            rows[2].push(carrier, round_trip(&*dialer).await?);
        }
        Ok(())
    };
    let measured = timeout(HUNG, measured).await.context("the channel hangs").flatten();
    machine.shutdown(None).await;
    measured
}

/// MiB a second to a reader that throws it away, until it says that it has all.
async fn send(dialer: &dyn Dialer) -> Result<f64> {
    let mut stream = dialer.dial(Port::DISCARD).await?;
    let block = vec![0; MIB];
    let begun = Instant::now();
    for _ in 0..AMOUNT_MIB {
        stream.write_all(&block).await?;
    }
    stream.shutdown().await?;
    let arrived = stream.read_u64().await?;
    ensure!(arrived == (AMOUNT_MIB * MIB) as u64, "only {arrived} bytes arrived");
    Ok(mib_per_second(begun))
}

/// MiB a second in each direction while the other is as busy.
async fn send_and_receive(dialer: &dyn Dialer) -> Result<f64> {
    let (mut reader, mut writer) = split(dialer.dial(Port::ECHO).await?);
    let begun = Instant::now();
    let send = async {
        let block = vec![0; MIB];
        for _ in 0..AMOUNT_MIB {
            writer.write_all(&block).await?;
        }
        writer.shutdown().await
    };
    let receive = async {
        let mut block = vec![0; MIB];
        for _ in 0..AMOUNT_MIB {
            reader.read_exact(&mut block).await?;
        }
        Ok(())
    };
    tokio::try_join!(send, receive)?;
    Ok(mib_per_second(begun))
}

/// Microseconds until a byte is back.
async fn round_trip(dialer: &dyn Dialer) -> Result<f64> {
    let mut stream = dialer.dial(Port::ECHO).await?;
    let begun = Instant::now();
    for _ in 0..ROUND_TRIPS {
        stream.write_all(b"?").await?;
        stream.flush().await?;
        stream.read_u8().await?;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6 / f64::from(ROUND_TRIPS))
}

#[expect(clippy::cast_precision_loss, reason = "the amount is small")]
fn mib_per_second(begun: Instant) -> f64 {
    AMOUNT_MIB as f64 / begun.elapsed().as_secs_f64()
}
