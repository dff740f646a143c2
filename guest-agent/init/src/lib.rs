//! PID 1 of the VM: everything between the kernel and the engine.
//!
//! ```text
//! kernel ─► mounts ─► modules ─► emulator ─► data disk ─► network ─► engine ─► power-off
//!                                                                       │  ▲
//!                                                                       └──┘ restarted when it dies
//! ```
//!
//! Init is synchronous, and single-threaded but for the growing of the data disk, which
//! the first start need not wait for. It knows nothing of containers, images or
//! HTTP: it starts `/init engine` and acts on how that ends. Status 0 is the engine's
//! wish to power off; any other end is a crash and the engine is started again.
//! What init says goes to the console, which is the serial log on the host.
//!
//! PID 1 must not end. A failure that leaves no machine to work with (no data disk, or
//! one that cannot be repaired) is said in one sentence, followed by an orderly
//! power-off; so is a panic.

mod console;
mod disk;
mod emulator;
mod error;
mod modules;
mod mounts;
mod network;
mod power;
mod shutdown;
mod signals;
mod superblock;
mod supervise;
mod sys;

use std::panic;
use std::process::{self, ExitCode};

pub use crate::error::InitError;

/// Where the data disk is mounted; the engine's root directory.
pub const DATA_DIR: &str = "/var/lib/naru";

/// The engine's run directory, on a tmpfs.
pub const RUN_DIR: &str = "/run/naru";

/// Runs the machine until it powers off.
///
/// As PID 1 this never returns. As any other process it does nothing and returns a
/// failure, so that a person who tries `naru-agent init` loses nothing.
pub fn run() -> ExitCode {
    if process::id() != 1 {
        console::error("only the kernel starts init, as process 1 of the machine");
        return ExitCode::FAILURE;
    }
    match panic::catch_unwind(boot) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            console::error(&naru_error::chain(&error));
            if let Some(hint) = error.hint() {
                console::error(hint);
            }
        }
        // The panic hook has printed message and place.
        Err(_) => console::error("init panicked; this is a defect in Naru"),
    }
    shutdown::power_off()
}

/// Brings the machine up and keeps the engine running until it asks for power-off.
fn boot() -> Result<(), InitError> {
    mounts::leave_first_root()?;
    mounts::mount_early()?;
    modules::load_all();
    emulator::register();
    // Before the first thread and the first child, so that every signal comes here.
    let signals = supervise::block_signals()?;
    let growth = disk::mount_data()?;
    network::configure();
    supervise::run_engine(&signals)?;
    // Unmounting would fail as long as the file system still grows.
    if growth.is_some_and(|growth| growth.join().is_err()) {
        console::error("growing the data disk panicked; this is a defect in Naru");
    }
    Ok(())
}
