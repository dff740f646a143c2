//! What the guest's console said: a file that QEMU writes.

use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::time::{MissedTickBehavior, interval};

use crate::{AppError, Directories};

/// How often a followed log is looked at. QEMU writes the file, and not every platform
/// tells of a file's growth.
const POLL: Duration = Duration::from_millis(200);

/// How much of the log's end a person begins with.
const SHOWN: u64 = 256 * 1024;

/// How much of the log's end is kept for an explanation.
const TAIL: u64 = 8 * 1024;

/// The end of the log; nothing when there is none.
pub(crate) async fn tail(directories: &Directories) -> String {
    let read = async {
        let mut file = File::open(directories.console_log()).await?;
        let length = file.metadata().await?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).await?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes).await?;
        Ok::<_, io::Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    read.await.unwrap_or_default()
}

/// Gives `print` the console's log: what there is and, with `follow`, what comes.
///
/// With `follow` this ends only with an error; drop it to end it. A log that is made
/// shorter is followed from its beginning.
pub async fn print_log(
    directories: &Directories,
    follow: bool,
    mut print: impl FnMut(&[u8]),
) -> Result<(), AppError> {
    let log = ConsoleLog::open(directories).await?;
    log.read(0, follow, &mut print).await
}

/// An open log.
#[derive(Debug)]
pub(crate) struct ConsoleLog {
    path: PathBuf,
    file: File,
}

impl ConsoleLog {
    /// Opens the log; there is none before the machine's first start.
    pub(crate) async fn open(directories: &Directories) -> Result<Self, AppError> {
        let path = directories.console_log();
        let opened = File::open(&path).await;
        let file = opened.map_err(|source| file_error(&path, source))?;
        Ok(Self { path, file })
    }

    /// Gives `print` the end of the log, then what comes. Ends only with an error.
    pub(crate) async fn print_end(mut self, mut print: impl FnMut(&[u8])) -> Result<(), AppError> {
        let metadata = self.file.metadata().await;
        let length = metadata.map_err(|source| file_error(&self.path, source))?.len();
        let begin = length.saturating_sub(SHOWN);
        let sought = self.file.seek(SeekFrom::Start(begin)).await;
        sought.map_err(|source| file_error(&self.path, source))?;
        self.read(begin, true, &mut print).await
    }

    async fn read(
        self,
        mut offset: u64,
        follow: bool,
        print: &mut impl FnMut(&[u8]),
    ) -> Result<(), AppError> {
        let Self { path, mut file } = self;
        let failed = |source| file_error(&path, source);
        let mut buffer = vec![0; 64 * 1024];
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
}

fn file_error(path: &Path, source: io::Error) -> AppError {
    AppError::File { action: "read", path: path.to_owned(), source }
}
