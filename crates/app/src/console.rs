//! What the guest's console said: a file that QEMU writes.

use std::io::SeekFrom;
use std::time::Duration;

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::time::{MissedTickBehavior, interval};

use crate::{AppError, Directories};

/// How often a followed log is looked at. QEMU writes the file, and not every platform
/// tells of a file's growth.
const POLL: Duration = Duration::from_millis(200);

/// Gives `print` the console's log: what there is and, with `follow`, what comes.
///
/// With `follow` this ends only with an error; drop it to end it. A machine that starts
/// anew begins a new log, which is then followed from its beginning.
pub async fn print_log(
    directories: &Directories,
    follow: bool,
    mut print: impl FnMut(&[u8]),
) -> Result<(), AppError> {
    let path = directories.console_log();
    let failed = |source| AppError::File { action: "read", path: path.clone(), source };
    let mut file = File::open(&path).await.map_err(failed)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut offset = 0;
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let read = file.read(&mut buffer).await.map_err(failed)?;
        if read > 0 {
            print(&buffer[..read]);
            offset += read as u64;
            continue;
        }
        if !follow {
            return Ok(());
        }
        ticks.tick().await;
        if file.metadata().await.map_err(failed)?.len() < offset {
            offset = file.seek(SeekFrom::Start(0)).await.map_err(failed)?;
        }
    }
}
